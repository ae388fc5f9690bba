package database

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"
)

// listen receives the hints of all servers. After a failover it connects again: the connection may lead to a
// standby now, which sends no hints.
func (db *DB) listen(ctx context.Context) error {
	for {
		until, cancel := db.failovers.until(ctx)
		err := db.listenUntil(until)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case takesNoWrites(err): // nor listeners, until it is promoted or its successor is reached
			db.log.Warn("the database is a standby and sends no notifications, reconnecting", "error", err)
			if !pause(ctx, reconnectLast) {
				return nil
			}
		case err != nil:
			return err
		}
	}
}

// listenUntil listens until ctx ends. A lost connection may have lost hints: then all subscribers are woken.
func (db *DB) listenUntil(ctx context.Context) error {
	defer db.listening.Store(false)
	told := func(e pq.ListenerEventType, err error) {
		db.listening.Store(e == pq.ListenerEventConnected || e == pq.ListenerEventReconnected)
		if ctx.Err() == nil && (e == pq.ListenerEventDisconnected || e == pq.ListenerEventConnectionAttemptFailed) {
			db.log.Warn("the connection for notifications is down, reconnecting", "error", err)
		}
	}
	l := pq.NewDialListener(dialer{until: ctx}, named(db.direct, "notifications"), reconnectFirst, reconnectLast, told)
	stop := context.AfterFunc(ctx, func() {
		if err := l.Close(); err != nil {
			db.log.Warn("close the connection for notifications", "error", err)
		}
	})
	defer stop()
	if err := l.Listen(channel); err != nil {
		if ctx.Err() == nil {
			return errors.Join(fmt.Errorf("listen for notifications: %w", err), l.Close(), drain(l))
		}
		return drain(l)
	}
	db.hub.wakeAll()
	g, listening := errgroup.WithContext(ctx)
	g.Go(func() error {
		for n := range l.Notify {
			db.receive(n)
		}
		return nil
	})
	g.Go(func() error { return ping(listening, l) })
	return g.Wait()
}

// drain waits until a listener that was closed has ended.
func drain(l *pq.Listener) error {
	for range l.Notify {
		continue // it is of no use any longer
	}
	return nil
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// ping finds out about a connection that died silently.
func ping(ctx context.Context, l *pq.Listener) error {
	every := time.NewTicker(listenerPing)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			_ = l.Ping() // what fails here reconnects, and that is told
		}
	}
}

func (db *DB) receive(n *pq.Notification) {
	var topics []string
	if n == nil || json.Unmarshal([]byte(n.Extra), &topics) != nil { // reconnected, or another release's
		db.hub.wakeAll()
		return
	}
	for _, t := range topics {
		if t == everything {
			db.hub.wakeAll()
			return
		}
	}
	for _, t := range topics {
		db.receiveEntry(t)
	}
}
