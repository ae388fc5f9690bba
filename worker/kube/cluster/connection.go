package cluster

import (
	"net/http"
	"net/http/httptrace"
	"sync"
)

// connectionTurn lets one request at a time look for a connection. Go's transport otherwise dials one for every
// request that finds none free: a worker that starts with hundreds of claims would make hundreds of TLS handshakes, and
// use one connection, as HTTP/2 carries hundreds of requests over it. The next request finds the connection that the
// one before it has opened. A request that finds one at once, which is the rule, keeps its turn for microseconds.
type connectionTurn chan struct{}

func newConnectionTurn() connectionTurn { return make(connectionTurn, 1) }

func (t connectionTurn) wrap(next http.RoundTripper) http.RoundTripper {
	return &connectionTransport{next: next, turn: t}
}

type connectionTransport struct {
	next http.RoundTripper
	turn connectionTurn
}

// WrappedRoundTripper lets client-go find the transport below, to close and to upgrade its connections.
func (t *connectionTransport) WrappedRoundTripper() http.RoundTripper { return t.next }

// RoundTrip implements http.RoundTripper.
func (t *connectionTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case t.turn <- struct{}{}:
	case <-r.Context().Done():
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, r.Context().Err()
	}
	free := sync.OnceFunc(func() { <-t.turn })
	defer free() // where there was no connection
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { free() }}
	return t.next.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
}
