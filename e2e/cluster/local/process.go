package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

// A process is a running process that was recognised as the cluster's first. The handle stays bound to that
// process: after its end a signal fails, even if another process gets the same number.
type process struct {
	pid    int
	handle int // a pidfd
}

// findInit returns the first process of the cluster in dir, or nil where it does not run.
func findInit(dir state.Dir) (*process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("find the cluster's first process: %w", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !isInit(dir, readIdentity(pid)) {
			continue
		}
		handle, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find the cluster's first process: %w", err)
		}
		if !isInit(dir, readIdentity(pid)) { // the number changed hands before the handle was open
			unix.Close(handle)
			continue
		}
		return &process{pid, handle}, nil
	}
	return nil, nil
}

// identity is what a process is recognised by.
type identity struct {
	program string   // the file that it runs
	args    []string // its command line
}

// isInit tells whether a process is the first of the cluster in dir: it runs the copy of the program inside
// that directory, as init. A process of the same name, or of another cluster, runs another file.
func isInit(dir state.Dir, id identity) bool {
	return strings.TrimSuffix(id.program, " (deleted)") == dir.Program() && len(id.args) > 1 &&
		id.args[1] == "init"
}

// readIdentity returns the zero identity for a process that is gone, has ended (a zombie) or is the kernel's.
func readIdentity(pid int) identity {
	place := filepath.Join("/proc", strconv.Itoa(pid))
	program, err := os.Readlink(filepath.Join(place, "exe"))
	if err != nil {
		return identity{}
	}
	line, err := os.ReadFile(filepath.Join(place, "cmdline"))
	if err != nil {
		return identity{}
	}
	return identity{program, strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00")}
}

// Close gives the handle back.
func (p *process) Close() { unix.Close(p.handle) }

// Kill ends the process and, as it is the first of its process namespace, everything in there. It returns
// when all of it is gone.
func (p *process) Kill() error {
	if err := unix.PidfdSendSignal(p.handle, unix.SIGKILL, nil, 0); err != nil &&
		!errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", p.pid, err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		poll := []unix.PollFd{{Fd: int32(p.handle), Events: unix.POLLIN}}
		ready, err := unix.Poll(poll, 1000)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for process %d to end: %w", p.pid, err)
		}
		if ready > 0 {
			return nil
		}
	}
	return fmt.Errorf("process %d was killed half a minute ago and has not ended", p.pid)
}

// hostPIDs maps process numbers inside the process namespace of p to the machine's.
func (p *process) hostPIDs() map[int]int {
	numbers := map[int]int{}
	own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", p.pid))
	if err != nil {
		return numbers
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return numbers
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if namespace, err := os.Readlink(filepath.Join("/proc", entry.Name(), "ns/pid")); err != nil ||
			namespace != own {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "status"))
		if err != nil {
			continue
		}
		if inside := innermostPID(string(status)); inside != 0 {
			numbers[inside] = pid
		}
	}
	return numbers
}

// innermostPID reads the last number of the NSpid line of a process's status, or 0.
func innermostPID(status string) int {
	for line := range strings.Lines(status) {
		if rest, found := strings.CutPrefix(line, "NSpid:"); found {
			fields := strings.Fields(rest)
			if len(fields) == 0 {
				return 0
			}
			pid, err := strconv.Atoi(fields[len(fields)-1])
			if err != nil {
				return 0
			}
			return pid
		}
	}
	return 0
}
