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
	ID   uuid.UUID `json:"id"`
	Hash string    `json:"hash"`
}

func addJobKeysSQL(d database.Dialect) string {
	const hash = 64 // hexadecimal characters of a SHA-256
	return fmt.Sprintf(`
UPDATE live
SET job_key_hashes = n.hash || ' ' || SUBSTR(COALESCE(job_key_hashes, ''), 1, %d)
FROM `, (jobKeysMax-1)*(hash+1)-1) + database.RecordsOf[jobKeyRecord](d) + ` AS n
WHERE live.attempt_id = n.id`
}

// newJobKey makes a key for an attempt of the answer and returns its hash, which is what is stored; nil where the claim
// asks for none.
func (g *claimResult) newJobKey(r ClaimRequest, attempt uuid.UUID) (*string, error) {
	if !r.JobKeys {
		return nil, nil
	}
	key, err := apikey.NewJobKey(attempt, rand.Reader)
	if err != nil {
		return nil, err
	}
	g.keys[attempt] = key
	hash := key.Hash()
	return &hash, nil
}

// addJobKeys makes another key for each attempt of the answer that was claimed before: it was taken over, or the answer
// was lost.
func (tx *Tx) addJobKeys(ctx context.Context, r ClaimRequest, result *claimResult) error {
	var records []jobKeyRecord
	for _, a := range result.attempts {
		if _, has := result.keys[a.AttemptID]; has {
			continue
		}
		hash, err := result.newJobKey(r, a.AttemptID)
		if err != nil {
			return err
		}
		if hash != nil {
			records = append(records, jobKeyRecord{ID: a.AttemptID, Hash: *hash})
		}
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
