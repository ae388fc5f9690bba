package server

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/berth-dev/berth/server/store"
)

// The database's time decides what is due and what is old. Its clock can jump: it is set, or the database fails
// over to a machine with another one. What a jump does to each is in docs/server.md.
const (
	// clockTolerance is by how much the database's time may differ from the expected one. Less is latency and
	// correction in small steps.
	clockTolerance = time.Minute
	// removalRest is for how long nothing is removed by age after a jump: nothing brings it back.
	removalRest = time.Hour
	// deadlineRest is for how long no run is ended by its start deadline or timeout after a jump.
	deadlineRest = 5 * time.Minute
	// clockLead is how far the database's time may be ahead of this server's before nothing is removed by age.
	clockLead = time.Hour
	// correctEvery is how often what was stored under a clock that was ahead is looked for. It is also looked for
	// after every jump.
	correctEvery = time.Minute
)

// databaseClock compares the database's clock with the monotonic clock of this process. It is safe for
// concurrent use.
type databaseClock struct {
	read   func(context.Context) (time.Time, error) // the database's time
	local  func() time.Time                         // with a monotonic reading, as time.Now
	logger *slog.Logger

	mu        sync.Mutex
	last      clockReading
	jumped    time.Time // when the last jump was noticed, by the local clock; zero: never
	corrected time.Time // when CorrectClock was last called, by the local clock
	ahead     bool      // the database's time is too far ahead of the local one
}

// clockReading is the database's time, which was read between two times of the local clock.
type clockReading struct{ database, before, after time.Time }

// jumpSince is by how much the database's clock has jumped since an earlier reading. How long the readings took
// is no jump.
func (r clockReading) jumpSince(last clockReading) time.Duration {
	elapsed := r.database.Sub(last.database)
	if least := r.before.Sub(last.after); elapsed < least {
		return elapsed - least
	}
	if most := r.after.Sub(last.before); elapsed > most {
		return elapsed - most
	}
	return 0
}

// look reads the database's time and notices whether its clock has jumped since the last look.
func (c *databaseClock) look(ctx context.Context) error {
	reading := clockReading{before: c.local()}
	now, err := c.read(ctx)
	if err != nil {
		return fmt.Errorf("read the database's time: %w", err)
	}
	reading.database, reading.after = now, c.local()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last.database.IsZero() {
		if jump := reading.jumpSince(c.last); jump.Abs() > clockTolerance {
			c.jumped, c.corrected = reading.after, time.Time{}
			c.logger.Warn("the database's clock has jumped: nothing is removed by age for an hour, and no run is "+
				"ended by its timeout for five minutes; check the clocks of the database's machines",
				"by", jump.Round(time.Second).String(), "database_time", now)
		}
	}
	c.last = reading
	c.compare(now, reading.after)
	return nil
}

// compare notices a clock that was wrong before this process started, or that stays wrong.
func (c *databaseClock) compare(now, local time.Time) {
	lead := now.Sub(local.Round(0)) // without the monotonic reading
	ahead := lead > clockLead
	if ahead && !c.ahead {
		c.logger.Warn("the database's time is ahead of this server's: nothing is removed by age until they agree",
			"by", lead.Round(time.Second).String(), "database_time", now)
	}
	c.ahead = ahead
}

// removes reports whether objects may be removed by their age.
func (c *databaseClock) removes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.ahead && c.steady(removalRest)
}

// ends reports whether runs may be ended by their start deadline or timeout.
func (c *databaseClock) ends() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steady(deadlineRest)
}

// steady reports whether no jump was noticed for a time.
func (c *databaseClock) steady(d time.Duration) bool {
	return c.jumped.IsZero() || c.local().Sub(c.jumped) >= d
}

// mustCorrect reports whether it is time to look for what was stored under a clock that was ahead.
func (c *databaseClock) mustCorrect() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if local := c.local(); c.corrected.IsZero() || local.Sub(c.corrected) >= correctEvery {
		c.corrected = local
		return true
	}
	return false
}

// newDatabaseClock watches the clock of the server's database.
func (s *server) newDatabaseClock() *databaseClock {
	return &databaseClock{read: s.store.Now, local: time.Now, logger: s.Logger}
}

// sweep returns a function that does what time brings, as far as the clock can be trusted.
func (s *server) sweep(clock *databaseClock) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := clock.look(ctx); err != nil {
			return err
		}
		if clock.mustCorrect() {
			corrected, err := s.store.CorrectClock(ctx, s.Lease)
			if err != nil {
				return err
			}
			s.logCorrection(corrected)
		}
		s.store.RestDeadlines(!clock.ends())
		return s.store.Sweep(ctx)
	}
}

func (s *server) logCorrection(c store.ClockCorrection) {
	for _, schedule := range c.Schedules {
		s.Logger.Warn("schedule continues from now: its slots had been decided up to a time that has not come",
			"deployment", schedule.Deployment, "schedule", schedule.Name, "decided_until", schedule.DecidedUntil)
	}
	if c.Any() {
		s.Logger.Warn("corrected what was stored while the database's clock was ahead",
			"schedules", len(c.Schedules), "leases", c.Leases, "attempts", c.Attempts, "runs", c.Runs)
	}
}
