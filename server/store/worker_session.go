package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// A worker session is one process of a worker. Its lease is that of all attempts that it has claimed or taken over.

// SessionRef names a worker session.
type SessionRef struct {
	ID     uuid.UUID
	Pool   string
	Worker string
}

// workerSessionRow is the locked row of a session.
type workerSessionRow struct {
	Clock       *database.Time `db:"clock"`
	LastRequest *uuid.UUID     `db:"last_request"`
}

func lockSessionSQL(d database.Dialect) string {
	return `
SELECT ` + d.RowClock() + ` AS clock, s.last_request
FROM worker_sessions s
WHERE s.id = ?
	AND s.pool = ?
	AND s.worker = ?` + d.Lock("FOR NO KEY UPDATE")
}

// lockSession locks a session against a takeover of its attempts, and its claims and renewals against each other.
func (tx *Tx) lockSession(ctx context.Context, ref SessionRef) (workerSessionRow, error) {
	var row workerSessionRow
	err := tx.db.Get(ctx, &row, lockSessionSQL(tx.db.Dialect()), ref.ID, ref.Pool, ref.Worker)
	if errors.Is(err, database.ErrNoRows) {
		return row, sessionUnknown(ref)
	}
	if err != nil {
		return row, fmt.Errorf("lock session %s: %w", ref.ID, err)
	}
	tx.db.AdvanceClock(row.Clock)
	return row, nil
}

func sessionUnknown(ref SessionRef) error {
	return &Error{Code: SessionUnknown, Message: fmt.Sprintf(
		"worker %q of work pool %q has no session %s: say hello first", ref.Worker, ref.Pool, ref.ID)}
}

const upsertSessionSQL = `
INSERT INTO worker_sessions (id, pool, worker, cluster_id, cluster_objects, seen_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET seen_at = excluded.seen_at
WHERE worker_sessions.pool = excluded.pool
	AND worker_sessions.worker = excluded.worker
	AND worker_sessions.cluster_id = excluded.cluster_id`

// upsertSession creates a session without a lease, or notes that it is alive.
func (tx *Tx) upsertSession(ctx context.Context, id uuid.UUID, w Worker, now time.Time) error {
	if err := tx.checkCluster(ctx, w, now); err != nil {
		return err
	}
	objects := database.Structured[map[string]string]{V: w.ClusterObjects}
	n, err := tx.db.Exec(ctx, upsertSessionSQL, id, w.Pool, w.Name, w.ClusterID, objects, now, now)
	if err != nil {
		return fmt.Errorf("record session %s of worker %q: %w", id, w.Name, err)
	}
	if n == 0 {
		return &Error{Code: Conflict, Message: fmt.Sprintf("session %s belongs to another worker", id)}
	}
	return nil
}

const clusterObjectsSQL = `
SELECT pool, worker, cluster_objects
FROM worker_sessions
WHERE cluster_id = ?
	AND seen_at > ?`

// checkCluster refuses a worker in another cluster than the one that its cluster ID stands for, to workers that are alive.
// Workers with one ID take over each other's attempts, and an attempt whose Job is missing has been deleted.
func (tx *Tx) checkCluster(ctx context.Context, w Worker, now time.Time) error {
	if len(w.ClusterObjects) == 0 {
		return nil
	}
	var others []struct {
		Pool    string                                 `db:"pool"`
		Worker  string                                 `db:"worker"`
		Objects database.Structured[map[string]string] `db:"cluster_objects"`
	}
	if err := tx.db.All(ctx, &others, clusterObjectsSQL, w.ClusterID, now.Add(-WorkerAliveFor)); err != nil {
		return fmt.Errorf("list the workers of cluster %q: %w", w.ClusterID, err)
	}
	for _, other := range others {
		for name, uid := range w.ClusterObjects {
			if known := other.Objects.V[name]; known != "" && known != uid {
				return &Error{Code: Conflict, Message: fmt.Sprintf(
					"worker %q and worker %q of work pool %q have the same cluster id %q but are in two clusters: %s differs. "+
						"Give each cluster its own id (--cluster-id)", w.Name, other.Worker, other.Pool, w.ClusterID, name)}
			}
		}
	}
	return nil
}

const extendSessionSQL = `
UPDATE worker_sessions
SET seen_at = ?,
	expires_at = ?,
	last_request = COALESCE(?, last_request)
WHERE id = ?`

// extension is the change that extends the lease of a session, and notes the claim that it gets an answer to; nil: none.
func extension(session uuid.UUID, now time.Time, lease time.Duration, request *uuid.UUID) database.Statement {
	return database.NewStatement(extendSessionSQL, now, now.Add(lease), request, session)
}

func (tx *Tx) extendSession(ctx context.Context, id uuid.UUID, now time.Time, lease time.Duration) error {
	if err := tx.db.ExecBatch(ctx, extension(id, now, lease, nil)); err != nil {
		return fmt.Errorf("renew session %s: %w", id, err)
	}
	return nil
}

// seenEvery bounds how often a poll writes that its worker is alive.
const seenEvery = 10 * time.Second

const sessionSeenSQL = `
UPDATE worker_sessions
SET seen_at = ?,
	lost = ?
WHERE id = ?`

// seen notes that a worker is alive, if the last note is a while ago, and what it cannot reach, if that has changed.
func (s *Store) seen(ctx context.Context, r ClaimRequest, state claimState, now time.Time) error {
	lost, err := database.Structured[[]LostNamespace]{V: append([]LostNamespace{}, r.Lost...)}.Text()
	if err != nil {
		return err
	}
	if state.Lost != nil && lost == *state.Lost && now.Sub(state.SeenAt.Time()) < seenEvery {
		return nil
	}
	err = s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.db.Exec(ctx, sessionSeenSQL, now, lost, r.Session)
		return err
	})
	if err != nil {
		return fmt.Errorf("note that session %s is alive: %w", r.Session, err)
	}
	return nil
}

const (
	keepSuperseded = time.Hour          // of a worker that has a newer one
	keepWorkers    = 7 * 24 * time.Hour // not heard of

	// clearSessionsSQL never removes a session that attempts name.
	clearSessionsSQL = `
DELETE FROM worker_sessions
WHERE (
		seen_at < ?
		OR seen_at < ?
		AND EXISTS (
			SELECT 1
			FROM worker_sessions n
			WHERE n.pool = worker_sessions.pool AND n.worker = worker_sessions.worker AND n.seen_at > worker_sessions.seen_at
		)
	)
	AND expires_at < ?
	AND NOT EXISTS (SELECT 1 FROM live l WHERE l.session_id = worker_sessions.id)`
	clearWorkersSQL = `
DELETE FROM workers
WHERE greeted_at < ?
	AND NOT EXISTS (SELECT 1 FROM worker_sessions s WHERE s.pool = workers.pool AND s.worker = workers.name)`
)

// clearWorkers removes sessions and workers that were not heard of for long.
func (tx *Tx) clearWorkers(ctx context.Context) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	old, superseded := now.Add(-keepWorkers), now.Add(-keepSuperseded)
	if _, err := tx.db.Exec(ctx, clearSessionsSQL, old, superseded, superseded); err != nil {
		return err
	}
	_, err = tx.db.Exec(ctx, clearWorkersSQL, old)
	return err
}
