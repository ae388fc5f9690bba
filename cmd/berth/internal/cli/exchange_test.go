package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// ciServer accepts the keys that it has made in the last minutes.
type ciServer struct {
	mu      sync.Mutex
	now     time.Time
	made    int
	ends    map[string]time.Time
	refuse  error // the next exchange
	without bool  // it wants no key
	sent    []string
}

func (s *ciServer) exchange(context.Context, string, string) (api.APIKeyCreated, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return api.APIKeyCreated{}, s.refuse
	}
	s.made++
	key, ends := fmt.Sprint("key", s.made), s.now.Add(8*time.Minute)
	s.ends["Bearer "+key] = ends
	return api.APIKeyCreated{Secret: key, APIKey: api.APIKey{CreatedAt: s.now, ExpiresAt: &ends}}, nil
}

func (s *ciServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, body := r.Header.Get("Authorization"), ""
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(text)
	}
	s.sent = append(s.sent, strings.TrimPrefix(key, "Bearer ")+body)
	status := http.StatusUnauthorized
	if s.without || s.now.Before(s.ends[key]) {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
}

func (s *ciServer) transport(automatic bool) *exchanging {
	return &exchanging{
		next: s, exchange: s.exchange,
		identity: Identity{source: "a test", Automatic: automatic, token: func(context.Context) (string, error) { return "t", nil }},
		now: func() time.Time {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.now
		},
	}
}

func (s *ciServer) call(t *testing.T, transport *exchanging) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://server/", strings.NewReader("!"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func newCIServer() *ciServer {
	return &ciServer{now: time.Unix(1_000_000, 0), ends: map[string]time.Time{}}
}

func TestALongCommandRenewsItsKey(t *testing.T) {
	s := newCIServer()
	transport := s.transport(false)
	for range 20 { // twenty minutes
		if status := s.call(t, transport); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
		s.now = s.now.Add(time.Minute)
	}
	if s.made != 4 { // after six of eight minutes each
		t.Errorf("%d keys were made", s.made)
	}
	// A renewal that fails costs nothing while the key works.
	s.now, s.refuse = s.now.Add(-time.Minute), errors.New("token used before")
	for range 7 {
		if status := s.call(t, transport); status != http.StatusOK {
			t.Fatalf("with a failing renewal: status %d", status)
		}
		if s.now = s.now.Add(time.Minute); !s.now.Before(transport.endsAt) {
			break
		}
	}
	s.now = transport.endsAt.Add(time.Minute)
	if status := s.call(t, transport); status != 0 {
		t.Errorf("after the end: status %d", status)
	}
}

func TestARevokedKeyIsReplacedOnceAndTheRequestIsSentAgainWhole(t *testing.T) {
	s := newCIServer()
	transport := s.transport(false)
	s.call(t, transport)
	clear(s.ends) // the trust rule has changed
	if status := s.call(t, transport); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if got := strings.Join(s.sent, " "); got != "key1! key1! key2!" {
		t.Errorf("sent %s", got)
	}
	clear(s.ends)
	s.refuse = errors.New("no trust rule")
	if status := s.call(t, transport); status != 0 || len(s.sent) != 4 {
		t.Errorf("status %d, sent %v", status, s.sent)
	}
}

func TestAnAutomaticTokenIsExchangedOnlyWhenTheServerWantsAKey(t *testing.T) {
	s := newCIServer()
	s.without = true
	transport := s.transport(true)
	if status := s.call(t, transport); status != http.StatusOK || s.made != 0 {
		t.Errorf("status %d, %d keys", status, s.made)
	}
	s.without = false
	if status := s.call(t, transport); status != http.StatusOK || s.made != 1 {
		t.Errorf("status %d, %d keys", status, s.made)
	}
}

func TestParallelRequestsShareOneExchange(t *testing.T) {
	s := newCIServer()
	transport := s.transport(false)
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			if status := s.call(t, transport); status != http.StatusOK {
				t.Errorf("status %d", status)
			}
		})
	}
	calls.Wait()
	if s.made != 1 {
		t.Errorf("%d keys were made", s.made)
	}
}
