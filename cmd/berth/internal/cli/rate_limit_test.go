package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// busy answers 429 so many times, and remembers what it was sent.
type busy struct {
	times  int
	after  string
	bodies []string
}

func (b *busy) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b.bodies = append(b.bodies, string(sent))
	status, header := http.StatusOK, http.Header{}
	if len(b.bodies) <= b.times {
		status = http.StatusTooManyRequests
		header.Set("Retry-After", b.after)
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func TestARequestThatIsToldToWaitIsSentAgain(t *testing.T) {
	for _, test := range []struct {
		name   string
		server busy
		status int
		sent   int
		took   time.Duration
	}{
		{"one that is taken at once", busy{}, 200, 1, 0},
		{"one that is taken the third time", busy{times: 2, after: "3"}, 200, 3, 6 * time.Second},
		{"one that is never taken", busy{times: 100, after: "1"}, 429, 5, 4 * time.Second},
		{"one that would have to wait for long", busy{times: 1, after: "3600"}, 429, 1, 0},
		{"one that is not told how long", busy{times: 1}, 429, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			server, began := test.server, time.Now()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://berth/",
				strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := rateLimitRetry{&server}.RoundTrip(r)
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != test.status || len(server.bodies) != test.sent ||
				time.Since(began) != test.took {
				t.Errorf("%s: %d after %d times and %s", test.name, resp.StatusCode, len(server.bodies),
					time.Since(began))
			}
			for _, body := range server.bodies {
				if body != "body" {
					t.Errorf("%s: sent %q", test.name, body)
				}
			}
		})
	}
}

func TestWaitingEndsWithTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://berth/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (rateLimitRetry{&busy{times: 9, after: "10"}}).RoundTrip(r); !errors.Is(
			err, context.DeadlineExceeded,
		) {
			t.Errorf("got %v", err)
		}
	})
}
