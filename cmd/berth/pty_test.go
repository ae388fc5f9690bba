package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-dev/berth/internal/testenv"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// terminal is what a person has: a command runs in it, and a test reads and types.
type terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	mu     sync.Mutex
	seen   bytes.Buffer
	more   chan struct{}
	read   chan struct{}
}

// newTerminal opens a terminal of so many columns.
func newTerminal(t *testing.T, columns int) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		testenv.Missing(t, "no pseudo terminals (/dev/ptmx): mount devpts")
	}
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	// Not through Fd, which would make reading something that closing does not end.
	control(t, master, func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0) })
	control(t, master,
		func(fd int) (err error) { number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); return err })
	control(t, master, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: uint16(columns)})
	})
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{
		t: t, master: master, slave: slave, more: make(chan struct{}, 1), read: make(chan struct{}),
	}
	go term.follow()
	t.Cleanup(func() {
		term.close()
		<-term.read
	})
	return term
}

func control(t *testing.T, f *os.File, do func(fd int) error) {
	t.Helper()
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = conn.Control(func(fd uintptr) { failed = do(int(fd)) })
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
}

// follow reads until the other end is closed.
func (term *terminal) follow() {
	defer close(term.read)
	buffer := make([]byte, 4096)
	for {
		n, err := term.master.Read(buffer)
		term.mu.Lock()
		term.seen.Write(buffer[:n])
		term.mu.Unlock()
		select {
		case term.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (term *terminal) close() {
	if err := errors.Join(term.slave.Close(), term.master.Close()); err != nil &&
		!errors.Is(err, os.ErrClosed) {
		term.t.Error(err)
	}
}

// text is what is on the terminal, with plain ends of lines.
func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.ReplaceAll(term.seen.String(), "\r\n", "\n")
}

// await waits until the text is there.
func (term *terminal) await(text string) {
	term.t.Helper()
	late := time.After(patience)
	for !strings.Contains(term.text(), text) {
		select {
		case <-term.more:
		case <-late:
			term.t.Fatalf("%q has not come:\n%s", text, term.text())
		}
	}
}

// answer waits for a question and types.
func (term *terminal) answer(question, text string) {
	term.t.Helper()
	term.await(question)
	if _, err := io.WriteString(term.master, text); err != nil {
		term.t.Fatal(err)
	}
}

// in runs a command in a terminal; the function it returns waits for its exit code.
func (u user) in(term *terminal, ctx context.Context, args ...string) (wait func() int) {
	done := make(chan int, 1)
	go func() {
		done <- runMain(ctx, args, term.slave, term.slave, term.slave, u.environ("TERM=xterm", "NO_COLOR=1"))
	}()
	return func() int {
		term.t.Helper()
		select {
		case code := <-done:
			return code
		case <-time.After(patience):
			term.t.Fatalf("berth %s did not end:\n%s", strings.Join(args, " "), term.text())
			return -1
		}
	}
}
