package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestForwarderCarriesBothDirectionsAndTheirEnds(t *testing.T) {
	server, target := listenLocal(t), listenLocal(t)
	go func() {
		connection, err := target.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		question, _ := io.ReadAll(connection) // ends when the client has closed its half
		connection.Write(bytes.ToUpper(question))
	}()
	stop := testForwarder(target).start(t, server)
	client := dialLocal(t, server)
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(client)
	if err != nil || string(answer) != "HELLO" {
		t.Errorf("answer is %q, %v", answer, err)
	}
	stop()
}

func TestForwarderClosesTheConnectionWhenTheTargetRefuses(t *testing.T) {
	server, target := listenLocal(t), listenLocal(t)
	target.Close()
	stop := testForwarder(target).start(t, server)
	client := dialLocal(t, server)
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection was kept open")
	}
	stop()
}

func TestForwarderClosesItsConnectionsWhenItIsStopped(t *testing.T) {
	server, target := listenLocal(t), listenLocal(t)
	accepted := acceptAll(target)
	stop := testForwarder(target).start(t, server)
	client := dialLocal(t, server)
	far := <-accepted
	defer far.Close()
	stop() // returns only when Run has
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlived the forwarding")
	}
}

func TestForwarderClosesAHalfClosedConnectionAfterLingering(t *testing.T) {
	server, target := listenLocal(t), listenLocal(t)
	accepted := acceptAll(target)
	f := testForwarder(target)
	f.linger = time.Millisecond
	stop := f.start(t, server)
	client := dialLocal(t, server)
	far := <-accepted
	defer far.Close()

	// The client closes its half; the target reads that and neither answers nor closes.
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(far); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the half-closed connection was kept")
	}
	stop()
}

func TestForwarderTakesNoMoreConnectionsThanItsBound(t *testing.T) {
	server, target := listenLocal(t), listenLocal(t)
	accepted := acceptAll(target)
	f := testForwarder(target)
	f.connections, f.linger = 2, time.Millisecond
	counted := &countingListener{Listener: server}
	stop := f.start(t, counted)

	first, second := dialLocal(t, server), dialLocal(t, server)
	third := dialLocal(t, server) // the kernel accepts it into the backlog
	defer (<-accepted).Close()
	defer (<-accepted).Close()
	if n := counted.accepted.Load(); n != 2 {
		t.Errorf("accepted %d connections, want 2", n)
	}

	first.Close() // makes room for the third
	defer (<-accepted).Close()
	if n := counted.accepted.Load(); n != 3 {
		t.Errorf("accepted %d connections after one had ended, want 3", n)
	}
	second.Close()
	third.Close()
	stop()
}

func TestForwarderSurvivesRunningOutOfFileDescriptors(t *testing.T) {
	server, target := listenLocal(t), listenLocal(t)
	accepted := acceptAll(target)
	failing := &failingListener{Listener: server}
	for _, number := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED} {
		failing.errors = append(failing.errors, &net.OpError{Op: "accept", Err: number})
	}
	stop := testForwarder(target).start(t, failing)
	dialLocal(t, server)
	(<-accepted).Close() // it got through after three failures
	stop()
}

func TestForwarderEndsWithABrokenListener(t *testing.T) {
	server, target := listenLocal(t), listenLocal(t)
	broken := errors.New("broken")
	failing := &failingListener{Listener: server, errors: []error{broken}}
	if err := testForwarder(target).Run(t.Context(), failing); !errors.Is(err, broken) {
		t.Errorf("Run returned %v, want %v", err, broken)
	}
}

func testForwarder(target net.Listener) *forwarder {
	return newForwarder(target.Addr().String(), slog.New(slog.DiscardHandler))
}

// start runs the forwarder until the returned function is called, which waits for its end.
func (f *forwarder) start(t *testing.T, listener net.Listener) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx, listener) }()
	t.Cleanup(cancel)
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	}
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

func dialLocal(t *testing.T, listener net.Listener) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

// acceptAll passes on what the listener accepts, until it is closed.
func acceptAll(listener net.Listener) <-chan net.Conn {
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- connection
		}
	}()
	return accepted
}

// countingListener counts the connections it has accepted.
type countingListener struct {
	net.Listener
	accepted atomic.Int32
}

func (l *countingListener) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return connection, err
}

// failingListener returns its errors first.
type failingListener struct {
	net.Listener
	errors []error
}

func (l *failingListener) Accept() (net.Conn, error) {
	if len(l.errors) > 0 {
		err := l.errors[0]
		l.errors = l.errors[1:]
		return nil, err
	}
	return l.Listener.Accept()
}
