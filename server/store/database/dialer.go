package database

import (
	"context"
	"net"
	"sync"
	"time"
)

// Bounds of a connection whose other end has vanished. Without them a query waits as long as the operating system
// sends again what is not acknowledged, a quarter of an hour, whatever its context says.
const (
	keepAliveIdle     = 10 * time.Second // until the first probe
	keepAliveInterval = 5 * time.Second
	keepAliveProbes   = 3
	// unacknowledgedMax is how long sent data may remain without an answer of the other machine.
	unacknowledgedMax = 20 * time.Second
	// connectTimeout is that of a URL that has no connect_timeout.
	connectTimeout = 10 * time.Second
)

// dialer opens connections that end when the other end has vanished.
type dialer struct {
	// until ends attempts to connect; nil: the context of each call does.
	until context.Context
	// readMax is how long PostgreSQL may be silent while something is awaited from it: longer than it would let a
	// query run. 0: for ever.
	readMax time.Duration
}

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialTimeout(network, address, connectTimeout)
}

func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx := d.until
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.until != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(d.until, cancel)()
	}
	opened, err := (&net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveProbes,
		},
		Control: limitUnacknowledged,
	}).DialContext(ctx, network, address)
	if err != nil || d.readMax == 0 {
		return opened, err
	}
	return &boundedConn{Conn: opened, readMax: d.readMax}, nil
}

// boundedConn ends each read in time.
type boundedConn struct {
	net.Conn
	readMax time.Duration

	mu       sync.Mutex
	deadline time.Time // of its user; zero: none
}

// SetDeadline is called by the driver while it connects.
func (c *boundedConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

func (c *boundedConn) Read(b []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(c.readDeadline()); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *boundedConn) readDeadline() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	bound := time.Now().Add(c.readMax)
	if !c.deadline.IsZero() && c.deadline.Before(bound) {
		return c.deadline
	}
	return bound
}
