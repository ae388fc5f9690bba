package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

// SigningKey is a key that signs run tokens. Keys follow each other: one signs from SignsFrom until the next
// one does.
type SigningKey struct {
	ID         string // the kid of its tokens
	Algorithm  string
	PublicKey  json.RawMessage // a JSON Web Key
	PrivateKey string          // encrypted; see package issuer
	CreatedAt  time.Time
	SignsFrom  time.Time
}

type signingKeyRow struct {
	ID         string        `db:"id"`
	Algorithm  string        `db:"algorithm"`
	PublicKey  database.JSON `db:"public_key"`
	PrivateKey string        `db:"private_key"`
	CreatedAt  database.Time `db:"created_at"`
	SignsFrom  database.Time `db:"signs_from"`
}

// There are a handful of rows.
const listSigningKeysSQL = `
SELECT id, algorithm, public_key, private_key, created_at, signs_from
FROM signing_keys
ORDER BY signs_from DESC, id DESC`

// ListSigningKeys lists the signing keys, the one that signs last first.
func (q Reader) ListSigningKeys(ctx context.Context) ([]SigningKey, error) {
	var rows []signingKeyRow
	if err := q.db.All(ctx, &rows, listSigningKeysSQL); err != nil {
		return nil, fmt.Errorf("list signing keys: %w", err)
	}
	keys := make([]SigningKey, len(rows))
	for i, r := range rows {
		keys[i] = SigningKey{
			ID: r.ID, Algorithm: r.Algorithm, PublicKey: r.PublicKey.Raw(), PrivateKey: r.PrivateKey,
			CreatedAt: r.CreatedAt.Time(), SignsFrom: r.SignsFrom.Time(),
		}
	}
	return keys, nil
}

const lockSigningKeysSQL = `
SELECT id
FROM installation`

// LockSigningKeys lists the signing keys and keeps other servers from changing them until the transaction
// ends. The lock is on the installation's row, because there may be no key yet.
func (tx *Tx) LockSigningKeys(ctx context.Context) ([]SigningKey, error) {
	var id string
	if err := tx.db.Get(ctx, &id, lockSigningKeysSQL+tx.db.Dialect().Lock("FOR NO KEY UPDATE")); err != nil {
		return nil, fmt.Errorf("lock signing keys: %w", err)
	}
	return tx.ListSigningKeys(ctx)
}

const insertSigningKeySQL = `
INSERT INTO signing_keys (id, algorithm, public_key, private_key, created_at, signs_from)
VALUES (?, ?, ?, ?, ?, ?)`

// CreateSigningKey stores a signing key.
func (tx *Tx) CreateSigningKey(ctx context.Context, k SigningKey, actor string) error {
	_, err := tx.db.Exec(ctx, insertSigningKeySQL, k.ID, k.Algorithm, database.JSON(k.PublicKey), k.PrivateKey,
		truncated(k.CreatedAt), truncated(k.SignsFrom))
	if err != nil {
		return fmt.Errorf("create signing key %s: %w", k.ID, err)
	}
	return tx.audit(ctx, AuditEntry{
		Actor: actor, Action: AuditCreate, Kind: AuditSigningKey, Name: k.ID,
		Detail: "signs run tokens from " + k.SignsFrom.UTC().Format(time.RFC3339),
	})
}

const deleteSigningKeySQL = `
DELETE FROM signing_keys
WHERE id = ?`

// DeleteSigningKey removes a signing key: nothing that it signed verifies any longer. reason completes the
// audit entry.
func (tx *Tx) DeleteSigningKey(ctx context.Context, id, reason, actor string) error {
	n, err := tx.db.Exec(ctx, deleteSigningKeySQL, id)
	if err != nil {
		return fmt.Errorf("delete signing key %s: %w", id, err)
	}
	if n == 0 {
		return &Error{Code: NotFound, Message: fmt.Sprintf("signing key %s does not exist", id)}
	}
	return tx.audit(ctx, AuditEntry{
		Actor: actor, Action: AuditDelete, Kind: AuditSigningKey, Name: id, Detail: reason,
	})
}
