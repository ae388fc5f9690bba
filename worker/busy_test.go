package worker

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-dev/berth/server/api"
)

func TestAServerThatSaysWhenToComeBackIsTakenAtItsWord(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"type":"x","title":"Too many requests","status":429,"code":"rate-limited"}`))
	}))
	defer server.Close()
	c, err := newClient(Options{ServerURL: server.URL, HTTPClient: server.Client(), Pool: "p", Name: "w"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.claim(t.Context(), api.ClaimRequest{})
	call := asCallError(err)
	if !call.temporary() || call.denied() || call.code != "rate-limited" || call.retryAfter != 7*time.Second {
		t.Errorf("got %+v", call)
	}
	synctest.Test(t, func(t *testing.T) {
		retry := backoff{least: time.Millisecond, most: time.Second}
		began := time.Now()
		if !retry.wait(t.Context(), call.retryAfter) || time.Since(began) < 7*time.Second {
			t.Errorf("asked again after %s", time.Since(began))
		}
	})
}
