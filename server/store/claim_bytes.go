package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// takes counts the documents of the n-th attempt, unless the answer has no room for them: then it returns false.
func (g *claimResult) takes(r ClaimRequest, n, size int) bool {
	if r.MaxBytes > 0 && n > 0 && g.bytes+size > r.MaxBytes {
		return false
	}
	g.bytes += size
	return true
}

// fitting returns the first of the due runs that the answer has room for.
func (g *claimResult) fitting(
	r ClaimRequest, due []*dueRun, settings map[claimSetting]*settingRow, pool *claimPool,
) []*dueRun {
	for n, run := range due {
		s := settings[run.setting(pool)]
		if !g.takes(r, len(g.attempts)+n, run.Size+len(s.DeploymentVariables)+len(s.frozen.object)) {
			return due[:n]
		}
	}
	return due
}

// Size is how many bytes the documents of the claim have.
func (c Claim) Size() int {
	return len(c.Parameters) + len(c.RunVariables) + len(c.DeploymentVariables) + len(c.Frozen) + len(c.Stored) +
		len(c.Manifest)
}

// claimSizesSQL takes what is frozen as a part of the deployment's variables.
func claimSizesSQL(d database.Dialect) string {
	return `
SELECT
	l.attempt_id,
	` + sizeOfRunSQL + ` + OCTET_LENGTH(v.job_variables) + OCTET_LENGTH(l.stored)
		+ COALESCE(OCTET_LENGTH(m.manifest), 0) AS size
FROM live l
JOIN runs r ON r.id = l.run_id
JOIN deployment_revisions v ON v.id = l.revision_id
LEFT JOIN manifests m ON m.run_id = l.run_id AND m.number = l.number
WHERE l.attempt_id IN ` + d.List("uuid")
}

// fittingTakeovers returns the first of the attempts to take over that the answer has room for.
func (tx *Tx) fittingTakeovers(
	ctx context.Context, r ClaimRequest, rows []*lockedRun, result *claimResult,
) ([]*lockedRun, error) {
	ids := make([]uuid.UUID, len(rows))
	for i, run := range rows {
		ids[i] = run.attempt.AttemptID
	}
	var read []struct {
		AttemptID uuid.UUID `db:"attempt_id"`
		Size      int       `db:"size"`
	}
	if err := tx.db.All(ctx, &read, claimSizesSQL(tx.db.Dialect()), database.ListOf(ids)); err != nil {
		return nil, fmt.Errorf("read the sizes of attempts: %w", err)
	}
	sizes := make(map[uuid.UUID]int, len(read))
	for _, row := range read {
		sizes[row.AttemptID] = row.Size
	}
	for n, id := range ids {
		if !result.takes(r, n, sizes[id]) {
			return rows[:n], nil
		}
	}
	return rows, nil
}

const runDocumentsSQL = `
SELECT id, parameters, job_variables
FROM runs
WHERE id IN `

// readDocuments reads the documents of due runs that were too large to be read with the lock.
func (tx *Tx) readDocuments(ctx context.Context, due []*dueRun) error {
	missing := map[uuid.UUID]*dueRun{}
	for _, run := range due {
		if run.Parameters == nil {
			missing[run.ID] = run
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var rows []struct {
		ID           uuid.UUID     `db:"id"`
		Parameters   database.JSON `db:"parameters"`
		JobVariables database.JSON `db:"job_variables"`
	}
	ids := database.ListOf(slices.Collect(maps.Keys(missing)))
	if err := tx.db.All(ctx, &rows, runDocumentsSQL+tx.db.Dialect().List("uuid"), ids); err != nil {
		return fmt.Errorf("read the documents of runs: %w", err)
	}
	for _, row := range rows {
		missing[row.ID].Parameters, missing[row.ID].JobVariables = row.Parameters, row.JobVariables
	}
	return nil
}

// weight is about what a setting takes in memory: its documents, and what is decoded of them.
func (s *settingRow) weight() int {
	const decoded = 2
	return len(s.DeploymentVariables) + len(s.Parameters) + decoded*(len(s.CurrentVariables)+len(s.CurrentParameters))
}
