package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

// A component that dies is started again after minPause, then after twice that and so on up to maxPause; one
// that has lived for settled has shown that it can, and starts over with minPause.
const (
	minPause = 200 * time.Millisecond
	maxPause = 5 * time.Second
	settled  = 30 * time.Second
)

// A keeper keeps one component running.
type keeper struct {
	component
	dir   state.Dir
	log   *slog.Logger
	all   keepers
	ready chan struct{} // closed when the component was healthy for the first time

	mu       sync.Mutex
	pid      int // in the cluster's process namespace; 0 while it does not run
	started  time.Time
	restarts int
	lastExit string
}

type keepers []*keeper

func newKeepers(dir state.Dir, components []component, log *slog.Logger) keepers {
	all := make(keepers, len(components))
	for i, component := range components {
		all[i] = &keeper{
			component: component,
			dir:       dir,
			log:       log.With("component", component.name),
			ready:     make(chan struct{}),
		}
	}
	for _, keeper := range all {
		keeper.all = all
	}
	return all
}

// await returns true once the named component was healthy, or false when ctx ends before.
func (all keepers) await(ctx context.Context, name string) bool {
	for _, keeper := range all {
		if keeper.name != name {
			continue
		}
		select {
		case <-keeper.ready:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// Run starts the component when what it needs is there, and again whenever it ends, until ctx does.
func (k *keeper) Run(ctx context.Context) error {
	for _, need := range k.needs {
		if !k.all.await(ctx, need) {
			return nil
		}
	}
	probing := make(chan struct{})
	go func() { defer close(probing); k.awaitHealthy(ctx) }()
	defer func() { <-probing }()
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		began := time.Now()
		err := k.runOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > settled {
			pause = minPause
		}
		k.log.Warn("component ended, starting it again", "after", time.Since(began), "pause", pause, "error",
			err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// awaitHealthy closes ready as soon as the probe succeeds.
func (k *keeper) awaitHealthy(ctx context.Context) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if k.check(ctx) == nil {
			k.log.Info("component is healthy")
			close(k.ready)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// check probes the component, and returns why it does not do its work.
func (k *keeper) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return k.probe(ctx)
}

// runOnce runs the component's process until it ends.
func (k *keeper) runOnce(ctx context.Context) error {
	logFile, err := os.OpenFile(k.dir.Log(k.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer logFile.Close()
	command := exec.CommandContext(ctx, k.path, k.args...)
	command.Stdout, command.Stderr = logFile, logFile
	command.Dir = string(k.dir)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	if err := command.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	k.note(command.Process.Pid, "")
	err = command.Wait()
	k.note(0, command.ProcessState.String())
	return err
}

// note remembers a start (pid not 0) or an end.
func (k *keeper) note(pid int, exit string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pid == 0 {
		k.pid, k.lastExit = 0, exit
		return
	}
	if !k.started.IsZero() {
		k.restarts++
	}
	k.pid, k.started = pid, time.Now()
}
