package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/berth-dev/berth/e2e/storm/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers each line with "you said" and the line, until its client ends.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				for lines := bufio.NewScanner(c); lines.Scan(); {
					_, _ = fmt.Fprintf(c, "you said %s\n", lines.Text())
				}
				_ = c.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// client of a proxy in front of echo, over a connection that works.
func client(t *testing.T) (*proxy.Proxy, *net.TCPConn, *bufio.Reader) {
	t.Helper()
	p, err := proxy.Listen("tcp", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(c)
	ask(t, c, "hello")
	if line, err := answers.ReadString('\n'); err != nil || line != "you said hello\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return p, c.(*net.TCPConn), answers
}

func ask(t *testing.T, c net.Conn, what string) {
	t.Helper()
	if _, err := fmt.Fprintln(c, what); err != nil {
		t.Fatal(err)
	}
}

func TestACutBreaksConnections(t *testing.T) {
	p, _, answers := client(t)
	if n := p.Cut(); n != 1 {
		t.Errorf("cut %d connections", n)
	}
	if _, err := answers.ReadString('\n'); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("%v, want a connection that was reset", err)
	}
}

func TestAnAnswerIsCutInItsMiddle(t *testing.T) {
	p, c, answers := client(t)
	p.CutAnswers(4)
	ask(t, c, "bye")
	line, err := answers.ReadString('\n')
	if err == nil || (line != "you " && line != "") { // a reset may overtake the bytes before it
		t.Errorf("%q, %v", line, err)
	}
}

func TestAClosedDirectionLeavesTheOther(t *testing.T) {
	p, _, answers := client(t)
	p.HalfClose(true)
	if _, err := answers.ReadString('\n'); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want the end that the target makes when it hears no more", err)
	}
}

func TestNothingPassesAStall(t *testing.T) {
	p, c, answers := client(t)
	resume := p.Stall()
	ask(t, c, "late")
	got := make(chan string)
	go func() {
		line, _ := answers.ReadString('\n')
		got <- line
	}()
	select {
	case line := <-got:
		t.Fatalf("%q passed", line)
	case <-time.After(50 * time.Millisecond):
	}
	resume()
	if line := <-got; line != "you said late\n" {
		t.Errorf("%q", line)
	}
}

func TestATargetThatMovesOrIsGone(t *testing.T) {
	p, _, _ := client(t)
	p.SetTarget("tcp", "127.0.0.1:1")
	if c, err := net.Dial("tcp", p.Addr()); err == nil { // else it was reset already
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection without a target gave an answer")
		}
		_ = c.Close()
	}
	p.SetTarget("tcp", echo(t))
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask(t, c, "again")
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "you said again\n" {
		t.Errorf("%q, %v", line, err)
	}
}
