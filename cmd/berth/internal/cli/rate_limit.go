package cli

import (
	"net/http"
	"strconv"
	"time"
)

const (
	// maxRateLimitTries is how often a request is sent that is told to wait.
	maxRateLimitTries = 5
	// maxRetryAfter is the longest wait; who is told to wait longer is told so.
	maxRetryAfter = 30 * time.Second
)

// rateLimitRetry sends a request again that the server has not taken because this key asks too often. Nothing
// of it was done, so that any request may be sent again.
type rateLimitRetry struct{ next http.RoundTripper }

func (t rateLimitRetry) RoundTrip(r *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := t.next.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || try == maxRateLimitTries {
			return resp, err
		}
		seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		wait := time.Duration(seconds) * time.Second
		if err != nil || wait < 0 || wait > maxRetryAfter {
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
