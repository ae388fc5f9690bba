package apiclient

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// maxResponse bounds a document, in bytes.
	maxResponse = 64 << 20
	// documentTimeout bounds how long a document may take from its headers to its end.
	documentTimeout = 2 * time.Minute
	// textTimeout bounds the pauses of output, which may be of any length.
	textTimeout = time.Minute
)

// RedirectError is a response that asks to send the request elsewhere. Berth servers send none. Following it
// would send the API key there.
type RedirectError struct{ Target string }

func (e *RedirectError) Error() string {
	return fmt.Sprintf("the server redirects to %s; requests are not redirected, because they carry the API key: "+
		"set the final URL, or check the proxy in between", e.Target)
}

// NewHTTPClient returns a client for a Berth server. It refuses redirects and bounds the responses.
func NewHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: Bound(transport),
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			return &RedirectError{Target: r.URL.Redacted()}
		},
	}
}

// Bound returns a transport whose responses end: documents have a size and a duration, output may pause for a
// time only. Streams are bounded by who reads them.
func Bound(transport http.RoundTripper) http.RoundTripper {
	return boundTransport{transport, documentTimeout, textTimeout}
}

type boundTransport struct {
	next           http.RoundTripper
	document, text time.Duration
}

// RoundTrip implements http.RoundTripper.
func (t boundTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch kind {
	case "text/event-stream":
	case "text/plain":
		response.Body = newBoundBody(response.Body, -1, t.text)
	default:
		response.Body = newBoundBody(response.Body, maxResponse, t.document)
	}
	return response, nil
}

// boundBody ends a response that is too long or takes too long.
type boundBody struct {
	io.ReadCloser
	left    int64 // bytes; negative means no limit, and the timeout is for each read
	timeout time.Duration
	timer   *time.Timer
	late    *atomic.Bool
}

func newBoundBody(body io.ReadCloser, limit int64, timeout time.Duration) *boundBody {
	late := &atomic.Bool{}
	timer := time.AfterFunc(timeout, func() {
		late.Store(true)
		_ = body.Close() // ends the read that waits
	})
	return &boundBody{ReadCloser: body, left: limit, timeout: timeout, timer: timer, late: late}
}

// Read implements io.Reader.
func (b *boundBody) Read(p []byte) (int, error) {
	limited := b.left >= 0
	if limited && int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case b.late.Load() && !errors.Is(err, io.EOF) && err != nil:
		if limited {
			return n, fmt.Errorf("the response was not complete after %s", b.timeout)
		}
		return n, fmt.Errorf("the response paused for more than %s", b.timeout)
	case !limited:
		b.timer.Reset(b.timeout)
	default:
		if b.left -= int64(n); b.left < 0 {
			return 0, fmt.Errorf("the response exceeds %d MB", maxResponse>>20)
		}
	}
	return n, err
}

// Close implements io.Closer.
func (b *boundBody) Close() error {
	b.timer.Stop()
	return b.ReadCloser.Close()
}
