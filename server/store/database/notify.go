package database

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	channel        = "berth"
	flushEvery     = 3 * time.Millisecond // NOTIFY serialises commits: a few a second are free, one per row is not
	flushTimeout   = 5 * time.Second
	payloadMax     = 7500  // bytes; PostgreSQL takes 8000
	outboxMax      = 20000 // topics; beyond that all subscribers are woken
	everything     = "*"
	listenerPing   = time.Minute
	reconnectFirst = 100 * time.Millisecond
	reconnectLast  = 2 * time.Second
)

// Run carries hints between the servers of one PostgreSQL until ctx ends. Without it hints stay within this
// process.
func (db *DB) Run(ctx context.Context) error {
	if db.dialect == SQLite {
		<-ctx.Done()
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return db.listen(ctx) })
	g.Go(func() error { return db.flush(ctx) })
	g.Go(func() error { return db.watchReplica(ctx) })
	return g.Wait()
}

// publish hands hints to this process at once and to the others soon.
func (db *DB) publish(topics map[string]struct{}) {
	if len(topics) == 0 {
		return
	}
	for t := range topics {
		db.hub.wake(t)
	}
	if db.dialect == Postgres {
		db.outbox.add(topics)
	}
}

const notifySQL = `
SELECT pg_notify(?, ?)`

// flush sends what is in the outbox, once in a while. What cannot be sent is dropped: a hint has a slow poll
// behind it.
func (db *DB) flush(ctx context.Context) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			db.send(context.WithoutCancel(ctx))
			return nil
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
		case <-db.outbox.filled:
			db.send(ctx)
		}
		pause.Reset(flushEvery)
	}
}

func (db *DB) send(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	for _, payload := range payloads(db.outbox.take()) {
		if _, err := db.writer.ExecContext(ctx, db.bind(notifySQL), channel, payload); err != nil {
			db.log.Warn("cannot notify the other servers", "error", err)
			return
		}
	}
}

// payloads packs topics into as few notifications as possible.
func payloads(topics []string) []string {
	var packed []string
	for len(topics) > 0 {
		n, size := 0, 2
		for n < len(topics) && (n == 0 || size+len(topics[n])+3 <= payloadMax) {
			size += len(topics[n]) + 3
			n++
		}
		b, _ := json.Marshal(topics[:n]) // strings always can
		packed = append(packed, string(b))
		topics = topics[n:]
	}
	return packed
}

// outbox gathers topics until they are sent.
type outbox struct {
	mu     sync.Mutex
	topics map[string]struct{}
	filled chan struct{}
}

func newOutbox() *outbox {
	return &outbox{topics: map[string]struct{}{}, filled: make(chan struct{}, 1)}
}

func (o *outbox) add(topics map[string]struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for t := range topics {
		o.topics[t] = struct{}{}
	}
	if len(o.topics) > outboxMax {
		o.topics = map[string]struct{}{everything: {}}
	}
	select {
	case o.filled <- struct{}{}:
	default:
	}
}

func (o *outbox) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	topics := make([]string, 0, len(o.topics))
	for t := range o.topics {
		topics = append(topics, t)
	}
	clear(o.topics)
	return topics
}
