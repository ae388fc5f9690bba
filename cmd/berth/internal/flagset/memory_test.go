package flagset

import (
	"errors"
	"log/slog"
	"os"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func TestTheHeapStaysWithinTheMemoryOfItsContainer(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	const container = 512 << 20
	tests := map[string]struct {
		provider    memlimit.Provider
		environment string
		want        int64
	}{
		"a container with a limit": {provider: memlimit.Limit(container), want: container / 100 * 85},
		"GOMEMLIMIT is set":        {provider: memlimit.Limit(container), environment: "1GiB", want: before},
		"no cgroup": {
			provider: func() (uint64, error) { return 0, errors.New("no cgroup") }, want: before,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			debug.SetMemoryLimit(before)
			t.Setenv("GOMEMLIMIT", test.environment)
			if test.environment == "" {
				os.Unsetenv("GOMEMLIMIT") // the Go runtime and the library tell empty from absent; t.Setenv restores it
			}
			setMemoryLimit(test.provider, ServerMemoryShare, slog.New(slog.DiscardHandler))
			const rounding = 1 << 20
			if got := debug.SetMemoryLimit(-1); got < test.want-rounding || got-rounding > test.want {
				t.Errorf("the limit is %d bytes, want %d", got, test.want)
			}
		})
	}
}
