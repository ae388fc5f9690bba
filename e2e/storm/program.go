package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// marker is the environment variable by which processes of a storm are known.
const marker = "BERTH_STORM"

const (
	startPatience = 30 * time.Second
	stopPatience  = 40 * time.Second
)

// program is a berth process.
type program struct {
	cmd    *exec.Cmd
	exited chan struct{}
	url    string
}

// startProgram starts berth and returns when it is ready.
func (s *site) startProgram(ctx context.Context, name string, args ...string) (*program, error) {
	log, err := s.log(name)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	p := &program{cmd: exec.Command(s.binary, args...), exited: make(chan struct{})}
	p.cmd.Dir = s.dir
	p.cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), marker + "=" + s.dir}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go p.watch(stdout, ready)
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	select {
	case p.url = <-ready:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("berth %s ended before it was ready", args[0])
	case <-patience.C:
		err = fmt.Errorf("berth %s was not ready after %s", args[0], startPatience)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, p.end(syscall.SIGKILL))
}

// watch reads the line that says where the program serves, and waits for its end.
func (p *program) watch(stdout io.Reader, ready chan<- string) {
	defer close(p.exited)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			select {
			case ready <- url:
			default:
			}
		}
	}
	_ = p.cmd.Wait() // it was killed, or its exit code is in its log
}

// end sends a signal and waits for the end of the process; it is killed if it does not end.
func (p *program) end(signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-p.exited:
		return nil
	case <-patience.C:
		err := fmt.Errorf("berth %s did not end within %s after %s", p.cmd.Args[1], stopPatience, signal)
		return errors.Join(err, p.cmd.Process.Kill())
	}
}

// log opens the log of a program.
func (s *site) log(name string) (*os.File, error) {
	if s.config.logs == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	return os.OpenFile(filepath.Join(s.config.logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// processes finds what runs in the name of the site.
func (s *site) processes() ([]string, error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		if entry == fmt.Sprint("/proc/", os.Getpid()) {
			continue
		}
		// Processes that have ended meanwhile have neither.
		environ, _ := os.ReadFile(entry + "/environ")
		command, _ := os.ReadFile(entry + "/cmdline")
		cwd, _ := os.Readlink(entry + "/cwd")
		if strings.Contains(string(environ), marker+"="+s.dir) || strings.Contains(string(command), s.dir) ||
			strings.HasPrefix(cwd, s.dir) {
			text := strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))
			found = append(found, fmt.Sprintf("process %s: %s", filepath.Base(entry), text))
		}
	}
	return found, nil
}
