package cli

import (
	"net/http"
	"strconv"
	"time"
)

const (
	// patienceTries is how often a request is sent that is told to wait.
	patienceTries = 5
	// patienceMax is the longest wait; who is told to wait longer is told so.
	patienceMax = 30 * time.Second
)

// patient sends a request again that the server has not taken because this key asks too often. Nothing of it
// was done, so that any request may be sent again.
type patient struct{ next http.RoundTripper }

func (t patient) RoundTrip(r *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := t.next.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || try == patienceTries {
			return resp, err
		}
		seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		wait := time.Duration(seconds) * time.Second
		if err != nil || wait < 0 || wait > patienceMax {
			return resp, nil
		}
		again := r.Clone(r.Context())
		if r.Body != nil && r.Body != http.NoBody {
			if r.GetBody == nil {
				return resp, nil
			}
			if again.Body, err = r.GetBody(); err != nil {
				return resp, nil
			}
		}
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
		pause := time.NewTimer(wait)
		select {
		case <-r.Context().Done():
			pause.Stop()
			return nil, r.Context().Err()
		case <-pause.C:
		}
		r = again
	}
}
