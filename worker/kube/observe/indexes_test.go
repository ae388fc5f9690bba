package observe

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTheIndexesOfRecordedJobs(t *testing.T) {
	const exited = `container \"job\" exited with code `
	for file, want := range map[string]string{
		"indexed-attempt-1.yaml": `{"failed":0,"succeeded":3,"succeeded_indexes":"0-2","total":3}`,
		"indexed-with-one-failing-index-attempt-1.yaml": `{"failed":1,"failed_indexes":"1","failures":[{"category":"app","exit_code":3,"index":1,` +
			`"message":"` + exited + `3"}],"succeeded":0,"total":3}`,
		"an-index-that-fails-once-attempt-1.yaml": `{"failed":0,"succeeded":3,"succeeded_indexes":"0-2","total":3}`,
		"an-index-that-fails-for-good-attempt-1.yaml": `{"failed":1,"failed_indexes":"1","failures":[{"category":"app","exit_code":3,"index":1,` +
			`"message":"` + exited + `3"}],"succeeded":2,"succeeded_indexes":"0,2","total":3}`,
		"too-many-failed-indexes-attempt-1.yaml": `{"failed":2,"failed_indexes":"0,1","failures":[{"category":"app","exit_code":4,"index":0,` +
			`"message":"` + exited + `4"},{"category":"app","exit_code":4,"index":1,"message":"` + exited + `4"}],"succeeded":0,"total":3}`,
		"indexes-of-which-one-is-enough-attempt-1.yaml": `{"failed":0,"succeeded":1,"succeeded_indexes":"0","total":3}`,
		"a-work-queue-attempt-1.yaml":                   `null`,
		"normal-attempt-1.yaml":                         `null`,
	} {
		got, err := json.Marshal(Attempt(readRecording(t, recorded, file).trimmed().snapshot()).Indexes)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", file, got, want)
		}
	}
}

func TestListsOfIndexes(t *testing.T) {
	for _, test := range []struct {
		list  string
		count int32
		has   map[int]bool
	}{
		{"", 0, map[int]bool{0: false}},
		{"0", 1, map[int]bool{0: true, 1: false}},
		{"0-2,5,7-8", 6, map[int]bool{0: true, 1: true, 2: true, 3: false, 4: false, 5: true, 6: false, 7: true, 8: true, 9: false}},
	} {
		if got := countIndexes(test.list); got != test.count {
			t.Errorf("%q has %d indexes, want %d", test.list, got, test.count)
		}
		var all []int
		for index := range 10 {
			if got, asked := hasIndex(test.list, index), test.has[index]; got != asked {
				t.Errorf("%q has %d: %v", test.list, index, got)
			} else if got {
				all = append(all, index)
			}
		}
		// In a status two indexes are written as 7,8 or 7-8.
		if got := listOf(all); got != test.list {
			t.Errorf("%v is written %q, want %q", all, got, test.list)
		}
	}
	long := strings.Repeat("1,", 500) + "1"
	if got := shortened(long, 100); len(got) > 104 || !strings.HasSuffix(got, "1,…") {
		t.Errorf("shortened to %q", got)
	}
}
