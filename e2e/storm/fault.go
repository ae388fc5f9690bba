package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/berth-dev/berth/e2e/storm/journal"
)

// weather does things to the installation, one after another.
type weather struct {
	*crew
	site    *site
	network *network
	counts  *counts
	callers *callers
	dice    *rand.Rand
	repairs sync.WaitGroup // servers and workers that are being started again
	errors  chan error     // the first one ends the storm
}

// fault is something that is done. It says what it did, and everything works again when it returns, apart from what
// weather.repairs waits for.
type fault struct {
	name string
	do   func(*weather, context.Context) (string, error)
}

// faults are all of them, by the names of -faults.
func faults() []fault {
	return []fault{
		{"server-killed", (*weather).killServer},
		{"server-stopped", (*weather).stopServer},
		{"worker-killed", (*weather).killWorker},
		{"worker-stopped", (*weather).stopWorker},
		{"worker-frozen", (*weather).freezeWorker},
		{"process-worker-killed", (*weather).killProcessWorker},
		{"postgres-killed", (*weather).killPostgres},
		{"database-cut", (*weather).cutDatabase},
		{"database-answers-cut", (*weather).cutDatabaseAnswers},
		{"database-half-closed", (*weather).halfCloseDatabase},
		{"database-stalled", (*weather).stallDatabase},
		{"network-cut", (*weather).cutNetwork},
		{"network-stalled", (*weather).stallNetwork},
		{"answers-lost", (*weather).loseAnswers},
		{"clock-forward", (*weather).clockForward},
		{"clock-back", (*weather).clockBack},
		{diskFull, (*weather).fillDisk},
	}
}

// diskFull is the fault that not every machine allows.
const diskFull = "disk-full"

func faultNames() []string {
	var names []string
	for _, f := range faults() {
		names = append(names, f.name)
	}
	return names
}

// deck returns the faults that a storm is asked for and that the site allows.
func (w *weather) deck() []fault {
	return slices.DeleteFunc(faults(), func(f fault) bool {
		asked := w.site.config.faults == nil || slices.Contains(w.site.config.faults, f.name)
		return !asked || f.name == diskFull && w.site.disk == nil
	})
}

// run deals the faults until the context ends: each once in an order that is drawn, then all again.
func (w *weather) run(ctx context.Context) {
	deck := w.deck()
	for len(deck) > 0 && ctx.Err() == nil {
		w.dice.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		for _, f := range deck {
			wait := time.Duration(w.dice.ExpFloat64() * float64(w.site.config.every))
			if !pause(ctx, min(wait, 5*w.site.config.every)) {
				return
			}
			w.strike(ctx, f)
		}
	}
}

func (w *weather) strike(ctx context.Context, f fault) {
	sent := w.site.journal.Now()
	// It is carried out to its end: half of a fault could not be repaired.
	text, err := f.do(w, context.WithoutCancel(ctx))
	w.counts.fault(f.name)
	w.callers.faults.Add(1)
	w.site.journal.Add(journal.Entry{Sent: sent, Kind: journal.Fault, Who: "faults", Text: f.name + ": " + text})
	if err != nil {
		w.fail(fmt.Errorf("%s: %w", f.name, err))
	}
}

// fail ends the storm: it could not do what it had to.
func (w *weather) fail(err error) {
	select {
	case w.errors <- err:
	default:
	}
}

func (w *weather) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.dice.Int64N(int64(most-least)))
}

func (w *weather) killServer(ctx context.Context) (string, error) {
	return w.restartServer(ctx, syscall.SIGKILL)
}

func (w *weather) stopServer(ctx context.Context) (string, error) {
	return w.restartServer(ctx, syscall.SIGTERM)
}

// restartServer ends a server and starts it a while later.
func (w *weather) restartServer(ctx context.Context, signal syscall.Signal) (string, error) {
	i, after := w.dice.IntN(len(w.site.servers)), w.between(0, 4*time.Second)
	w.repairs.Go(func() {
		if err := w.site.restartServer(ctx, i, signal, after); err != nil {
			w.fail(err)
		}
	})
	return fmt.Sprintf("server %d, for %s", i, after.Round(time.Millisecond)), nil
}

func (w *weather) killWorker(ctx context.Context) (string, error) {
	return w.crew.replace(w.dice, (*worker).kill), nil
}

func (w *weather) stopWorker(ctx context.Context) (string, error) {
	return w.crew.replace(w.dice, (*worker).stop), nil
}

// freezeWorker keeps a worker from doing anything, for long enough to lose its lease in most cases.
func (w *weather) freezeWorker(ctx context.Context) (string, error) {
	lease := w.site.config.lease
	target, d := w.crew.pick(w.dice), w.between(lease/2, 2*lease)
	resume := target.freeze()
	w.repairs.Go(func() {
		pause(ctx, d)
		resume()
	})
	return fmt.Sprintf("%s for %s", target.session, d.Round(time.Millisecond)), nil
}

func (w *weather) killProcessWorker(ctx context.Context) (string, error) {
	i, after := w.dice.IntN(processWorkers), w.between(0, 2*time.Second)
	w.repairs.Go(func() {
		if err := w.crew.restartProcess(ctx, i, syscall.SIGKILL, after); err != nil {
			w.fail(err)
		}
	})
	return fmt.Sprintf("process worker %d, for %s", i, after.Round(time.Millisecond)), nil
}
