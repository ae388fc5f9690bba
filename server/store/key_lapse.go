package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// The roles of a key in a pool end with the pool: a new pool of the same name is another pool, whose owner has not
// given them. They are not touched when the pool is deleted, so that a worker can end what it holds there, but
// marked with the pool's ID when the name is used again; a restored pool gets them back. A key that was made after
// the deletion names the pool to come. Keys of the server's configuration go by the name.

const lastDeletedPoolSQL = `
SELECT
	p.id, p.deleted_at,
	EXISTS (SELECT 1 FROM live l WHERE l.pool_id = p.id) AS busy
FROM pools p
WHERE p.name = ?
	AND p.deleted_at IS NOT NULL
ORDER BY p.deleted_at DESC, p.id DESC
LIMIT 1`

// lapseKeys marks the roles that keys have in the pool of a name that was deleted last.
func (tx *Tx) lapseKeys(ctx context.Context, name, actor string) error {
	var pool struct {
		ID        uuid.UUID     `db:"id"`
		DeletedAt database.Time `db:"deleted_at"`
		Busy      bool          `db:"busy"`
	}
	err := tx.db.Get(ctx, &pool, lastDeletedPoolSQL, name)
	if errors.Is(err, database.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find earlier work pools %q: %w", name, err)
	}

	// A key that an older trust rule has made is as old as the rule.
	return tx.changeBindings(ctx, keyChange{
		where: " AND NOT configured AND (created_at < ? OR trust_rule IN (SELECT name FROM trust_rules WHERE updated_at < ?))",
		args:  []any{pool.DeletedAt, pool.DeletedAt}, rules: " WHERE updated_at < ?", rulesArgs: []any{pool.DeletedAt},
		change: func(b *storedBinding) bool {
			// The worker of a pool that is not cleared yet has attempts to end.
			applies := b.Pool != nil && *b.Pool == name && b.DeletedPool == nil && !(pool.Busy && b.Role == workerRole)
			if applies {
				b.DeletedPool = &pool.ID
			}
			return applies
		},
		detail: fmt.Sprintf("its roles in the deleted work pool %q do not count in a new one", name), pool: name,
	}, actor)
}

// workerRole is the role of workers in a Binding.
const workerRole = "worker"

// restoreKeys gives keys the roles back that they had in a pool, under the name that the pool has now.
func (tx *Tx) restoreKeys(ctx context.Context, id uuid.UUID, name, actor string) error {
	return tx.changeBindings(ctx, keyChange{
		change: func(b *storedBinding) bool {
			applies := b.DeletedPool != nil && *b.DeletedPool == id
			if applies {
				b.DeletedPool, b.Pool = nil, &name
			}
			return applies
		},
		detail: fmt.Sprintf("its roles in the restored work pool %q count again", name), pool: name,
	}, actor)
}

// keyChange is a change of the bindings of many keys.
type keyChange struct {
	where     string // of the keys that may be concerned
	args      []any
	rules     string // the same of the trust rules
	rulesArgs []any
	change    func(*storedBinding) bool // returns whether it changed the binding
	// detail and pool are for the audit.
	detail, pool string
}

const (
	boundKeysSQL = `
SELECT id, name, bindings
FROM api_keys
WHERE revoked_at IS NULL`
	rebindKeySQL = `
UPDATE api_keys
SET bindings = ?
WHERE id = ?`
)

// changeBindings reads all keys that are not revoked. There are not many, and pools are seldom created twice.
func (tx *Tx) changeBindings(ctx context.Context, c keyChange, actor string) error {
	var keys []struct {
		ID       string                               `db:"id"`
		Name     string                               `db:"name"`
		Bindings database.Structured[[]storedBinding] `db:"bindings"`
	}
	if err := tx.db.All(ctx, &keys, boundKeysSQL+c.where+" ORDER BY id"+tx.db.Dialect().Lock("FOR UPDATE"), c.args...); err != nil {
		return fmt.Errorf("read the API keys of work pool %q: %w", c.pool, err)
	}
	for _, key := range keys {
		changed := false
		for i := range key.Bindings.V {
			changed = c.change(&key.Bindings.V[i]) || changed
		}
		if !changed {
			continue
		}
		if _, err := tx.db.Exec(ctx, rebindKeySQL, key.Bindings, key.ID); err != nil {
			return fmt.Errorf("change the roles of API key %q: %w", key.Name, err)
		}
		err := tx.audit(ctx, AuditEntry{
			Actor: actor, Action: AuditUpdate, Kind: AuditAPIKey, Name: key.Name, Pool: c.pool, Detail: c.detail,
		})
		if err != nil {
			return err
		}
	}
	return tx.changeTrustBindings(ctx, c, actor)
}
