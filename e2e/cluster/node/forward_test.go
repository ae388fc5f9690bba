package node

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
)

func TestForwardCarriesBothDirectionsAndTheirEnds(t *testing.T) {
	server, target := listenLocal(t), listenLocal(t)
	go func() {
		connection, err := target.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		question, _ := io.ReadAll(connection) // ends when the client has said its last
		connection.Write(bytes.ToUpper(question))
	}()
	stop := runForward(t, server, target.Addr().String())
	client, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
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

func TestForwardHangsUpWhereNobodyAnswers(t *testing.T) {
	server, target := listenLocal(t), listenLocal(t)
	target.Close()
	stop := runForward(t, server, target.Addr().String())
	client, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection was kept open")
	}
	stop()
}

func TestForwardEndsItsConnectionsWhenItIsStopped(t *testing.T) {
	server, target := listenLocal(t), listenLocal(t)
	accepted := make(chan net.Conn, 1)
	go func() {
		if connection, err := target.Accept(); err == nil {
			accepted <- connection
		}
	}()
	stop := runForward(t, server, target.Addr().String())
	client, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	far := <-accepted
	defer far.Close()
	stop() // returns only when Forward has
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlived the forwarding")
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

// runForward forwards until the returned function is called, which waits for the end.
func runForward(t *testing.T, listener net.Listener, target string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- Forward(ctx, listener, target) }()
	t.Cleanup(cancel)
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Forward ended with %v", err)
		}
	}
}
