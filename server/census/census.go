// Package census counts what waits and what is under way in the whole installation, for the metrics.
//
//	scrape ──Latest──► Census ──reads, from time to time──► store
//
// A scrape never waits long for the database, nor asks it more often than others do at the same time: the census keeps what it
// has read last, and says how old that is. Facts are read whole (store.Stats), as many rows as there are things to tell.
// Waiting runs, which may be a million, are walked through in steps that each read a bounded number of rows. So up to a step
// of them are counted anew each time, and of more than that the count is as old as a walk takes.
package census

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/berth-dev/berth/server/store"
)

const (
	// Step is how many waiting runs are counted at a time.
	Step = 20_000
	// freshFor is for how long figures are not read again: every replica is scraped, often by several scrapers.
	freshFor = 5 * time.Second
	// readTimeout bounds a read.
	readTimeout = 30 * time.Second
	// scrapeWait is how long a scrape waits for newer figures before it gets the last ones.
	scrapeWait = 2 * time.Second
	// validFor is for how long figures are told while none can be read.
	validFor = time.Minute
	// stepPause is the least time between two steps of a walk, restFactor how often longer than a read the pause after it is.
	stepPause  = time.Second
	restFactor = 10
)

// Source is where the facts are read.
type Source interface {
	GetStats(ctx context.Context) (*store.Stats, error)
	ListScheduleSlots(ctx context.Context, limit int) ([]store.ScheduleSlots, error)
	CountReady(ctx context.Context, after store.ReadyKey, limit int64) ([]store.ReadyCount, *store.ReadyKey, error)
}

// Options of a census.
type Options struct {
	Source Source
	Now    func() time.Time
	Logger *slog.Logger
	// Deployments is how many deployments have separate figures, the first by name.
	Deployments int
	// Step is how many waiting runs are counted at a time; 0 means Step.
	Step int64
	// Pools is told the names of all work pools whenever they were read; may be nil.
	Pools func(names []string)
}

// Census keeps the figures of an installation.
type Census struct {
	options Options
	asked   chan struct{}
	began   time.Time

	mu    sync.Mutex
	last  *Figures
	fresh chan struct{} // closed and replaced when figures were read, or could not be

	// Of the loop alone.
	walk    readyCounts // what the walk has counted so far
	counted readyCounts // by the last whole walk
	place   store.ReadyKey
	slots   slotCounts
	failing bool
}

// New returns a census. It reads nothing before Run.
func New(o Options) *Census {
	if o.Step == 0 {
		o.Step = Step
	}
	return &Census{
		options: o, asked: make(chan struct{}, 1), began: o.Now(), fresh: make(chan struct{}), walk: readyCounts{},
		counted: readyCounts{},
	}
}

// Run reads figures whenever they are asked for, and finishes the walk through the waiting runs.
func (c *Census) Run(ctx context.Context) error {
	next := time.NewTimer(0)
	if !next.Stop() {
		<-next.C
	}
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.asked:
		case <-next.C:
		}
		began := time.Now()
		walking := c.read(ctx)
		rest := max(stepPause, restFactor*time.Since(began))
		next.Stop()
		if walking {
			next.Reset(rest)
		}
	}
}

// read reads the figures, and reports whether the walk through the waiting runs goes on.
func (c *Census) read(ctx context.Context) (walking bool) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	figures, walking, err := c.readFigures(ctx)
	switch {
	case err != nil && ctx.Err() == context.Canceled:
	case err != nil && !c.failing:
		c.options.Logger.Warn("cannot read figures for the metrics, retrying", "error", err)
	case err == nil && c.failing:
		c.options.Logger.Info("figures for the metrics can be read again")
	}
	c.failing = err != nil

	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.last = figures
	}
	close(c.fresh)
	c.fresh = make(chan struct{})
	return walking
}

func (c *Census) readFigures(ctx context.Context) (*Figures, bool, error) {
	facts, err := c.options.Source.GetStats(ctx)
	if err != nil {
		return nil, false, err
	}
	counts, place, err := c.options.Source.CountReady(ctx, c.place, c.options.Step)
	if err != nil {
		return nil, false, err
	}
	for _, n := range counts {
		c.walk[readyKey{n.QueueID, n.DeploymentID, n.Wait}] += n.Count
	}
	walking := place != nil
	if walking {
		c.place = *place
	} else {
		c.counted, c.walk, c.place = c.walk, readyCounts{}, store.ReadyKey{}
	}
	if err := c.slots.read(ctx, c.options.Source, facts, c.options.Deployments); err != nil {
		return nil, false, err
	}
	if c.options.Pools != nil {
		names := make([]string, len(facts.Pools))
		for i, p := range facts.Pools {
			names[i] = p.Name
		}
		c.options.Pools(names)
	}
	figures := figuresOf(facts, c.atLeast(), c.slots.counts, c.options.Deployments)
	figures.At = c.options.Now()
	return figures, walking, nil
}

// atLeast is what the last whole walk has counted, and more where the one under way has.
func (c *Census) atLeast() readyCounts {
	counts := maps.Clone(c.counted)
	for key, n := range c.walk {
		counts[key] = max(counts[key], n)
	}
	return counts
}

// Latest returns the newest figures, which may be some seconds old; nil while none can be read.
func (c *Census) Latest() *Figures {
	c.mu.Lock()
	fresh := c.fresh
	last := c.last
	c.mu.Unlock()
	if last != nil && c.options.Now().Sub(last.At) < freshFor {
		return last
	}
	select {
	case c.asked <- struct{}{}:
	default: // someone else has asked
	}
	wait := time.NewTimer(scrapeWait)
	defer wait.Stop()
	select {
	case <-fresh:
	case <-wait.C:
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || c.options.Now().Sub(c.last.At) > validFor {
		return nil
	}
	return c.last
}

// Age is for how long no figures have been read.
func (c *Census) Age() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		return c.options.Now().Sub(c.began)
	}
	return c.options.Now().Sub(c.last.At)
}
