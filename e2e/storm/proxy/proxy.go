// Package proxy passes connections on, and breaks them on request as networks do: it cuts them between or within messages,
// closes one direction, or passes nothing on for a while.
package proxy

import (
	"errors"
	"net"
	"sync"
)

// Proxy listens on an address that stays the same while its target moves.
type Proxy struct {
	listener net.Listener
	done     sync.WaitGroup

	mu      sync.Mutex
	network string // of the target
	target  string
	links   map[*link]bool
	stalled chan struct{} // nil: connections pass; else closed when they do again
	closed  bool
}

// Listen begins to pass connections on to a target, as in "tcp", "127.0.0.1:80". An empty target refuses them.
func Listen(network, target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, network: network, target: target, links: map[*link]bool{}}
	p.done.Go(p.accept)
	return p, nil
}

// Addr is the address of the proxy.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// SetTarget leads new connections to another target.
func (p *Proxy) SetTarget(network, target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.network, p.target = network, target
}

// Cut breaks all connections at once, and returns how many there were.
func (p *Proxy) Cut() int {
	links := p.all()
	for _, l := range links {
		l.cut()
	}
	return len(links)
}

// CutAnswers breaks every connection instead of passing on its next answer, after the first so many bytes of it. What was
// asked for is carried out.
func (p *Proxy) CutAnswers(after int) int {
	links := p.all()
	for _, l := range links {
		l.cutAnswer(after)
	}
	return len(links)
}

// HalfClose closes one direction of all connections: the target hears no more, or the client does.
func (p *Proxy) HalfClose(toTarget bool) int {
	links := p.all()
	for _, l := range links {
		end := l.client
		if toTarget {
			end = l.target
		}
		closeWrite(end)
	}
	return len(links)
}

// Stall passes nothing on until the returned function is called. Connections stay open.
func (p *Proxy) Stall() (resume func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stalled := make(chan struct{})
	p.stalled = stalled
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		close(stalled)
		if p.stalled == stalled {
			p.stalled = nil
		}
	})
}

// Close breaks all connections and returns when nothing of the proxy runs any longer.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Cut()
	p.done.Wait()
	return err
}

func (p *Proxy) all() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	return links
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.done.Go(func() { p.serve(client) })
		}
	}
}

// serve passes one connection on until it ends.
func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	network, target := p.network, p.target
	p.mu.Unlock()
	server, err := net.Dial(network, target)
	if err != nil {
		reset(client)
		return
	}
	l := &link{proxy: p, client: client, target: server, over: make(chan struct{}), answers: -1}
	if !p.add(l) {
		l.cut()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pass(l.client, l.target, false) })
	both.Go(func() { l.pass(l.target, l.client, true) })
	both.Wait()
	l.cut()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.links[l] = true
	return true
}

// gate returns what is closed when connections pass again; nil: they do.
func (p *Proxy) gate() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stalled
}
