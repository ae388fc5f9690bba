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

type jobKeyRecord struct {
	ID    uuid.UUID `json:"id"`
	Epoch int64     `json:"epoch"`
	Hash  string    `json:"hash"`
}

func addJobKeysSQL(d database.Dialect) string {
	const hash = 64 // hexadecimal characters of a SHA-256
	return fmt.Sprintf(`
UPDATE live
SET job_key_hashes = n.hash || ' ' || SUBSTR(COALESCE(job_key_hashes, ''), 1, %d)
FROM `, (jobKeysMax-1)*(hash+1)-1) + database.RecordsOf[jobKeyRecord](d) + ` AS n
WHERE live.attempt_id = n.id
	AND live.epoch = n.epoch`
}

// createJobKeys makes a key for each attempt that was claimed. What is stored is its hash.
func (tx *Tx) createJobKeys(ctx context.Context, claims []Claim) error {
	records := make([]jobKeyRecord, len(claims))
	for i := range claims {
		key, err := apikey.NewJobKey(claims[i].AttemptID, rand.Reader)
		if err != nil {
			return err
		}
		claims[i].JobKey = key
		records[i] = jobKeyRecord{ID: claims[i].AttemptID, Epoch: claims[i].Epoch, Hash: key.Hash()}
	}
	if err := database.ExecList(ctx, tx.db, addJobKeysSQL(tx.db.Dialect()), records); err != nil {
		return fmt.Errorf("store the hashes of job keys: %w", err)
	}
	return nil
}

const jobKeySQL = `
SELECT COALESCE(l.job_key_hashes, '') AS hashes, l.run_id, r.name AS run_name, p.name AS pool, TRUE AS active
FROM live l
JOIN runs r ON r.id = l.run_id
JOIN pools p ON p.id = l.pool_id
WHERE l.attempt_id = ?
UNION ALL
SELECT COALESCE(a.job_key_hashes, ''), a.run_id, r.name, p.name, FALSE
FROM attempts a
JOIN runs r ON r.id = a.run_id
JOIN pools p ON p.id = r.pool_id
WHERE a.id = ?`

// GetJobKey returns the description of an attempt's API keys.
func (q Reader) GetJobKey(ctx context.Context, attempt uuid.UUID) (*JobKey, error) {
	var row struct {
		Hashes  string    `db:"hashes"`
		RunID   uuid.UUID `db:"run_id"`
		RunName string    `db:"run_name"`
		Pool    string    `db:"pool"`
		Active  bool      `db:"active"`
	}
	if err := q.db.Get(ctx, &row, jobKeySQL, attempt, attempt); err != nil {
		return nil, database.NotFoundError(err, "attempt %s", attempt)
	}
	return &JobKey{
		Hashes: strings.Fields(row.Hashes), RunID: row.RunID, RunName: row.RunName, Pool: row.Pool,
		Active: row.Active,
	}, nil
}
