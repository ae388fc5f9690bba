package wording_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/wording"
)

func TestGoFileFindsTheTextsOfEachSurface(t *testing.T) {
	for _, tc := range []struct {
		name, file, body string
		want             []wording.Message
	}{
		{
			"an error of the server", "server/a.go", `var e = errors.New("work pool is paused")`,
			[]wording.Message{{Surface: wording.Server, Line: 2, Text: "work pool is paused"}},
		},
		{
			"a concatenation shows its other operand as a gap", "worker/a.go", `var e = "run " + id + " was lost"`,
			[]wording.Message{{Surface: wording.Worker, Line: 2, Text: "run {…} was lost"}},
		},
		{
			"a warning is a log message wherever it stands", "worker/a.go", `func f() { w.log.Warn("lease lost, retrying") }`,
			[]wording.Message{{Surface: wording.Log, Line: 2, Text: "lease lost, retrying"}},
		},
		{
			"a warning with attributes of the logger", "worker/a.go", `func f() { log.With("a", 1).Error("run was lost") }`,
			[]wording.Message{{Surface: wording.Log, Line: 2, Text: "run was lost"}},
		},
		{"info and debug messages are for developers", "worker/a.go", `func f() { log.Info("run was lost"); log.Debug("so it goes") }`, nil},
		{"a statement is no text", "server/store/a.go", `const q = "SELECT id FROM runs"`, nil},
		{"one word is a name or a key", "server/a.go", `const k = "pool"`, nil},
		{"a tag is no text", "server/a.go", "type t struct { A int `json:\"a\" db:\"a b\"` }", nil},
		{"what only tests say is not read", "e2e/a.go", `const k = "a text of the tests"`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := wording.GoFile(tc.file, []byte("package a\n"+tc.body))
			if err != nil {
				t.Fatal(err)
			}
			for i := range tc.want {
				tc.want[i].File = tc.file
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestOtherFilesHaveTexts(t *testing.T) {
	texts := func(messages []wording.Message, err error) (out []string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			out = append(out, m.Text)
		}
		return out
	}
	for _, tc := range []struct {
		name      string
		got, want []string
	}{
		{
			"a page shows what stands between tags and in labels",
			texts(wording.MarkupFile("a.html", []byte(`<p title="all of it">Work <b>pools</b> and queues</p>`)), nil),
			[]string{"and queues", "all of it"},
		},
		{
			"a script shows its literals, not its comments",
			texts(wording.ScriptFile("a.js", []byte("// not this one\nshow(`no run yet`, 'id')")), nil),
			[]string{"no run yet"},
		},
		{
			"a template of the chart shows what fail prints",
			texts(wording.ChartFile("a.yaml", []byte(`{{/* a "hidden text" */}}{{ fail "set a value" }}`)), nil),
			[]string{"set a value"},
		},
		{
			"a rule shows its summary",
			texts(wording.MonitoringFile("a.yaml", []byte("alerts: [{expr: up == 0, annotations: {summary: It is down}}]"))),
			[]string{"It is down"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestCheckTextNamesThePlaceAndWhatToWrite(t *testing.T) {
	got := wording.CheckText("a.md", 3, "first line\nit can not be")
	want := []wording.Complaint{{File: "a.md", Line: 4, Text: "can not", Want: "cannot"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if clean := wording.CheckText("a.md", 1, "it cannot be"); clean != nil {
		t.Errorf("got %v", clean)
	}
}
