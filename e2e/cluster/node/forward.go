package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// Forward connects everybody who comes to listener with target, until ctx ends; then it ends the connections
// too.
//
// It is how the machine reaches the API server: the listener was opened on the machine's 127.0.0.1, the
// target is in the cluster's network namespace, and a process that has both joins them. Where the target does
// not answer, the caller is hung up on, as it would be by the target itself.
func Forward(ctx context.Context, listener net.Listener, target string) error {
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		incoming, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accept a connection to the API server: %w", err)
		}
		connections.Go(func() { forwardOne(ctx, incoming, target) })
	}
}

func forwardOne(ctx context.Context, incoming net.Conn, target string) {
	defer incoming.Close()
	outgoing, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer outgoing.Close()
	stop := context.AfterFunc(ctx, func() { incoming.Close(); outgoing.Close() })
	defer stop()
	var directions sync.WaitGroup
	directions.Go(func() { copyHalf(outgoing, incoming) })
	directions.Go(func() { copyHalf(incoming, outgoing) })
	directions.Wait()
}

// copyHalf copies until the sender has said its last, and passes that on; when the copying fails, it hangs up
// on both.
func copyHalf(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		half.CloseWrite() // an error means that the other side has hung up, which its own copying notices
	}
}
