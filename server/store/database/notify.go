package database

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/google/uuid"
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
func (db *DB) publish(topics map[string]int) {
	others := map[string]int{}
	for topic, turns := range topics {
		if turns != toAll {
			db.giveTurns(topic, turns)
			continue
		}
		db.hub.wake(topic)
		others[topic] = toAll
	}
	if len(others) > 0 && db.dialect == Postgres {
		db.outbox.add(others)
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
	server string // names this process in notifications

	mu     sync.Mutex
	topics map[string]int // to the number of turns, or toAll
	filled chan struct{}
}

func newOutbox() *outbox {
	return &outbox{server: uuid.NewString(), topics: map[string]int{}, filled: make(chan struct{}, 1)}
}

func (o *outbox) add(topics map[string]int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for t, turns := range topics {
		before, known := o.topics[t]
		if turns == toAll || known && before == toAll {
			o.topics[t] = toAll
		} else {
			o.topics[t] = before + turns
		}
	}
	if len(o.topics) > outboxMax {
		o.topics = map[string]int{everything: toAll}
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
	for t, turns := range o.topics {
		topics = append(topics, o.entry(t, turns))
	}
	clear(o.topics)
	return topics
}
