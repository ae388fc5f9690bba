package store

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

const (
	// The name of a key that is replaced becomes free, because names of valid keys are unique.
	replaceKeySQL = `
UPDATE api_keys
SET name = name || '-' || id,
	expires_at = ?
WHERE name = ?
	AND id <> ?
	AND revoked_at IS NULL
RETURNING ` + keyColumns
	ensureKeySQL = insertKeySQL + `
ON CONFLICT (id) DO UPDATE
SET name = excluded.name,
	bindings = excluded.bindings,
	secret_hash = excluded.secret_hash,
	expires_at = excluded.expires_at,
	configured = TRUE
WHERE api_keys.revoked_at IS NULL`
)

// UpsertKey makes a key valid under its name, for keys that the environment says are valid. Another key of that
// name stays valid for overlap, under its name and ID, so that its users can change over. A key that was revoked
// stays revoked: then UpsertKey changes nothing and fails with Conflict.
func (tx *Tx) UpsertKey(ctx context.Context, k Key, overlap time.Duration) error {
	bindings, err := encodeBindings(k.Bindings)
	if err != nil {
		return err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	current, err := tx.GetKey(ctx, k.ID)
	if err != nil && !IsCode(err, NotFound) {
		return err
	}
	if current != nil && current.RevokedAt != nil {
		return &Error{Code: Conflict, Message: fmt.Sprintf("API key %q (ID %s) was revoked at %s and stays revoked: "+
			"configure another key", current.Name, k.ID, current.RevokedAt.Format(time.RFC3339))}
	}
	if err := tx.replaceKey(ctx, k, now.Add(overlap)); err != nil {
		return err
	}
	stored, err := tx.db.Exec(ctx, ensureKeySQL, k.ID, k.Name, bindings, k.SecretHash, now, k.CreatedBy,
		database.TimeOf(k.ExpiresAt), true, "", "", "", "", "", "")
	if err != nil {
		return fmt.Errorf("ensure API key %q: %w", k.Name, err)
	}
	if stored == 0 {
		return &Error{Code: Conflict, Message: fmt.Sprintf("API key %q (ID %s) was revoked meanwhile", k.Name, k.ID)}
	}
	if current != nil && sameKey(*current, k) {
		return nil // as at every start
	}
	return tx.keyCreated(ctx, k)
}

// replaceKey lets another key with the name of k end at a time.
func (tx *Tx) replaceKey(ctx context.Context, k Key, end time.Time) error {
	var rows []keyRow
	if err := tx.db.All(ctx, &rows, replaceKeySQL, end, k.Name, k.ID); err != nil {
		return fmt.Errorf("replace API key %q: %w", k.Name, err)
	}
	for _, r := range rows {
		err := tx.audit(ctx, AuditEntry{
			Actor: k.CreatedBy, Action: AuditUpdate, Kind: AuditAPIKey, Name: r.Name,
			Detail: fmt.Sprintf("replaced by key %s, valid until %s", k.ID, end.Format(time.RFC3339)),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// UpsertKey runs Tx.UpsertKey in a transaction.
func (s *Store) UpsertKey(ctx context.Context, k Key, overlap time.Duration) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpsertKey(ctx, k, overlap) })
}
