package flagset

import (
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryShare is the part of the container's memory that the Go heap may use. The rest is for stacks, for
// buffers of the kernel, and for what was freed but not yet returned.
const memoryShare = 0.85

// SetMemoryLimit makes the garbage collector keep the process within the memory limit of its container
// (cgroup). GOMEMLIMIT in the environment takes precedence. Without a limit, nothing changes.
func SetMemoryLimit(logger *slog.Logger) { setMemoryLimit(memlimit.FromCgroup, logger) }

func setMemoryLimit(provider memlimit.Provider, logger *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithProvider(provider), memlimit.WithRatio(memoryShare))
	if err != nil {
		logger.Debug("no memory limit was read; set GOMEMLIMIT to have one", "error", err)
		return
	}
	logger.Debug("memory limit of the heap", "bytes", limit)
}
