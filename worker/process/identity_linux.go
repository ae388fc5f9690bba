package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// identityOf tells a process from a later one with the same PID: the boot it runs in and the tick it started
// at. It is empty if there is no such process, or only a zombie.
func identityOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name, in parentheses, may hold anything; what follows the last one is state (field 3) to the end.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[19]
}

// reap waits for the process and calls endGroup while it has ended but is not reaped: its PID and that of its
// group cannot be reused until then, so that no other process is hit.
func reap(cmd *exec.Cmd, endGroup func()) error {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	endGroup()
	return cmd.Wait()
}

// killMarked sends SIGKILL to every process whose environment holds the marker, wherever it moved (setsid,
// reparented), and returns how many there were. A process is held by descriptor meanwhile, so that no later
// one is hit.
func killMarked(marker string) int {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0
	}
	killed := 0
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		process, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		environ, err := os.ReadFile(dir + "/environ")
		if err == nil && hasVariable(environ, marker) && process.Signal(syscall.SIGKILL) == nil {
			killed++
		}
		// This only closes a descriptor; a failure has no consequence.
		_ = process.Release()
	}
	return killed
}

func hasVariable(environ []byte, marker string) bool {
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if string(entry) == marker {
			return true
		}
	}
	return false
}
