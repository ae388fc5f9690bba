package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// A dry run is a question to the workers of one cluster: would it take this Job? The server that was asked stores it, a
// worker of the pool takes it with its poll, which may be at another server, and answers; the first server reads the
// answer and deletes the row. A row lives for as long as the asker waits: what a server leaves behind that ends meanwhile
// is removed by the sweep of another.

// NewDryRun is a question.
type NewDryRun struct {
	ID        uuid.UUID
	Pool      string
	ClusterID string
	Question  json.RawMessage // as the worker gets it
}

// DryRun is a question with what has become of it.
type DryRun struct {
	ID     uuid.UUID
	Worker string          // that has taken it; empty: none
	Answer json.RawMessage // nil: none yet
}

// DryRunsTopic is where hints arrive of dry runs that workers of a pool can take.
func DryRunsTopic(pool string) string { return "dry-runs:" + pool }

// DryRunTopic is where the hint arrives that a dry run was taken or answered.
func DryRunTopic(id uuid.UUID) string { return "dry-run:" + id.String() }

const insertDryRunSQL = `
INSERT INTO dry_runs (id, pool, cluster_id, question, open_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?)`

// CreateDryRuns stores questions whose asker waits for a time.
func (s *Store) CreateDryRuns(ctx context.Context, asked []NewDryRun, wait time.Duration) error {
	return s.InTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		for _, d := range asked {
			_, err := tx.db.Exec(ctx, insertDryRunSQL, d.ID, d.Pool, d.ClusterID, database.JSON(d.Question), now,
				now.Add(wait))
			if err != nil {
				return fmt.Errorf("store a dry run in work pool %q: %w", d.Pool, err)
			}
			tx.db.Hint(DryRunsTopic(d.Pool))
		}
		return nil
	})
}

// DryRunTaker is the worker that takes dry runs.
type DryRunTaker struct {
	Pool, Worker, ClusterID string
	Max                     int
}

// retakeDryRun is after what time another poll gets a question that was taken and not answered: the worker may have
// died, or never got it. To ask twice does no harm, and the first answer counts.
const retakeDryRun = 4 * time.Second

// openDryRunsSQL is served by dry_runs_pool.
func openDryRunsSQL(d database.Dialect) string {
	return `
SELECT id, question
FROM dry_runs
WHERE pool = ?
	AND cluster_id = ?
	AND answer IS NULL
	AND open_at <= ` + d.NowParam() + `
	AND expires_at > ` + d.NowParam() + `
ORDER BY expires_at, id
LIMIT ?`
}

const takeDryRunSQL = `
UPDATE dry_runs
SET worker = ?,
	open_at = ?
WHERE id = ?`

type openDryRun struct {
	ID       uuid.UUID     `db:"id"`
	Question database.JSON `db:"question"`
}

// TakeDryRuns gives a worker questions that no other worker has taken just now. It reads once, without a transaction, where
// there are none.
func (s *Store) TakeDryRuns(ctx context.Context, by DryRunTaker) ([]json.RawMessage, error) {
	reader := s.session()
	if open, err := reader.openDryRuns(ctx, by, ""); err != nil || len(open) == 0 {
		return nil, err
	}
	return inTx(ctx, s, func(tx *Tx) ([]json.RawMessage, error) {
		open, err := tx.openDryRuns(ctx, by, tx.db.Dialect().Lock("FOR UPDATE SKIP LOCKED"))
		if err != nil {
			return nil, err
		}
		now, err := tx.db.Now(ctx)
		if err != nil {
			return nil, err
		}
		var taken []json.RawMessage
		for _, d := range open {
			if _, err := tx.db.Exec(ctx, takeDryRunSQL, by.Worker, now.Add(retakeDryRun), d.ID); err != nil {
				return nil, fmt.Errorf("take dry run %s: %w", d.ID, err)
			}
			tx.db.Hint(DryRunTopic(d.ID))
			taken = append(taken, d.Question.Raw())
		}
		return taken, nil
	})
}

func (q Reader) openDryRuns(ctx context.Context, by DryRunTaker, lock string) ([]openDryRun, error) {
	now, err := q.db.NowArg(ctx)
	if err != nil {
		return nil, err
	}
	var open []openDryRun
	query := openDryRunsSQL(q.db.Dialect()) + lock
	if err := q.db.All(ctx, &open, query, by.Pool, by.ClusterID, now, now, by.Max); err != nil {
		return nil, fmt.Errorf("list the dry runs for workers of work pool %q: %w", by.Pool, err)
	}
	return open, nil
}

const answerDryRunSQL = `
UPDATE dry_runs
SET answer = ?,
	worker = ?
WHERE id = ?
	AND pool = ?
	AND answer IS NULL`

// AnswerDryRun stores the first answer of a worker of the pool. It reports false if the asker no longer waits.
func (s *Store) AnswerDryRun(
	ctx context.Context, id uuid.UUID, pool, worker string, answer json.RawMessage,
) (stored bool, err error) {
	return inTx(ctx, s, func(tx *Tx) (bool, error) {
		n, err := tx.db.Exec(ctx, answerDryRunSQL, database.JSON(answer), worker, id, pool)
		if err != nil {
			return false, fmt.Errorf("answer dry run %s: %w", id, err)
		}
		tx.db.Hint(DryRunTopic(id))
		return n > 0, nil
	})
}

const listDryRunsSQL = `
SELECT id, worker, answer
FROM dry_runs
WHERE id IN `

// ListDryRuns returns what has become of questions, in no order.
func (q Reader) ListDryRuns(ctx context.Context, ids []uuid.UUID) ([]DryRun, error) {
	var rows []struct {
		ID     uuid.UUID     `db:"id"`
		Worker string        `db:"worker"`
		Answer database.JSON `db:"answer"`
	}
	if err := q.db.All(ctx, &rows, listDryRunsSQL+q.db.Dialect().List("uuid"), database.ListOf(ids)); err != nil {
		return nil, fmt.Errorf("list dry runs: %w", err)
	}
	found := make([]DryRun, len(rows))
	for i, r := range rows {
		found[i] = DryRun{ID: r.ID, Worker: r.Worker, Answer: r.Answer.Raw()}
	}
	return found, nil
}

const deleteDryRunsSQL = `
DELETE FROM dry_runs
WHERE id IN `

// DeleteDryRuns removes questions whose asker no longer waits.
func (s *Store) DeleteDryRuns(ctx context.Context, ids []uuid.UUID) error {
	return s.InTx(ctx, func(tx *Tx) error {
		query := deleteDryRunsSQL + tx.db.Dialect().List("uuid")
		if _, err := tx.db.Exec(ctx, query, database.ListOf(ids)); err != nil {
			return fmt.Errorf("delete dry runs: %w", err)
		}
		return nil
	})
}

// dryRunGrace is for how long the server that waits may still read an answer that came at the last moment.
const dryRunGrace = 10 * time.Second

const clearDryRunsSQL = `
DELETE FROM dry_runs
WHERE expires_at < ?`

// clearDryRuns removes the dry runs of servers that ended before their askers.
func (tx *Tx) clearDryRuns(ctx context.Context) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(ctx, clearDryRunsSQL, now.Add(-dryRunGrace))
	return err
}
