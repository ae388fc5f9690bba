package flagset

import (
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// The part of the container's memory that the Go runtime may use. The rest is for the pages of the program, for
// buffers of the kernel, and for what was freed but not yet returned.
const (
	ServerMemoryShare = 0.85
	// WorkerMemoryShare leaves room for the first lists of a worker, in which all finished Jobs within their TTL come once.
	WorkerMemoryShare = 0.57
)

// SetMemoryLimit makes the garbage collector keep the process within a share of the memory limit of its container
// (cgroup). GOMEMLIMIT in the environment takes precedence. Without a limit, nothing changes.
func SetMemoryLimit(share float64, logger *slog.Logger) {
	setMemoryLimit(memlimit.FromCgroup, share, logger)
}

func setMemoryLimit(provider memlimit.Provider, share float64, logger *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithProvider(provider), memlimit.WithRatio(share))
	if err != nil {
		logger.Debug("no memory limit was read; set GOMEMLIMIT to have one", "error", err)
		return
	}
	logger.Debug("memory limit of the heap", "bytes", limit)
}
