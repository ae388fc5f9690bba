package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

type keyRow struct {
	ID           string         `db:"id"`
	Name         string         `db:"name"`
	Bindings     database.JSON  `db:"bindings"`
	SecretHash   string         `db:"secret_hash"`
	CreatedAt    database.Time  `db:"created_at"`
	CreatedBy    string         `db:"created_by"`
	ExpiresAt    *database.Time `db:"expires_at"`
	LastUsedAt   *database.Time `db:"last_used_at"`
	RevokedAt    *database.Time `db:"revoked_at"`
	Owner        string         `db:"owner"`
	OwnerKind    ActorKind      `db:"owner_kind"`
	OwnerID      string         `db:"owner_id"`
	TrustRule    string         `db:"trust_rule"`
	TokenIssuer  string         `db:"token_issuer"`
	TokenSubject string         `db:"token_subject"`
}

func (r keyRow) key() (Key, error) {
	k := Key{
		ID: r.ID, Name: r.Name, SecretHash: r.SecretHash, CreatedAt: r.CreatedAt.Time(), CreatedBy: r.CreatedBy,
		ExpiresAt: r.ExpiresAt.Ptr(), LastUsedAt: r.LastUsedAt.Ptr(), RevokedAt: r.RevokedAt.Ptr(),
		Owner: KeyOwner{Name: r.Owner, Kind: r.OwnerKind, ID: r.OwnerID},
		Token: TokenIdentity{Rule: r.TrustRule, Issuer: r.TokenIssuer, Subject: r.TokenSubject},
	}
	var stored []storedBinding
	if err := json.Unmarshal(r.Bindings, &stored); err != nil {
		return k, fmt.Errorf("read the bindings of API key %s: %w", r.ID, err)
	}
	for _, b := range stored {
		if b.DeletedPool != nil {
			k.Lapsed = append(k.Lapsed, b.binding())
			continue
		}
		k.Bindings = append(k.Bindings, b.binding())
	}
	return k, nil
}

const (
	keyColumns = `id, name, bindings, secret_hash, created_at, created_by, expires_at, last_used_at, revoked_at, owner,
	owner_kind, owner_id, trust_rule, token_issuer, token_subject`
	keySQL = "SELECT " + keyColumns + " FROM api_keys"
)

// GetKey returns an API key, also one that is revoked or expired.
func (q Reader) GetKey(ctx context.Context, id string) (*Key, error) {
	var row keyRow
	if err := q.db.Get(ctx, &row, keySQL+" WHERE id = ?", id); err != nil {
		return nil, database.NotFoundError(err, "API key %q", id)
	}
	k, err := row.key()
	return &k, err
}

// KeyFilter narrows a list of keys; empty fields do not.
type KeyFilter struct {
	Owner string // its name or ID
	Rule  string // of trust, whose keys these are
	// LiveAt leaves out the keys of trust rules that have expired or were revoked by then. There can be thousands.
	LiveAt time.Time
}

func (f KeyFilter) conditions() conditions {
	var c conditions
	if f.Owner != "" {
		c.add("(owner = ? OR owner_id = ?)", f.Owner, f.Owner)
	}
	if f.Rule != "" {
		c.add("trust_rule = ?", f.Rule)
	}
	if !f.LiveAt.IsZero() {
		c.add("(trust_rule = '' OR (revoked_at IS NULL AND expires_at > ?))", truncated(f.LiveAt))
	}
	return c
}

// ListKeys lists API keys by name, revoked ones too.
func (q Reader) ListKeys(ctx context.Context, f KeyFilter) ([]Key, error) {
	var rows []keyRow
	c := f.conditions()
	if err := q.db.All(ctx, &rows, keySQL+c.sql()+" ORDER BY name, created_at, id", c.args...); err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	return keysOf(rows)
}

func keysOf(rows []keyRow) ([]Key, error) {
	keys := make([]Key, len(rows))
	for i, r := range rows {
		var err error
		if keys[i], err = r.key(); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

const insertKeySQL = `
INSERT INTO api_keys (
	id, name, bindings, secret_hash, created_at, created_by, expires_at, revoked_by, configured, owner, owner_kind,
	owner_id, trust_rule, token_issuer, token_subject
)
VALUES (?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?)`

// CreateKey stores an API key. Two that are not revoked cannot have the same name.
func (tx *Tx) CreateKey(ctx context.Context, k Key) error {
	bindings, err := encodeBindings(k.Bindings)
	if err != nil {
		return err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(ctx, insertKeySQL+" ON CONFLICT DO NOTHING", k.ID, k.Name, bindings,
		k.SecretHash, now, k.CreatedBy, database.TimeOf(k.ExpiresAt), false, k.Owner.Name, k.Owner.Kind, k.Owner.ID,
		k.Token.Rule, k.Token.Issuer, k.Token.Subject)
	if err != nil {
		return fmt.Errorf("create API key %q: %w", k.Name, err)
	}
	stored, err := tx.GetKey(ctx, k.ID)
	if IsCode(err, NotFound) || err == nil && stored.SecretHash != k.SecretHash {
		return &Error{Code: AlreadyExists, Message: fmt.Sprintf("an API key named %q already exists", k.Name)}
	}
	if err != nil {
		return err
	}
	return tx.keyCreated(ctx, k)
}

// CreateKey runs Tx.CreateKey in a transaction.
func (s *Store) CreateKey(ctx context.Context, k Key) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.CreateKey(ctx, k) })
}

// storedBinding is the stored form of a Binding. Its pool is null for all pools: the name of a pool can never
// mean all of them.
type storedBinding struct {
	Role string  `json:"role"`
	Pool *string `json:"pool"`
	// DeletedPool is the pool that was deleted before another one got its name; nil: the role counts.
	DeletedPool *uuid.UUID `json:"deleted_pool,omitempty"`
}

func (b storedBinding) binding() Binding {
	if b.Pool == nil {
		return Binding{Role: b.Role, Pool: AllPools}
	}
	return Binding{Role: b.Role, Pool: *b.Pool}
}

func encodeBindings(bindings []Binding) (database.JSON, error) {
	stored := make([]storedBinding, len(bindings))
	for i, b := range bindings {
		stored[i].Role = b.Role
		if b.Pool != AllPools {
			stored[i].Pool = &b.Pool
		}
	}
	return json.Marshal(stored)
}

const revokeKeysSQL = `
UPDATE api_keys
SET revoked_at = ?,
	revoked_by = ?`

// revokeKeys revokes keys from now on and returns them. why completes the audit entries.
func (tx *Tx) revokeKeys(ctx context.Context, c conditions, actor, why string) ([]Key, error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	c.add("revoked_at IS NULL")
	var rows []keyRow
	query := revokeKeysSQL + c.sql() + " RETURNING " + keyColumns
	if err := tx.db.All(ctx, &rows, query, append([]any{now, actor}, c.args...)...); err != nil {
		return nil, fmt.Errorf("revoke API keys: %w", err)
	}
	keys, err := keysOf(rows)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		err := tx.audit(ctx, AuditEntry{
			Actor: actor, Action: AuditDelete, Kind: AuditAPIKey, Name: k.Name,
			Detail: joined("revoked key "+k.ID, why),
		})
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// RevokeKey revokes a key by id or name. It returns what was revoked: the name of one key can be the id of
// another.
func (tx *Tx) RevokeKey(ctx context.Context, idOrName, actor string) ([]Key, error) {
	var c conditions
	c.add("(id = ? OR name = ?)", idOrName, idOrName)
	keys, err := tx.revokeKeys(ctx, c, actor, "")
	if err == nil && len(keys) == 0 {
		err = &Error{Code: NotFound, Message: fmt.Sprintf("API key %q does not exist", idOrName)}
	}
	return keys, err
}

// RevokeKey runs Tx.RevokeKey in a transaction.
func (s *Store) RevokeKey(ctx context.Context, idOrName, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.RevokeKey(ctx, idOrName, actor)
		return err
	})
}

// RevokeKeysOf revokes all keys of an owner, by name or ID, and returns how many.
func (s *Store) RevokeKeysOf(ctx context.Context, owner, actor string) (int, error) {
	return inTx(ctx, s, func(tx *Tx) (int, error) {
		keys, err := tx.revokeKeys(ctx, KeyFilter{Owner: owner}.conditions(), actor, "as a key of "+owner)
		return len(keys), err
	})
}

const touchKeySQL = `
UPDATE api_keys
SET last_used_at = ?
WHERE id = ?
	AND (last_used_at IS NULL OR last_used_at < ?)`

// UpdateKeyLastUsed remembers when a key was last used. Callers do so now and then, not with every request.
func (tx *Tx) UpdateKeyLastUsed(ctx context.Context, id string, at time.Time) error {
	at = truncated(at)
	if _, err := tx.db.Exec(ctx, touchKeySQL, at, id, at); err != nil {
		return fmt.Errorf("record the use of API key %q: %w", id, err)
	}
	return nil
}

// UpdateKeyLastUsed runs Tx.UpdateKeyLastUsed in a transaction.
func (s *Store) UpdateKeyLastUsed(ctx context.Context, id string, at time.Time) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpdateKeyLastUsed(ctx, id, at) })
}
