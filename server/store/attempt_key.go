package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/store/database"
)

// jobKeysMax is how many keys of an attempt are good at once. Each claim of the attempt makes one: the first,
// one whose answer was lost, and each takeover. An older one may be in the Secret that the pod reads, so it
// stays good.
const jobKeysMax = 8

// JobKey describes the API keys of an attempt.
type JobKey struct {
	Hashes  []string // of the secrets that are good
	RunID   uuid.UUID
	RunName string
	Pool    string
	Active  bool // the attempt has not ended
}

func addJobKeysSQL(d database.Dialect) string {
	const hash = 64 // hexadecimal characters of a SHA-256
	return fmt.Sprintf(`
UPDATE attempts
SET job_key_hashes = n.hash || ' ' || SUBSTR(COALESCE(job_key_hashes, ''), 1, %d)
FROM `, (jobKeysMax-1)*(hash+1)-1) + d.Records("id uuid", "epoch bigint", "hash text") + ` AS n
WHERE attempts.id = n.id
	AND attempts.epoch = n.epoch
	AND attempts.ended_at IS NULL`
}

// createJobKeys makes a key for each attempt that was claimed. What is stored is its hash.
func (tx *Tx) createJobKeys(ctx context.Context, claims []Claim) error {
	type record struct {
		ID    uuid.UUID `json:"id"`
		Epoch int64     `json:"epoch"`
		Hash  string    `json:"hash"`
	}
	records := make([]record, len(claims))
	for i := range claims {
		key, err := apikey.NewJobKey(claims[i].AttemptID, rand.Reader)
		if err != nil {
			return err
		}
		claims[i].JobKey = key
		records[i] = record{ID: claims[i].AttemptID, Epoch: claims[i].Epoch, Hash: key.Hash()}
	}
	if err := database.ExecList(ctx, tx.db, addJobKeysSQL(tx.db.Dialect()), records); err != nil {
		return fmt.Errorf("store the hashes of job keys: %w", err)
	}
	return nil
}

const jobKeySQL = `
SELECT COALESCE(a.job_key_hashes, '') AS hashes, a.run_id, r.name AS run_name, p.name AS pool, a.ended_at
FROM attempts a
JOIN runs r ON r.id = a.run_id
JOIN pools p ON p.id = a.pool_id
WHERE a.id = ?`

// GetJobKey returns the description of an attempt's API keys.
func (q Reader) GetJobKey(ctx context.Context, attempt uuid.UUID) (*JobKey, error) {
	var row struct {
		Hashes  string         `db:"hashes"`
		RunID   uuid.UUID      `db:"run_id"`
		RunName string         `db:"run_name"`
		Pool    string         `db:"pool"`
		EndedAt *database.Time `db:"ended_at"`
	}
	if err := q.db.Get(ctx, &row, jobKeySQL, attempt); err != nil {
		return nil, database.NotFoundError(err, "attempt %s", attempt)
	}
	return &JobKey{
		Hashes: strings.Fields(row.Hashes), RunID: row.RunID, RunName: row.RunName, Pool: row.Pool,
		Active: row.EndedAt == nil,
	}, nil
}
