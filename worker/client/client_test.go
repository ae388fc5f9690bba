package client

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

func TestAProblemDocumentBecomesAnErrorWithItsCodeAndRetryAfter(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"type":"x","title":"Too many requests","status":429,"code":"rate-limited"}`))
	}))
	defer server.Close()
	c, err := New(Options{ServerURL: server.URL, HTTP: server.Client(), Pool: "p", Worker: "w"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Claim(t.Context(), api.ClaimRequest{})
	failed := AsError(err)
	if !failed.Temporary() || failed.Denied() || failed.Code != "rate-limited" ||
		failed.RetryAfter != 7*time.Second {
		t.Errorf("got %+v, want a temporary error with code rate-limited and 7s", failed)
	}
}

func TestEachFailureIsDeniedTemporaryOrFinal(t *testing.T) {
	tests := map[string]struct {
		err                        Error
		foreign, denied, temporary bool
	}{
		"no answer":                       {err: Error{}, temporary: true},
		"a refused key":                   {err: Error{Status: 401, Code: "unauthenticated"}, denied: true},
		"a key without the role":          {err: Error{Status: 403, Code: "forbidden"}, denied: true},
		"a login page in between":         {err: Error{Status: 401}, foreign: true, temporary: true},
		"an ingress without the path":     {err: Error{Status: 404}, foreign: true, temporary: true},
		"a resource that does not exist":  {err: Error{Status: 404, Code: "not-found"}},
		"a body too large for the server": {err: Error{Status: 413, Code: "too-large"}},
		"a body too large for a proxy":    {err: Error{Status: 413}},
		"a server that wants fewer calls": {
			err: Error{Status: 429, Code: "rate-limited"}, temporary: true,
		},
		"a server that failed":                 {err: Error{Status: 500, Code: "internal"}, temporary: true},
		"a gateway without a server behind it": {err: Error{Status: 502}, temporary: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := []bool{test.err.Foreign(), test.err.Denied(), test.err.Temporary()}
			want := []bool{test.foreign, test.denied, test.temporary}
			for i, what := range []string{"foreign", "denied", "temporary"} {
				if got[i] != want[i] {
					t.Errorf("%s is %v, want %v", what, got[i], want[i])
				}
			}
		})
	}
}
