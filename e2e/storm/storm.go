package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/berth-dev/berth/e2e/storm/journal"
	"github.com/berth-dev/berth/e2e/storm/verdict"
)

const (
	clients = 6
	// connectionsGone is how long PostgreSQL may take to notice that servers have ended.
	connectionsGone = 10 * time.Second
)

// result of a storm.
type result struct {
	facts      verdict.Facts
	violations []verdict.Violation
	counts     *counts
	began      time.Time
	took       time.Duration
	lost       int64 // answers
	samples    int
	notRun     []string
}

// storm runs a storm and judges what came of it. An error means that it could not be carried out.
func storm(ctx context.Context, c config, progress io.Writer) (*result, error) {
	_, _ = fmt.Fprintf(progress, "storm: %s\n", c.command())
	j := journal.New()
	s, err := openSite(ctx, c, j)
	if err != nil {
		return nil, err
	}
	r, err := carryOut(ctx, s, progress)
	if err = errors.Join(err, s.close()); err != nil {
		return nil, err
	}
	left, err := mounts()
	if err != nil {
		return nil, err
	}
	r.facts.Left = append(r.facts.Left, left...)
	r.violations = verdict.Judge(r.facts)
	r.took = j.Now()
	return r, nil
}

// carryOut raises the storm on a site, waits until all runs have ended, and reads what is stored.
func carryOut(ctx context.Context, s *site, progress io.Writer) (*result, error) {
	counts := newCounts()
	network := newNetwork(s)
	sampler := newSampler(s)
	callers := newCallers(s, network, counts, sampler.open)
	if err := callers.deploy(ctx); err != nil {
		return nil, err
	}
	crew, err := startCrew(ctx, s, network, counts)
	if err != nil {
		return nil, errors.Join(err, crew.stop())
	}
	watch := startWatch(ctx, s, sampler, counts, progress)
	err = rage(ctx, s, crew, callers, network, counts)
	if err == nil {
		err = settle(ctx, s, callers, sampler)
	}
	watch.stop()
	if err = errors.Join(err, crew.stop(), s.stopServers()); err != nil {
		return nil, err
	}
	facts, err := s.facts(ctx, sampler)
	if err != nil {
		return nil, err
	}
	r := &result{facts: facts, counts: counts, began: s.journal.Began(), lost: network.gone.Load()}
	_, r.samples = sampler.samples()
	if s.noDisk != nil {
		r.notRun = append(r.notRun, fmt.Sprintf("%s: %v", diskFull, s.noDisk))
	}
	return r, nil
}

// rage lets clients create runs while faults happen. It returns when enough runs were asked for, most of them have ended,
// each fault has happened, and everything works again.
func rage(ctx context.Context, s *site, crew *crew, callers *callers, network *network, counts *counts) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &weather{
		crew: crew, site: s, network: network, counts: counts, callers: callers, dice: s.config.dice("faults", 0),
		errors: make(chan error, 1),
	}
	callers.spread = int64(len(w.deck()))
	var clientsDone, weatherDone sync.WaitGroup
	for i := range clients {
		clientsDone.Go(func() { callers.run(ctx, i) })
	}
	weatherDone.Go(func() { w.run(ctx) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		clientsDone.Wait()
		until := time.Now().Add(s.config.settle)
		for pause(ctx, sampleEvery) && time.Now().Before(until) {
			if callers.faults.Load() >= callers.spread && callers.open() <= s.config.backlog/4 {
				return
			}
		}
	}()
	var err error
	select {
	case <-ended:
	case err = <-w.errors:
	}
	stopped := ctx.Err()
	cancel()
	<-ended
	weatherDone.Wait()
	w.repairs.Wait()
	select {
	case failed := <-w.errors:
		err = errors.Join(err, failed)
	default:
	}
	return errors.Join(err, stopped, s.setClock(context.WithoutCancel(ctx), 0))
}

// settle waits until all runs have ended, or have had the time to.
func settle(ctx context.Context, s *site, callers *callers, sampler *sampler) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.settle)
	defer cancel()
	if err := callers.calm(ctx); err != nil {
		return err
	}
	for {
		if err := sampler.sample(ctx); err == nil && sampler.open() == 0 {
			return nil
		}
		if !pause(ctx, sampleEvery) {
			return nil // the verdict names the runs that are stuck
		}
	}
}

// facts reads what is stored, and what is left when all servers have ended.
func (s *site) facts(ctx context.Context, sampler *sampler) (verdict.Facts, error) {
	f, err := s.inspect(ctx)
	if err != nil {
		return f, err
	}
	f.Entries = s.journal.Entries()
	f.Samples, _ = sampler.samples()
	until := time.Now().Add(connectionsGone)
	for {
		f.Left, err = s.leftovers(ctx)
		if err != nil || len(f.Left) == 0 || time.Now().After(until) {
			return f, err
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// watch samples slots and prints how far the storm is.
type watch struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

const progressEvery = 5 * time.Second

func startWatch(ctx context.Context, s *site, sampler *sampler, counts *counts, progress io.Writer) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{cancel: cancel}
	w.done.Go(func() { sampler.run(ctx) })
	w.done.Go(func() {
		for pause(ctx, progressEvery) {
			_, unexpected, faults := counts.tables()
			n := 0
			for _, times := range faults {
				n += times
			}
			_, _ = fmt.Fprintf(progress, "storm: %4.0fs  %d of %d runs asked for, %d not ended, %d attempts ended, %d faults\n",
				s.journal.Now().Seconds(), counts.requests.Load(), s.config.runs, sampler.open(), counts.ended.Load(), n)
			for text := range unexpected {
				_, _ = fmt.Fprintf(progress, "storm: an unexpected answer: %s\n", text)
				break
			}
		}
	})
	return w
}

func (w *watch) stop() {
	w.cancel()
	w.done.Wait()
}
