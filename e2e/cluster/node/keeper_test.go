package node

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

func TestKeeperStartsAgainWhatWasKilled(t *testing.T) {
	keepers := runKeepers(t, component{name: "sleeper", path: "sleep", args: []string{"1000"}, probe: always})
	first := awaitPID(t, keepers[0], 0)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitPID(t, keepers[0], first)
	status := keepers.status(t.Context())[0]
	if !status.Healthy || status.Restarts != 1 {
		t.Errorf("status is %+v; want healthy after one restart", status)
	}
}

func TestKeeperWaitsForWhatItNeeds(t *testing.T) {
	needed := filepath.Join(t.TempDir(), "ready")
	keepers := runKeepers(
		t,
		component{
			name: "first", path: "sleep", args: []string{"1000"},
			probe: func(context.Context) error { _, err := os.Stat(needed); return err },
		},
		component{
			name: "second", path: "sleep", args: []string{"1000"}, needs: []string{"first"}, probe: always,
		},
	)
	awaitPID(t, keepers[0], 0)
	if status := keepers.status(t.Context()); status[1].PID != 0 || status[1].Detail != "not started yet" ||
		status[0].Healthy {
		t.Errorf("while the first is not healthy, status is %+v", status)
	}
	if err := os.WriteFile(needed, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	awaitPID(t, keepers[1], 0)
}

func TestStatusSaysWhyAComponentIsNotHealthy(t *testing.T) {
	sick := func(context.Context) error { return errors.New("no quorum") }
	keepers := runKeepers(t,
		component{name: "sick", path: "sleep", args: []string{"1000"}, probe: sick},
		component{name: "absent", path: "/nonexistent", probe: sick})
	awaitPID(t, keepers[0], 0)
	status := keepers.status(t.Context())
	if status[0].Healthy || status[0].Detail != "no quorum" {
		t.Errorf("status of what runs and is not healthy: %+v", status[0])
	}
	if status[1].Healthy || status[1].Detail == "" {
		t.Errorf("status of what can not be started: %+v", status[1])
	}
}

func always(context.Context) error { return nil }

// runKeepers keeps the components until the test ends, and makes sure that nothing of them is left then.
func runKeepers(t *testing.T, components ...component) keepers {
	t.Helper()
	dir := state.Dir(t.TempDir())
	if err := os.MkdirAll(dir.Path("log"), 0o755); err != nil {
		t.Fatal(err)
	}
	keepers := newKeepers(dir, components, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	group, ctx := errgroup.WithContext(ctx)
	for _, keeper := range keepers {
		group.Go(func() error { return keeper.Run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Errorf("keepers ended with %v", err)
		}
		for _, status := range keepers.status(context.WithoutCancel(t.Context())) {
			if status.PID != 0 {
				t.Errorf("%s is left running", status.Name)
			}
		}
	})
	return keepers
}

// awaitPID returns the keeper's process as soon as it has one that is not the given.
func awaitPID(t *testing.T, keeper *keeper, not int) int {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		keeper.mu.Lock()
		pid := keeper.pid
		keeper.mu.Unlock()
		if pid != 0 && pid != not {
			return pid
		}
		select {
		case <-deadline:
			t.Fatalf("%s does not run", keeper.name)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
