package server_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestAStreamBeginsNearTheEndOfTheOutputIfItIsAskedTo(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("talks", "")
	run := r.startRun("talks", `{}`)
	w := r.newWorker("w")
	claim := w.claimOne()
	w.begin(claim)
	w.write(claim, 0, "first\nsecond\nthird\n")
	w.finish(claim, 0, "third\n")
	for query, want := range map[string]string{
		"": `"offset":0,"text":"first\nsecond\nthird\n"`, "?last_bytes=6": `"offset":13,"text":"third\n"`,
		"?last_bytes=6000": `"offset":0,"text":"first\nsecond\nthird\n"`,
	} {
		body := string(r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/stream"+query, "").is(http.StatusOK).body)
		if !strings.Contains(body, want) {
			t.Errorf("with %q it is %s", query, body)
		}
	}
	if body := string(r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/stream?last_bytes=0", "").is(http.StatusOK).body); strings.Contains(body, "event: log") {
		t.Errorf("without output it is %s", body)
	}
	r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/stream?last_bytes=-1", "").
		refused(http.StatusBadRequest, "invalid-parameter")
}
