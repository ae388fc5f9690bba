package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func (w *weather) killPostgres(ctx context.Context) (string, error) {
	d := w.between(0, 2*time.Second)
	if err := w.site.postgres.Kill(); err != nil {
		return "", err
	}
	pause(ctx, d)
	return fmt.Sprintf("for %s", d.Round(time.Millisecond)), w.site.postgres.StartAgain()
}

func (w *weather) cutDatabase(context.Context) (string, error) {
	return fmt.Sprintf("%d connections", w.site.database.Cut()), nil
}

func (w *weather) cutDatabaseAnswers(context.Context) (string, error) {
	after := w.dice.IntN(40)
	return fmt.Sprintf("%d connections after %d bytes", w.site.database.CutAnswers(after), after), nil
}

func (w *weather) halfCloseDatabase(context.Context) (string, error) {
	toTarget := w.dice.IntN(2) == 0
	return fmt.Sprintf("%d connections, to PostgreSQL: %t", w.site.database.HalfClose(toTarget), toTarget), nil
}

func (w *weather) stallDatabase(ctx context.Context) (string, error) {
	d := w.between(100*time.Millisecond, w.site.config.lease*4/3)
	resume := w.site.database.Stall()
	defer resume()
	pause(ctx, d)
	return fmt.Sprintf("for %s", d.Round(time.Millisecond)), nil
}

func (w *weather) cutNetwork(context.Context) (string, error) {
	front := w.site.servers[w.dice.IntN(len(w.site.servers))].front
	if w.dice.IntN(2) == 0 {
		return fmt.Sprintf("%d connections", front.Cut()), nil
	}
	after := w.dice.IntN(300)
	return fmt.Sprintf("%d connections after %d bytes", front.CutAnswers(after), after), nil
}

func (w *weather) stallNetwork(ctx context.Context) (string, error) {
	i, d := w.dice.IntN(len(w.site.servers)), w.between(100*time.Millisecond, w.site.config.lease)
	resume := w.site.servers[i].front.Stall()
	defer resume()
	pause(ctx, d)
	return fmt.Sprintf("server %d for %s", i, d.Round(time.Millisecond)), nil
}

func (w *weather) loseAnswers(ctx context.Context) (string, error) {
	d := w.between(500*time.Millisecond, 4*time.Second)
	w.network.loseAnswers(0.3)
	defer w.network.loseAnswers(usuallyLost)
	pause(ctx, d)
	return fmt.Sprintf("a third of them, for %s", d.Round(time.Millisecond)), nil
}

// jumps are how far clocks are set wrong: less than a lease, less than what servers notice, hours, and more than retention.
func jumps() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{3 * time.Second, 20 * time.Second, 50 * time.Second, 3 * time.Minute, 5 * time.Hour, 40 * day, 400 * day}
}

func (w *weather) clockForward(ctx context.Context) (string, error) {
	by := jumps()[w.dice.IntN(len(jumps()))]
	return "by " + by.String(), w.site.setClock(ctx, w.site.ahead+by)
}

// clockBack sets the clock right, or too late if it was right.
func (w *weather) clockBack(ctx context.Context) (string, error) {
	to := time.Duration(0)
	if w.site.ahead <= 0 {
		to = -jumps()[w.dice.IntN(5)]
	}
	by := to - w.site.ahead
	return "by " + by.String(), w.site.setClock(ctx, to)
}

// fillDisk leaves PostgreSQL little room or none, and frees the disk after a while.
func (w *weather) fillDisk(ctx context.Context) (string, error) {
	free, d := w.dice.Int64N(2<<20), w.between(500*time.Millisecond, 4*time.Second)
	if err := w.site.disk.Fill(free); err != nil {
		return "", err
	}
	pause(ctx, d)
	text := fmt.Sprintf("%d bytes left, for %s", free, d.Round(time.Millisecond))
	return text, errors.Join(w.site.disk.Free(), w.revivePostgres(ctx))
}

// revivePostgres starts PostgreSQL if it has ended: it does when it cannot write its log. While it recovers it runs.
func (w *weather) revivePostgres(ctx context.Context) error {
	for range 50 {
		if !w.site.postgres.Running() {
			if err := w.site.postgres.StartAgain(); err != nil && w.site.postgres.Running() {
				return err
			}
		}
		if w.site.db.PingContext(ctx) == nil {
			return nil
		}
		pause(ctx, 100*time.Millisecond)
	}
	return errors.New("PostgreSQL does not come back:\n" + w.site.postgres.Log())
}
