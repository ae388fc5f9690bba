package request

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// BodyTimeout bounds how long a client may take to send a body.
const BodyTimeout = 30 * time.Second

// lateGrace is how much longer a body may take when its request has been answered, or when the server stops. A
// connection that is closed while data arrives may lose the response.
const lateGrace = time.Second

// Bodies bounds the time that clients may take to send bodies, whether or not anyone reads them.
type Bodies struct {
	mu       sync.Mutex
	open     map[*body]struct{}
	stopping bool
}

// NewBodies returns a Bodies.
func NewBodies() *Bodies { return &Bodies{open: map[*body]struct{}{}} }

// Stop ends the reading of all bodies that have not arrived yet. The server would otherwise wait for them
// when it stops.
func (b *Bodies) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopping = true
	for open := range b.open {
		open.expire()
	}
}

// Wrap sets a deadline for the body of every request. A response that is sent before the body has arrived
// closes the connection: net/http would read up to 256 KB more, for as long as the client likes.
func (b *Bodies) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		if len(r.TransferEncoding) > 0 {
			// net/http takes the chunks and drops a Content-Length beside them. A proxy that went by the length would
			// take the rest of the body for the next request, so that there must be none on this connection (RFC 9112).
			w.Header().Set("Connection", "close")
		}
		incoming := &body{ReadCloser: r.Body, connection: http.NewResponseController(w)}
		if err := b.begin(incoming); err != nil {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer b.end(incoming)
		// A copy: net/http looks at the original body when it closes the connection.
		r = r.WithContext(r.Context())
		r.Body = incoming
		next.ServeHTTP(&earlyResponse{ResponseWriter: w, body: incoming}, r)
	})
}

func (b *Bodies) begin(incoming *body) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[incoming] = struct{}{}
	timeout := BodyTimeout
	if b.stopping {
		timeout = lateGrace
	}
	return ignoreUnsupported(incoming.connection.SetReadDeadline(time.Now().Add(timeout)))
}

func (b *Bodies) end(incoming *body) {
	b.mu.Lock()
	delete(b.open, incoming)
	b.mu.Unlock()
	incoming.expire()
}

// body is the body of a request that is still arriving.
type body struct {
	io.ReadCloser
	connection *http.ResponseController

	mu       sync.Mutex
	complete bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.complete = true
		// The deadline is for this body only. One for the whole connection would end long polls and streams.
		if err := ignoreUnsupported(b.connection.SetReadDeadline(time.Time{})); err != nil {
			return n, err
		}
	}
	return n, err
}

// expire soon ends the reading of a body that is not complete.
func (b *body) expire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.complete {
		_ = b.connection.SetReadDeadline(time.Now().Add(lateGrace)) // a connection without deadlines has no slow bodies
	}
}

func (b *body) arrived() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.complete
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// earlyResponse closes the connection if the response begins before the body is complete.
type earlyResponse struct {
	http.ResponseWriter
	body  *body
	begun bool
}

// WriteHeader implements http.ResponseWriter.
func (e *earlyResponse) WriteHeader(status int) {
	e.begin()
	e.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (e *earlyResponse) Write(data []byte) (int, error) {
	e.begin()
	return e.ResponseWriter.Write(data)
}

func (e *earlyResponse) begin() {
	if e.begun {
		return
	}
	e.begun = true
	if !e.body.arrived() {
		e.Header().Set("Connection", "close")
		e.body.expire()
	}
}

// Unwrap gives http.ResponseController access to the connection.
func (e *earlyResponse) Unwrap() http.ResponseWriter { return e.ResponseWriter }
