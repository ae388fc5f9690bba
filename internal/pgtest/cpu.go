package pgtest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// CPUTime is what the server has computed since it started, with the connections that have ended. It is 0 where the
// system does not say.
func (s *Server) CPUTime(t testing.TB) time.Duration {
	t.Helper()
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		t.Fatalf("read the process of the server: %v", err)
	}
	processes, err := proc.AllProcs()
	if err != nil {
		t.Fatal(err)
	}

	var ticks uint
	for _, p := range processes {
		stat, err := p.Stat()
		if err != nil { // it has ended since
			continue
		}
		switch postmaster {
		case stat.PID:
			ticks += stat.UTime + stat.STime + uint(stat.CUTime) + uint(stat.CSTime)
		case stat.PPID:
			ticks += stat.UTime + stat.STime
		}
	}
	const ticksPerSecond = 100 // as procfs has it, on every system
	return time.Duration(ticks) * time.Second / ticksPerSecond
}
