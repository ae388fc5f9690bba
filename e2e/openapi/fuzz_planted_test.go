package openapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/testenv"
)

// TestTheFuzzerSeesAnAnswerThatIsNotDeclared puts wrong answers before the fuzzer: a test that cannot fail
// proves nothing.
func TestTheFuzzerSeesAnAnswerThatIsNotDeclared(t *testing.T) {
	testenv.Slow(t, "it installs packages from the Python package index")
	t.Parallel()
	fuzzer := installFuzzer(t)

	const info = `{"version":"v1","installation_id":"0197a0b1-0d30-7c49-95af-490e1d2c3b00","authenticated":true}`
	for name, c := range map[string]struct {
		status            int
		kind, body, wants string
	}{
		"a declared answer":     {200, "application/json", info, ""},
		"a server error":        {500, "application/problem+json", `{}`, "Server error"},
		"an undeclared status":  {418, "application/problem+json", `{}`, "Undocumented status code"},
		"an undeclared success": {202, "application/json", info, "Undocumented status code"},
		"another content type":  {200, "text/html", "<p>", "Undocumented Content-Type"},
		"a missing field":       {200, "application/json", `{"version":"v1"}`, "Response violates schema"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			report, err := fuzzer.aimAt(t, server.URL, nil).try(t, "", "--include-operation-id", "getInfo",
				"--phases", "fuzzing")
			if (err != nil) != (c.wants != "") || !strings.Contains(string(report), c.wants) {
				t.Errorf("%v, want %q:\n%s", err, c.wants, report)
			}
		})
	}
}
