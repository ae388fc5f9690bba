package proxy

import (
	"net"
	"sync"
)

// link is a connection that is passed on.
type link struct {
	proxy          *Proxy
	client, target net.Conn
	once           sync.Once
	over           chan struct{} // closed when it was cut

	mu      sync.Mutex
	answers int // bytes of answers that pass before the link is cut; below zero: all
}

func (l *link) cutAnswer(after int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = after
}

// cut breaks both connections.
func (l *link) cut() {
	l.once.Do(func() {
		close(l.over)
		reset(l.client)
		reset(l.target)
	})
}

// pass copies one direction until it ends.
func (l *link) pass(from, to net.Conn, answers bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if gate := l.proxy.gate(); gate != nil {
			select {
			case <-gate:
			case <-l.over:
				return
			}
		}
		if answers && n > 0 {
			passing, whole := l.passing(n)
			if !whole {
				_, _ = to.Write(buffer[:passing]) // it is cut in any case
				l.cut()
				return
			}
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			l.cut()
			return
		}
		if err != nil {
			closeWrite(to)
			return
		}
	}
}

// passing is how many of n bytes of an answer pass, and whether the link goes on after them.
func (l *link) passing(n int) (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answers < 0 {
		return n, true
	}
	return min(n, l.answers), false
}

// closeWrite closes the direction to a peer, which may have gone already.
func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// reset closes a connection in a way that its peer cannot take for an orderly end.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closed already, which is as good
	}
	_ = c.Close()
}
