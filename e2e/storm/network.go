package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// errAnswerLost stands for the answer of a call that was carried out.
var errAnswerLost = errors.New("the answer was lost")

// usuallyLost is the share of answers that get lost when nothing is done to the network.
const usuallyLost = 0.002

// network is how clients and workers reach the servers.
type network struct {
	site *site
	lost atomic.Int64 // answers, per million
	gone atomic.Int64 // answers that got lost
}

func newNetwork(s *site) *network {
	n := &network{site: s}
	n.loseAnswers(usuallyLost)
	return n
}

// loseAnswers sets the share of answers that get lost.
func (n *network) loseAnswers(share float64) { n.lost.Store(int64(share * 1e6)) }

// client returns a client whose connections lead to any server, and whose answers may get lost.
func (n *network) client() *http.Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			servers := n.site.servers
			var dialer net.Dialer
			return dialer.DialContext(ctx, "tcp", servers[rand.IntN(len(servers))].front.Addr())
		},
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     5 * time.Second, // so that a server that comes back gets its part
	}
	return &http.Client{Transport: lossy{n, transport}}
}

// address is that of any server, for clients of the network.
const address = "http://127.0.0.1"

// lossy carries calls out and loses some answers.
type lossy struct {
	network   *network
	transport *http.Transport
}

func (l lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.transport.RoundTrip(r)
	if err != nil || rand.Int64N(1e6) >= l.network.lost.Load() {
		return answer, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	l.network.gone.Add(1)
	return nil, errors.Join(errAnswerLost, err, answer.Body.Close())
}

// CloseIdleConnections lets http.Client close what it no longer needs.
func (l lossy) CloseIdleConnections() { l.transport.CloseIdleConnections() }
