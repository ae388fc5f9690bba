package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// runTerms are what a run got with its deployment's revision and its pool. They never change.
type runTerms struct {
	Pool      string                                     `db:"pool"`
	Retries   database.Structured[lifecycle.RetryPolicy] `db:"retries"`
	TimeoutUS *int64                                     `db:"timeout_us"`
}

// termsMax and settingsMax bound the caches; a setting holds the job variables of a deployment.
const (
	termsMax    = 10_000
	settingsMax = 1_000
	// settingsBytes bounds the documents of the cached settings.
	settingsBytes = 32 << 20
)

// termsKey says whose terms.
type termsKey struct {
	RevisionID uuid.UUID `db:"revision_id" json:"revision_id"`
	PoolID     uuid.UUID `db:"pool_id" json:"pool_id"`
}

func termsSQL(d database.Dialect) string {
	return `
SELECT n.revision_id, n.pool_id, p.name AS pool, v.retries, v.timeout_us
FROM ` + database.RecordsOf[termsKey](d) + ` AS n
JOIN deployment_revisions v ON v.id = n.revision_id
JOIN pools p ON p.id = n.pool_id`
}

// readTerms gives runs their terms.
func (tx *Tx) readTerms(ctx context.Context, runs []*lockedRun) error {
	found := map[termsKey]runTerms{}
	var unknown []termsKey
	for _, r := range runs {
		if _, ok := found[r.termsKey]; ok {
			continue
		}
		known, ok := tx.s.terms.get(r.termsKey)
		if found[r.termsKey] = known; !ok {
			unknown = append(unknown, r.termsKey)
		}
	}
	if len(unknown) > 0 {
		var rows []struct {
			termsKey
			runTerms
		}
		if err := tx.db.All(ctx, &rows, termsSQL(tx.db.Dialect()), database.ListOf(unknown)); err != nil {
			return fmt.Errorf("read the revisions of runs: %w", err)
		}
		for _, row := range rows {
			found[row.termsKey] = row.runTerms
			tx.s.terms.put(row.termsKey, row.runTerms)
		}
	}
	for _, r := range runs {
		r.runTerms = found[r.termsKey]
	}
	return nil
}
