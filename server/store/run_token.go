package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// RunIdentity is what a run token says of an attempt.
type RunIdentity struct {
	Run             uuid.UUID
	RunName         string
	Attempt         int32
	Pool            string
	Deployment      string
	TemplateVersion int32
	// Audiences are what the pool grants.
	Audiences []string
	// TimeoutAt is when the run's time limit ends it; nil without one, or before it runs.
	TimeoutAt *time.Time
	// Active says that the attempt has not ended.
	Active bool
}

type runIdentityRow struct {
	AttemptID       uuid.UUID        `db:"attempt_id"`
	Run             uuid.UUID        `db:"run_id"`
	RunName         string           `db:"run_name"`
	Attempt         int32            `db:"number"`
	Pool            string           `db:"pool"`
	Deployment      string           `db:"deployment"`
	TemplateVersion int32            `db:"template_version"`
	Audiences       database.Strings `db:"audiences"`
	TimeoutAt       *database.Time   `db:"timeout_at"`
	Active          bool             `db:"active"`
}

// Served by the unique index of live, and by the primary key of attempts.
const runIdentitySQL = `
SELECT
	a.attempt_id, a.run_id, r.name AS run_name, a.number, p.name AS pool, d.name AS deployment,
	t.version AS template_version, COALESCE(p.run_token_audiences, '[]') AS audiences, a.timeout_at, a.active
FROM (
	SELECT l.attempt_id, l.run_id, l.number, l.template_version_id, l.timeout_at, TRUE AS active
	FROM runs r
	JOIN live l ON l.deployment_id = r.deployment_id AND l.run_id = r.id
	WHERE r.id = ? AND l.number = ?
	UNION ALL
	SELECT id, run_id, number, template_version_id, NULL, FALSE
	FROM attempts
	WHERE run_id = ? AND number = ?
) AS a
JOIN runs r ON r.id = a.run_id
JOIN pools p ON p.id = r.pool_id
JOIN deployments d ON d.id = r.deployment_id
JOIN template_versions t ON t.id = a.template_version_id`

// GetRunIdentity returns what there is to say of an attempt.
func (q Reader) GetRunIdentity(ctx context.Context, run uuid.UUID, attempt int32) (*RunIdentity, error) {
	var row runIdentityRow
	if err := q.db.Get(ctx, &row, runIdentitySQL, run, attempt, run, attempt); err != nil {
		return nil, database.NotFoundError(err, "attempt %d of run %s", attempt, run)
	}
	return &RunIdentity{
		Run: row.Run, RunName: row.RunName, Attempt: row.Attempt, Pool: row.Pool, Deployment: row.Deployment,
		TemplateVersion: row.TemplateVersion, Audiences: row.Audiences.V, TimeoutAt: row.TimeoutAt.Ptr(),
		Active: row.Active,
	}, nil
}

const countRunTokenSQL = `
INSERT INTO run_tokens (run_id, attempt_id, audience, issued, first_at, last_at)
VALUES (?, ?, ?, 1, ?, ?)
ON CONFLICT (run_id, attempt_id, audience) DO UPDATE
SET issued = run_tokens.issued + 1,
	last_at = excluded.last_at
RETURNING issued`

// CreateRunToken records that the attempt gets a token for the audience, and returns what the token says. It
// refuses an attempt that has ended and an audience that the pool does not grant. The audit has an entry of
// the first token of each audience: a job may renew its token often.
func (tx *Tx) CreateRunToken(ctx context.Context, run, attempt uuid.UUID, audience string) (*RunIdentity, error) {
	number, err := tx.lockActiveAttempt(ctx, run, attempt)
	if err != nil {
		return nil, err
	}
	identity, err := tx.GetRunIdentity(ctx, run, number)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(identity.Audiences, audience) {
		return nil, &Error{
			Code: AudienceNotGranted,
			Message: fmt.Sprintf("work pool %q grants its jobs no token for audience %q", identity.Pool,
				audience),
		}
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	var issued int64
	if err := tx.db.Get(ctx, &issued, countRunTokenSQL, run, attempt, audience, now, now); err != nil {
		return nil, fmt.Errorf("record a token of run %s: %w", run, err)
	}
	if issued > 1 {
		return identity, nil
	}
	return identity, tx.audit(ctx, AuditEntry{
		Actor: "job of run " + identity.RunName, Action: AuditCreate, Kind: AuditRunToken, Name: run.String(),
		Pool: identity.Pool, Detail: fmt.Sprintf("attempt %d, audience %s", number, audience),
	})
}

// CreateRunToken runs Tx.CreateRunToken in a transaction.
func (s *Store) CreateRunToken(
	ctx context.Context, run, attempt uuid.UUID, audience string,
) (*RunIdentity, error) {
	return inTx(ctx, s, func(tx *Tx) (*RunIdentity, error) {
		return tx.CreateRunToken(ctx, run, attempt, audience)
	})
}
