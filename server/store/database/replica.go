package database

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// DefaultReadLagMax is how far a replica may be behind.
const DefaultReadLagMax = 5 * time.Second

const (
	lagInterval = time.Second
	lagTimeout  = 5 * time.Second
	lagSamples  = 600 // what is older counts as the oldest
)

// replica are connections for reading what people list from a standby. It is used while it is known to be close
// to the primary; otherwise the primary answers.
type replica struct {
	conns  *sqlx.DB
	lagMax time.Duration

	verified bool // it was found to be of the same database; of the loop that measures

	mu      sync.Mutex
	usable  bool
	lag     time.Duration
	samples []walSample // oldest first
}

// walSample is how far the primary had written at a time. The position is in bytes.
type walSample struct {
	at       time.Time
	position int64
}

// isUsable reports whether History may read the replica now.
func (r *replica) isUsable() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.usable
}

// state returns how far the replica is behind, and whether it is used.
func (r *replica) state() (lag time.Duration, usable bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lag, r.usable
}

// fail makes the primary answer until the replica was measured again.
func (r *replica) fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.usable = false
}

// observe notes how far the primary had written, and how far the replica has come since.
func (r *replica) observe(primary walSample, position int64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, primary)
	if len(r.samples) > lagSamples {
		r.samples = r.samples[1:]
	}
	reached := r.samples[0].at // it may be older
	for _, s := range r.samples {
		if s.position <= position {
			reached = s.at
		}
	}
	r.lag = now.Sub(reached)
	if position >= primary.position {
		r.lag = 0
	}
	r.usable = r.lag <= r.lagMax && position >= r.samples[0].position
}

const (
	// The position is that of the write-ahead log: no row has to be written to measure, and no clocks are compared.
	primaryPositionSQL = `
SELECT (pg_current_wal_lsn() - '0/0')::bigint`
	// A standby that was promoted is a primary. NULL is a replica that cannot tell.
	replicaPositionSQL = `
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0')::bigint`
)

const identitySQL = `
SELECT (pg_control_system()).system_identifier || '/' || current_database()`

// verifyReplica makes sure once that the replica is one of this database.
func (db *DB) verifyReplica(ctx context.Context) error {
	if db.replica.verified {
		return nil
	}
	var primary, replica string
	if err := db.Reader().Get(ctx, &primary, identitySQL); err != nil {
		return fmt.Errorf("read the identity of the primary: %w", err)
	}
	if err := sqlx.GetContext(ctx, db.replica.conns, &replica, identitySQL); err != nil {
		return fmt.Errorf("read the identity of the replica: %w", classify(err))
	}
	if primary != replica {
		return errors.New("--database-read-url does not lead to a standby of the database of --database-url")
	}
	db.replica.verified = true
	return nil
}

// watchReplica measures the replica until ctx ends.
func (db *DB) watchReplica(ctx context.Context) error {
	if db.replica == nil {
		return nil
	}
	tick := time.NewTicker(lagInterval)
	defer tick.Stop()
	for {
		db.measureReplica(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// measureReplica finds out how far the replica is behind, and says when that changes where lists are read.
func (db *DB) measureReplica(ctx context.Context) {
	before := db.replica.isUsable()
	lag, err := db.replicaLag(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		db.replica.fail()
	}
	switch after := db.replica.isUsable(); {
	case before && !after:
		db.log.Warn("the read replica is not used: the primary answers lists", "lag", lag.String(),
			"most", db.replica.lagMax.String(), "error", err)
	case !before && after:
		db.log.Info("the read replica answers lists", "lag", lag.String())
	}
}

func (db *DB) replicaLag(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, lagTimeout)
	defer cancel()
	if err := db.verifyReplica(ctx); err != nil {
		return 0, err
	}
	primary := walSample{at: time.Now()}
	if err := db.Reader().Get(ctx, &primary.position, primaryPositionSQL); err != nil {
		return 0, fmt.Errorf("read the position of the primary: %w", err)
	}
	var position int64
	if err := sqlx.GetContext(ctx, db.replica.conns, &position, replicaPositionSQL); err != nil {
		return 0, fmt.Errorf("read the position of the replica: %w", classify(err))
	}
	db.replica.observe(primary, position, time.Now())
	lag, _ := db.replica.state()
	return lag, nil
}
