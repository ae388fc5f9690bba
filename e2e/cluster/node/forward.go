package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// A forwarder connects every client of a listener with target. It is how the machine reaches the API server:
// the listener was opened on the machine's 127.0.0.1, the target is in the cluster's network namespace, and a
// process that has both joins them. When the target refuses, the client's connection is closed, as the target
// would do.
//
// A connection costs two file descriptors, and the cluster ends with this process. So open connections are
// bounded, a half-closed one does not stay, and running out of descriptors is waited out.
type forwarder struct {
	target string
	// connections bounds the open ones; further clients wait in the listener's backlog.
	connections int
	// linger is how long the other direction of a connection may go on after one has ended. The API server's
	// clients never close only their half, so what lingers is a handshake that its client has given up.
	linger time.Duration
	log    *slog.Logger
}

// After a failed accept the forwarder waits for acceptPause, then twice that, up to maxAcceptPause.
const (
	acceptPause    = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

func newForwarder(target string, log *slog.Logger) *forwarder {
	return &forwarder{target: target, connections: 2000, linger: 10 * time.Second, log: log}
}

// Run forwards until ctx ends, and then closes every connection. It returns an error when the listener is
// broken.
func (f *forwarder) Run(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()

	var open sync.WaitGroup
	defer open.Wait()
	slots := make(chan struct{}, f.connections)

	for pause := acceptPause; ; {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}

		client, err := listener.Accept()
		switch {
		case err == nil:
			pause = acceptPause
			open.Go(func() {
				defer func() { <-slots }()
				f.forward(ctx, client)
			})
			continue
		case ctx.Err() != nil:
			return nil
		case !temporary(err):
			return fmt.Errorf("accept a connection to the API server: %w", err)
		}

		<-slots
		f.log.Warn("accept failed, retrying", "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, maxAcceptPause)
	}
}

// temporary tells an accept that failed for want of a resource, or because the client left first, from a
// broken listener.
func temporary(err error) bool {
	for _, number := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR,
	} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

func (f *forwarder) forward(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", f.target)
	if err != nil {
		return
	}
	defer server.Close()

	hangUp := func() { client.Close(); server.Close() }
	stop := context.AfterFunc(ctx, hangUp)
	defer stop()

	ended := make(chan struct{}, 2)
	go func() { copyHalf(server, client); ended <- struct{}{} }()
	go func() { copyHalf(client, server); ended <- struct{}{} }()

	<-ended
	timer := time.AfterFunc(f.linger, hangUp)
	defer timer.Stop()
	<-ended
}

// copyHalf copies until from has sent everything, and passes the end on; when copying fails, it closes both.
func copyHalf(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		half.CloseWrite() // fails only where the other side has closed, which its own copying notices
	}
}
