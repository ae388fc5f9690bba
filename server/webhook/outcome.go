package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/outbound"
	"github.com/berth-dev/berth/server/store"
)

const (
	// The wait before attempt n+1 is firstWait * 2^(n-1), at most longestWait, and half of it at random.
	firstWait, longestWait = 5 * time.Second, 10 * time.Minute
	// longestRest is how long a receiver that does not answer is left alone at most, before one delivery tries again.
	longestRest = time.Minute
	// longestRetryAfter bounds what a receiver can ask for.
	longestRetryAfter = time.Hour
	// giveUpAfter is how long a delivery is tried; leastAttempts keeps a clock that jumps from ending it sooner.
	giveUpAfter   = 72 * time.Hour
	leastAttempts = 8
)

// answer is what became of a request.
type answer struct {
	status     int32 // 0: there was none
	retryAfter time.Duration
	err        error // why there was none
}

// text says what became of a request, without anything that the receiver has written: an address that is allowed may
// still be one whose answers are not for whoever sets webhooks.
func (a answer) text() string {
	switch {
	case a.err != nil:
		return reasonOf(a.err)
	case a.ok():
		return ""
	case a.status >= 300 && a.status < 400:
		return fmt.Sprintf("the receiver answered %s; redirects are not followed", statusText(a.status))
	}
	return "the receiver answered " + statusText(a.status)
}

func statusText(status int32) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(int(status))))
}

func (a answer) ok() bool { return a.err == nil && a.status >= 200 && a.status < 300 }

// down reports whether the receiver takes nothing at all now. Another answer may be about this delivery alone.
func (a answer) down() bool {
	switch a.status {
	case 0, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return a.status >= 500
}

// resultOf decides what becomes of a delivery after an attempt. random is in [0, 1).
func resultOf(a answer, h store.Webhook, d store.WebhookDelivery, now time.Time, random float64) store.DeliveryResult {
	r := store.DeliveryResult{Status: a.status, Error: a.text()}
	switch {
	case a.ok():
		r.State = store.DeliveryDelivered
		return r
	case a.status == http.StatusGone:
		r.State = store.DeliveryFailed
		r.PausedReason = "the receiver answered 410 Gone: it wants no more events"
		return r
	case now.Sub(d.QueuedAt) >= giveUpAfter && d.Attempts >= leastAttempts:
		r.State = store.DeliveryFailed
		r.Error += fmt.Sprintf("; given up after %d attempts", d.Attempts)
	default:
		r.State = store.DeliveryPending
	}
	r.Wait = waitAfter(d.Attempts, random)
	if a.down() {
		r.Rest = max(min(waitAfter(h.Unanswered+1, random), longestRest), a.retryAfter)
	}
	r.Wait = max(r.Wait, a.retryAfter)
	return r
}

// waitAfter is how long to wait after an attempt, counted from 1.
func waitAfter(attempt int32, random float64) time.Duration {
	wait := longestWait
	if shift := attempt - 1; shift < 16 {
		wait = min(firstWait<<max(shift, 0), longestWait)
	}
	return wait/2 + time.Duration(random*float64(wait/2))
}

// retryAfter reads the header of that name: seconds, or a time.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	var wait time.Duration
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), longestRetryAfter)
}

// reasonOf is why there was no answer, without the address, which the errors of net/http have.
func reasonOf(err error) string {
	var (
		refused   *outbound.RefusedError
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		operation *net.OpError
		wrapped   *url.Error
	)
	switch {
	case errors.As(err, &refused):
		return refused.Reason
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "the receiver did not answer in time"
	case errors.As(err, &name):
		return "the name of the receiver was not found"
	case errors.As(err, &authority):
		return "the certificate of the receiver is signed by an authority that the server does not trust"
	case errors.As(err, &hostname):
		return "the certificate of the receiver is for another host"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "the certificate of the receiver is not valid"
	case errors.As(err, &operation) && operation.Op == "dial":
		return "the receiver cannot be connected to"
	case errors.As(err, &wrapped):
		return "the receiver ended the connection, or answered with something that is no HTTP"
	}
	return "the request could not be made"
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
