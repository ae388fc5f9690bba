package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

func TestARunIsNamedInThePathByNameIDOrABeginningOfEither(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	at := `"scheduled_time":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"`
	older := r.startRun("hello", `{"name":"the twin",`+at+`}`)
	newer := r.startRun("hello", `{"name":"the twin",`+at+`}`)
	single := r.startRun("hello", `{"name":"a name / with a slash",`+at+`}`)
	named := func(text string) answer {
		return r.call(http.MethodGet, "/api/v1/runs/"+strings.ReplaceAll(strings.ReplaceAll(text, " ", "%20"), "/", "%2F"), "")
	}
	for text, want := range map[string]api.Run{
		older.ID.String(): older, strings.ToUpper(older.ID.String()): older, older.ID.String()[:35]: older,
		"the twin": newer, "a name / with a slash": single, "a name": single,
	} {
		if got := read[api.RunDetail](named(text).is(http.StatusOK)); got.Run.ID != want.ID {
			t.Errorf("%q is %s, want %s", text, got.Run.ID, want.ID)
		}
	}
	named("the tw").is(http.StatusConflict).has("run-ambiguous", "more than one run", older.ID.String(), newer.ID.String())
	named(older.ID.String()[:8]).is(http.StatusConflict).has("the ID of more than one run")
	named("nothing called so").is(http.StatusNotFound).has("does not exist")
	named("twin").is(http.StatusNotFound).has("at least 6 characters")
	named(strings.Repeat("x", 201)).is(http.StatusBadRequest)

	// All operations on a run take it, and only in pools in which the caller may do them.
	for _, path := range []string{"explain", "events", "logs", "diff"} {
		want := r.call(http.MethodGet, "/api/v1/runs/"+newer.ID.String()+"/"+path, "").status
		r.call(http.MethodGet, "/api/v1/runs/the%20twin/"+path, "").is(want)
	}
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"theirs","type":"process"}`).is(http.StatusCreated)
	key := read[api.APIKeyCreated](r.call(http.MethodPost, "/api/v1/api-keys",
		`{"name":"limited","bindings":[{"role":"operator","pool":"theirs"}]}`).is(http.StatusCreated)).Secret
	r.send(r.request(key, http.MethodGet, "/api/v1/runs/the%20twin", "")).is(http.StatusNotFound).has("has no role")
	r.call(http.MethodPost, "/api/v1/runs/the%20twin/cancel", "").is(http.StatusOK).has(newer.ID.String(), "CANCELLED")
}
