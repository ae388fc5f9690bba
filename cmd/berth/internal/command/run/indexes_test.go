package run

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestIndexesAreToldInALineEach(t *testing.T) {
	for _, test := range []struct {
		name    string
		indexes *api.AttemptIndexes
		want    string
	}{
		{"none", nil, ""},
		{"none has ended", &api.AttemptIndexes{Total: 3}, "0 of 3 indexes succeeded"},
		{"all succeeded", &api.AttemptIndexes{Total: 3, Succeeded: 3, SucceededIndexes: new("0-2")}, "3 of 3 indexes succeeded (0-2)"},
		{
			"some failed", &api.AttemptIndexes{
				Total: 5, Succeeded: 3, SucceededIndexes: new("0-2"), Failed: 2, FailedIndexes: new("3-4"),
				Failures: &[]api.IndexFailure{
					{Index: 3, Category: api.CategoryApp, Message: new("exited with code 4")}, {Index: 4, Category: api.CategoryOOM},
				},
			}, "3 of 5 indexes succeeded (0-2), 2 failed (3-4)|index 3: exited with code 4|index 4: oom",
		},
	} {
		if got := strings.Join(indexes(test.indexes), "|"); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
