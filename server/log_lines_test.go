package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
)

func logPath(run uuid.UUID, rest string) string {
	return "/api/v1/runs/" + run.String() + "/logs" + rest
}

func TestOutputIsReadByLineAndByByte(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	w := r.newWorker("w")
	run := r.startRun("etl", `{}`)

	none := read[api.LogLines](r.call(http.MethodGet, logPath(run.ID, "/lines"), ""))
	if none.Attempt != 0 || len(none.Lines) != 0 || none.TotalLines == nil || *none.TotalLines != 0 {
		t.Errorf("before it is claimed: %+v", none)
	}

	claim := w.claimOne()
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "\x1b[32mINFO\x1b[0m line %d of the output, with ß\n", i+1)
		if i%1000 == 999 {
			w.write(claim, 0, text.String())
		}
	}
	whole := strings.SplitAfter(text.String(), "\n")
	lines := func(query string) api.LogLines {
		return read[api.LogLines](r.call(http.MethodGet, logPath(run.ID, "/lines?"+query), ""))
	}
	for query, want := range map[string]struct{ first, count int64 }{
		"":                                      {1, 1000},
		"from_line=1&lines=3":                   {1, 3},
		"from_line=4998&attempt=1":              {4998, 3},
		"from_line=-2":                          {4999, 2},
		"from_line=-9000&lines=1":               {1, 1},
		"from_byte=0&lines=1":                   {1, 1},
		fmt.Sprint("from_byte=", len(whole[0])): {2, 1000},
		"from_line=2000&bytes=1000":             {2000, 9},
		"from_line=5001":                        {0, 0},
		"from_byte=99999999":                    {0, 0},
	} {
		got := lines(query)
		if int64(len(got.Lines)) != want.count || want.count > 0 && got.Lines[0].Line != want.first {
			t.Errorf("%s: %d lines, the first is %+v", query, len(got.Lines), got.Lines[:min(1, len(got.Lines))])
		}
		if got.SizeBytes != int64(text.Len()) || got.TotalLines == nil || *got.TotalLines != 5000 {
			t.Errorf("%s: %+v", query, got)
		}
		for i, l := range got.Lines {
			if l.Text+"\n" != whole[l.Line-1] || l.At == nil {
				t.Fatalf("line %d is %+v", l.Line, l)
			}
			if i > 0 {
				continue // the bytes of one line of each window
			}
			raw := r.call(http.MethodGet, logPath(run.ID, fmt.Sprintf("?from_byte=%d&bytes=%d", l.Offset, l.Size)), "").is(http.StatusOK)
			if string(raw.body) != whole[l.Line-1] {
				t.Errorf("the bytes of line %d are %q", l.Line, raw.body)
			}
		}
	}
	if cut := lines("from_line=1&lines=1&line_bytes=8").Lines[0]; cut.Text != "\x1b[32mINF" || cut.Cut == nil || !*cut.Cut {
		t.Errorf("a cut line is %+v", cut)
	}
	rest := r.call(http.MethodGet, logPath(run.ID, fmt.Sprint("?from_byte=", text.Len()-3)), "").is(http.StatusOK)
	if string(rest.body) != "ß\n" {
		t.Errorf("the last bytes are %q", rest.body)
	}
	for _, query := range []string{"from_line=0", "from_line=1&from_byte=1"} {
		r.call(http.MethodGet, logPath(run.ID, "/lines?"+query), "").refused(http.StatusBadRequest, "invalid-parameter")
	}
	for _, rest := range []string{"/lines?attempt=2", "/search?text=x&attempt=2"} {
		r.call(http.MethodGet, logPath(run.ID, rest), "").refused(http.StatusNotFound, "not-found")
	}

	search := func(text, more string) api.LogMatches {
		return read[api.LogMatches](r.call(http.MethodGet, logPath(run.ID, "/search?text="+url.QueryEscape(text)+more), ""))
	}
	found := search("info LINE 499", "&limit=2&from_line=500")
	if found.Count != 10 || found.NextLine != nil || len(found.Lines) != 2 || found.Lines[0].Line != 4990 ||
		found.Lines[0].Text != "INFO line 4990 of the output, with ß" {
		t.Errorf("found %+v", found)
	}
	if found := search("[32m", ""); found.Count != 0 || found.Lines == nil {
		t.Errorf("found %+v", found)
	}
}

// allLines reads all lines of a run's output, in several requests.
func (r *running) allLines(run uuid.UUID) api.LogLines {
	r.t.Helper()
	all := read[api.LogLines](r.call(http.MethodGet, logPath(run, "/lines"), ""))
	for int64(len(all.Lines)) < *all.TotalLines {
		query := fmt.Sprint("/lines?lines=7000&from_line=", len(all.Lines)+1)
		all.Lines = append(all.Lines, read[api.LogLines](r.call(http.MethodGet, logPath(run, query), "")).Lines...)
	}
	return all
}
