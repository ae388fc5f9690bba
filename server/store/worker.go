package store

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

const upsertWorkerSQL = `
INSERT INTO workers (pool, name, type, cluster_id, version, namespaces, default_namespace, last_seen_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (pool, name) DO UPDATE
SET type = excluded.type,
	default_namespace = excluded.default_namespace,
	cluster_id = excluded.cluster_id,
	version = excluded.version,
	namespaces = excluded.namespaces,
	last_seen_at = excluded.last_seen_at`

// UpsertWorker stores the registration of a worker. Leases stay as they are: a restarted worker takes its
// attempts over when their leases expire, and a repeated registration loses none.
func (tx *Tx) UpsertWorker(ctx context.Context, w Worker) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(ctx, upsertWorkerSQL, w.Pool, w.Name, w.Type, w.ClusterID, w.Version,
		database.StringsOf(w.Namespaces), database.CleanText(w.DefaultNamespace), now)
	if err != nil {
		return fmt.Errorf("record worker %q of work pool %q: %w", w.Name, w.Pool, err)
	}
	return nil
}

// UpsertWorker runs Tx.UpsertWorker in a transaction.
func (s *Store) UpsertWorker(ctx context.Context, w Worker) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpsertWorker(ctx, w) })
}

// seenEvery bounds how often a worker's row is written: a long poll reads many times.
const seenEvery = time.Second

const seenSQL = `
INSERT INTO workers (pool, name, type, cluster_id, version, namespaces, last_seen_at)
VALUES (?, ?, '', ?, '', '[]', ?)
ON CONFLICT (pool, name) DO UPDATE
SET cluster_id = excluded.cluster_id,
	last_seen_at = excluded.last_seen_at`

// seen notes that the worker is alive: one row, and only when the last note is a while ago.
func (s *Store) seen(ctx context.Context, r ClaimRequest, last *database.Time, now time.Time) error {
	if last != nil && now.Sub(last.Time()) < seenEvery {
		return nil
	}
	err := s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.db.Exec(ctx, seenSQL, r.Pool, r.Worker, r.ClusterID, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("record worker %q: %w", r.Worker, err)
	}
	return nil
}

type workerRow struct {
	Name           string           `db:"name"`
	Pool           string           `db:"pool"`
	Type           string           `db:"type"`
	ClusterID      string           `db:"cluster_id"`
	Version        string           `db:"version"`
	Namespaces     database.Strings `db:"namespaces"`
	LastSeenAt     database.Time    `db:"last_seen_at"`
	Paused         bool             `db:"paused"`
	ActiveAttempts int32            `db:"active_attempts"`
}

const listWorkersSQL = `
SELECT
	w.name, w.pool, w.type, w.cluster_id, w.version, w.namespaces, w.last_seen_at, w.paused,
	(
		SELECT COUNT(*)
		FROM attempts a
		JOIN pools p ON p.id = a.pool_id
		WHERE p.name = w.pool AND a.worker = w.name AND a.ended_at IS NULL
	) AS active_attempts
FROM workers w
WHERE ? IN (w.pool, '')
ORDER BY w.pool, w.name`

// ListWorkers lists the workers of a pool, or of all pools for "".
func (q Reader) ListWorkers(ctx context.Context, pool string) ([]Worker, error) {
	var rows []workerRow
	if err := q.db.All(ctx, &rows, listWorkersSQL, pool); err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	workers := make([]Worker, len(rows))
	for i, r := range rows {
		workers[i] = Worker{
			Name: r.Name, Pool: r.Pool, Type: r.Type, ClusterID: r.ClusterID, Version: r.Version, Namespaces: r.Namespaces.V,
			LastSeenAt: r.LastSeenAt.Time(), Paused: r.Paused, ActiveAttempts: r.ActiveAttempts,
		}
	}
	return workers, nil
}

const defaultNamespacesSQL = `
SELECT DISTINCT default_namespace
FROM workers
WHERE pool = ?
	AND default_namespace <> ''
ORDER BY default_namespace`

// ListDefaultNamespaces lists the namespaces into which workers of a pool put Jobs whose template names none.
// It is empty where no worker has said, which is served by the primary key.
func (q Reader) ListDefaultNamespaces(ctx context.Context, pool string) ([]string, error) {
	var names []string
	if err := q.db.All(ctx, &names, defaultNamespacesSQL, pool); err != nil {
		return nil, fmt.Errorf("list the namespaces of the workers of work pool %q: %w", pool, err)
	}
	return names, nil
}

// Served by pools_name for one that is there, by pools_deleted for one that is not.
const poolTypeSQL = `
SELECT p.type
FROM pools p
WHERE p.name = ?
	AND (
		p.deleted_at IS NULL
		OR EXISTS (SELECT 1 FROM attempts a WHERE a.pool_id = p.id AND a.ended_at IS NULL)
	)
ORDER BY CASE WHEN p.deleted_at IS NULL THEN 0 ELSE 1 END
LIMIT 1`

// GetPoolTypeForWorker returns the type of a pool that exists, or that was deleted and still has held
// attempts for a worker to end.
func (q Reader) GetPoolTypeForWorker(ctx context.Context, pool string) (string, error) {
	var kind string
	err := q.db.Get(ctx, &kind, poolTypeSQL, pool)
	return kind, database.NotFoundError(err, "work pool %q", pool)
}

const (
	workerPausedSQL = `
SELECT paused
FROM workers
WHERE pool = ?
	AND name = ?`
	pauseWorkerSQL = `
UPDATE workers
SET paused = ?
WHERE pool = ?
	AND name = ?`
)

// UpdateWorkerPaused pauses or resumes a worker: paused, it claims no attempts and ends the ones it holds.
func (tx *Tx) UpdateWorkerPaused(
	ctx context.Context, pool, name string, paused bool, actor string,
) (*Worker, error) {
	var was []bool
	if err := tx.db.All(ctx, &was, workerPausedSQL+tx.db.Dialect().Lock("FOR UPDATE"), pool, name); err != nil {
		return nil, fmt.Errorf("pause worker %q: %w", name, err)
	}
	n, err := tx.db.Exec(ctx, pauseWorkerSQL, paused, pool, name)
	if err != nil {
		return nil, fmt.Errorf("pause worker %q: %w", name, err)
	}
	workers, err := tx.ListWorkers(ctx, pool)
	if err != nil {
		return nil, err
	}
	for _, w := range workers {
		if w.Name == name && n > 0 {
			tx.db.Hint(PoolTopic(pool))
			return &w, tx.workerPaused(ctx, w, was, actor)
		}
	}
	return nil, &Error{Code: NotFound, Message: fmt.Sprintf("work pool %q has no worker %q", pool, name)}
}

// UpdateWorkerPaused runs Tx.UpdateWorkerPaused in a transaction.
func (s *Store) UpdateWorkerPaused(
	ctx context.Context, pool, name string, paused bool, actor string,
) (*Worker, error) {
	return inTx(ctx, s, func(tx *Tx) (*Worker, error) {
		return tx.UpdateWorkerPaused(ctx, pool, name, paused, actor)
	})
}
