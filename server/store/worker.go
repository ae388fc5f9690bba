package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

const upsertWorkerSQL = `
INSERT INTO workers (pool, name, type, cluster_id, version, namespaces, default_namespace, greeted_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (pool, name) DO UPDATE
SET type = excluded.type,
	default_namespace = excluded.default_namespace,
	cluster_id = excluded.cluster_id,
	version = excluded.version,
	namespaces = excluded.namespaces,
	greeted_at = excluded.greeted_at,
	stopped = FALSE`

// stopWorkerSQL leaves a worker alone that another process has taken the name of.
const stopWorkerSQL = `
UPDATE workers
SET stopped = TRUE
WHERE pool = ?
	AND name = ?
	AND NOT EXISTS (
		SELECT 1
		FROM worker_sessions n
		WHERE n.pool = workers.pool AND n.worker = workers.name AND n.id <> ? AND n.seen_at > ?
	)`

// StopWorker notes that a worker has stopped: it counts as a worker no more until it is heard of again.
func (s *Store) StopWorker(ctx context.Context, ref SessionRef) error {
	return s.InTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.db.Exec(ctx, stopWorkerSQL, ref.Pool, ref.Worker, ref.ID, now.Add(-WorkerAliveFor))
		if err != nil {
			return fmt.Errorf("note that worker %q of work pool %q stops: %w", ref.Worker, ref.Pool, err)
		}
		return nil
	})
}

// UpsertWorker stores the registration of a worker with its session. Leases stay as they are: a restarted worker has
// another session, and takes its attempts over when the lease of the earlier one expires.
func (tx *Tx) UpsertWorker(ctx context.Context, w Worker, session uuid.UUID) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(ctx, upsertWorkerSQL, w.Pool, w.Name, w.Type, w.ClusterID, w.Version,
		database.StringsOf(w.Namespaces), database.CleanText(w.DefaultNamespace), now)
	if err != nil {
		return fmt.Errorf("record worker %q of work pool %q: %w", w.Name, w.Pool, err)
	}
	return tx.upsertSession(ctx, session, w, now)
}

// UpsertWorker runs Tx.UpsertWorker in a transaction.
func (s *Store) UpsertWorker(ctx context.Context, w Worker, session uuid.UUID) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpsertWorker(ctx, w, session) })
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

	Pause database.Structured[*Pause] `db:"pause"`

	Lost *database.Structured[[]LostNamespace] `db:"lost"` // nil without a session
}

// listWorkersSQL reads the sessions and the attempts under way once, in one pass each.
const listWorkersSQL = `
SELECT
	w.name, w.pool, w.type, w.cluster_id, w.version, w.namespaces, w.paused, w.pause,
	COALESCE(s.seen_at, w.greeted_at) AS last_seen_at, COALESCE(l.n, 0) AS active_attempts, s.lost
FROM workers w
LEFT JOIN (
	SELECT pool, worker, seen_at, lost, ROW_NUMBER() OVER (PARTITION BY pool, worker ORDER BY seen_at DESC, id) AS place
	FROM worker_sessions
	WHERE ? IN (pool, '')
) AS s ON s.pool = w.pool AND s.worker = w.name AND s.place = 1
LEFT JOIN (
	SELECT p.name AS pool, l.worker, COUNT(*) AS n
	FROM live l
	JOIN pools p ON p.id = l.pool_id
	WHERE ? IN (p.name, '')
	GROUP BY p.name, l.worker
) AS l ON l.pool = w.pool AND l.worker = w.name
WHERE ? IN (w.pool, '')
	AND NOT w.stopped
ORDER BY w.pool, w.name`

// ListWorkers lists the workers of a pool, or of all pools for "".
func (q Reader) ListWorkers(ctx context.Context, pool string) ([]Worker, error) {
	var rows []workerRow
	if err := q.db.All(ctx, &rows, listWorkersSQL, pool, pool, pool); err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	workers := make([]Worker, len(rows))
	for i, r := range rows {
		var lost []LostNamespace
		if r.Lost != nil {
			lost = r.Lost.V
		}
		workers[i] = Worker{
			Lost: lost,
			Name: r.Name, Pool: r.Pool, Type: r.Type, ClusterID: r.ClusterID, Version: r.Version, Namespaces: r.Namespaces.V,
			LastSeenAt: r.LastSeenAt.Time(), Paused: r.Paused, Pause: r.Pause.V, ActiveAttempts: r.ActiveAttempts,
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
		OR EXISTS (SELECT 1 FROM live l WHERE l.pool_id = p.id)
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
	workerPauseSQL = `
SELECT pause
FROM workers
WHERE pool = ?
	AND name = ?`
	pauseWorkerSQL = `
UPDATE workers
SET paused = ?,
	pause = ?
WHERE pool = ?
	AND name = ?`
)

// UpdateWorkerPaused pauses or resumes a worker: paused, it claims no attempts, and goes on with the ones it holds.
func (tx *Tx) UpdateWorkerPaused(
	ctx context.Context, pool, name string, c PauseChange, actor string,
) (*Worker, error) {
	var before database.Structured[*Pause]
	err := tx.db.Get(ctx, &before, workerPauseSQL+tx.db.Dialect().Lock("FOR UPDATE"), pool, name)
	if err != nil {
		return nil, database.NotFoundError(err, "worker %q of work pool %q", name, pool)
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	after := c.over(before.V, actor, now)
	pause, err := pauseText(after)
	if err != nil {
		return nil, err
	}
	if _, err := tx.db.Exec(ctx, pauseWorkerSQL, c.Paused, pause, pool, name); err != nil {
		return nil, fmt.Errorf("pause worker %q: %w", name, err)
	}
	workers, err := tx.ListWorkers(ctx, pool)
	if err != nil {
		return nil, err
	}
	for _, w := range workers {
		if w.Name == name {
			tx.db.Hint(PoolTopic(pool))
			return &w, tx.workerPaused(ctx, w, before.V, actor)
		}
	}
	return nil, &Error{Code: NotFound, Message: fmt.Sprintf("work pool %q has no worker %q", pool, name)}
}

// UpdateWorkerPaused runs Tx.UpdateWorkerPaused in a transaction.
func (s *Store) UpdateWorkerPaused(
	ctx context.Context, pool, name string, c PauseChange, actor string,
) (*Worker, error) {
	return inTx(ctx, s, func(tx *Tx) (*Worker, error) {
		return tx.UpdateWorkerPaused(ctx, pool, name, c, actor)
	})
}
