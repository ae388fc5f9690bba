package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

// TrustRule says whose tokens of another issuer are exchanged for short-lived API keys. What its fields mean is up
// to package trust.
type TrustRule struct {
	Name        string
	Version     int32 // counts changes from 1
	Description string
	Issuer      string
	Audience    string
	Claims      map[string][]string // patterns by claim
	Bindings    []Binding
	Lifetime    time.Duration // of a key, in whole seconds
	SingleUse   bool          // each token is exchanged once
	Keys        json.RawMessage
	Authorities string // PEM
	CreatedAt   time.Time
	CreatedBy   string
	UpdatedAt   time.Time
	UpdatedBy   string
}

type trustRuleRow struct {
	Name            string                                   `db:"name"`
	Version         int32                                    `db:"version"`
	Description     string                                   `db:"description"`
	Issuer          string                                   `db:"issuer"`
	Audience        string                                   `db:"audience"`
	Claims          database.Structured[map[string][]string] `db:"claims"`
	Bindings        database.Structured[[]storedBinding]     `db:"bindings"`
	LifetimeSeconds int64                                    `db:"lifetime_seconds"`
	SingleUse       bool                                     `db:"single_use"`
	Keys            string                                   `db:"keys"`
	Authorities     string                                   `db:"authorities"`
	CreatedAt       database.Time                            `db:"created_at"`
	CreatedBy       string                                   `db:"created_by"`
	UpdatedAt       database.Time                            `db:"updated_at"`
	UpdatedBy       string                                   `db:"updated_by"`
}

func (r trustRuleRow) rule() TrustRule {
	rule := TrustRule{
		Name: r.Name, Version: r.Version, Description: r.Description, Issuer: r.Issuer, Audience: r.Audience,
		Claims: r.Claims.V, Lifetime: time.Duration(r.LifetimeSeconds) * time.Second, SingleUse: r.SingleUse,
		Authorities: r.Authorities, CreatedAt: r.CreatedAt.Time(), CreatedBy: r.CreatedBy,
		UpdatedAt: r.UpdatedAt.Time(), UpdatedBy: r.UpdatedBy,
	}
	if r.Keys != "" {
		rule.Keys = json.RawMessage(r.Keys)
	}
	for _, b := range r.Bindings.V {
		if b.DeletedPool != nil {
			continue // as for keys: the rule did not mean the pool that has the name now
		}
		rule.Bindings = append(rule.Bindings, b.binding())
	}
	return rule
}

const trustRuleSQL = `
SELECT name, version, description, issuer, audience, claims, bindings, lifetime_seconds, single_use, keys,
	authorities, created_at, created_by, updated_at, updated_by
FROM trust_rules`

// GetTrustRule returns a trust rule.
func (q Reader) GetTrustRule(ctx context.Context, name string) (*TrustRule, error) {
	return q.trustRule(ctx, name, "")
}

func (q Reader) trustRule(ctx context.Context, name, lock string) (*TrustRule, error) {
	var row trustRuleRow
	if err := q.db.Get(ctx, &row, trustRuleSQL+" WHERE name = ?"+lock, name); err != nil {
		return nil, database.NotFoundError(err, "trust rule %q", name)
	}
	rule := row.rule()
	return &rule, nil
}

// ListTrustRules lists the trust rules of an issuer by name, or all of them for "". Served by trust_rules_issuer.
func (q Reader) ListTrustRules(ctx context.Context, issuer string) ([]TrustRule, error) {
	var c conditions
	if issuer != "" {
		c.add("issuer = ?", issuer)
	}
	var rows []trustRuleRow
	if err := q.db.All(ctx, &rows, trustRuleSQL+c.sql()+" ORDER BY name", c.args...); err != nil {
		return nil, fmt.Errorf("list trust rules: %w", err)
	}
	rules := make([]TrustRule, len(rows))
	for i, r := range rows {
		rules[i] = r.rule()
	}
	return rules, nil
}

// maxTrustRules bounds what an exchange looks through.
const maxTrustRules = 500

const (
	upsertTrustRuleSQL = `
INSERT INTO trust_rules (name, version, description, issuer, audience, claims, bindings, lifetime_seconds,
	single_use, keys, authorities, created_at, created_by, updated_at, updated_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE
SET version = excluded.version,
	description = excluded.description,
	issuer = excluded.issuer,
	audience = excluded.audience,
	claims = excluded.claims,
	bindings = excluded.bindings,
	lifetime_seconds = excluded.lifetime_seconds,
	single_use = excluded.single_use,
	keys = excluded.keys,
	authorities = excluded.authorities,
	updated_at = excluded.updated_at,
	updated_by = excluded.updated_by`
	countTrustRulesSQL = `
SELECT COUNT(*)
FROM trust_rules`
)

// UpsertTrustRule creates or replaces a trust rule and returns it, with the number of keys that were revoked. Any
// change but that of the description revokes the keys that the rule has made: whoever still fits gets a new one.
func (tx *Tx) UpsertTrustRule(ctx context.Context, r TrustRule, actor string) (*TrustRule, int, error) {
	count, err := tx.lockTrustRules(ctx)
	if err != nil {
		return nil, 0, err
	}
	before, err := tx.GetTrustRule(ctx, r.Name)
	switch {
	case IsCode(err, NotFound) && count >= maxTrustRules:
		return nil, 0, &Error{
			Code: Conflict, Message: fmt.Sprintf("there are %d trust rules already; delete some first", count),
		}
	case IsCode(err, NotFound):
		before = &TrustRule{}
	case err != nil:
		return nil, 0, err
	case sameTrust(*before, r) && before.Description == r.Description:
		return before, 0, nil
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, 0, err
	}
	r.Version, r.CreatedAt, r.CreatedBy, r.UpdatedAt, r.UpdatedBy = before.Version+1, now, actor, now, actor
	if before.Version > 0 {
		r.CreatedAt, r.CreatedBy = before.CreatedAt, before.CreatedBy
	}
	if err := tx.writeTrustRule(ctx, r); err != nil {
		return nil, 0, err
	}
	if err := tx.trustRuleChanged(ctx, *before, r, actor); err != nil {
		return nil, 0, err
	}
	if before.Version == 0 || sameTrust(*before, r) {
		return &r, 0, nil
	}
	revoked, err := tx.revokeKeys(ctx, KeyFilter{Rule: r.Name, LiveAt: now}.conditions(), actor,
		"its trust rule has changed")
	return &r, len(revoked), err
}

// lockTrustRules excludes other changes and returns the number of rules.
func (tx *Tx) lockTrustRules(ctx context.Context) (int, error) {
	var id string
	if err := tx.db.Get(ctx, &id, lockInstallationSQL+tx.db.Dialect().Lock("FOR NO KEY UPDATE")); err != nil {
		return 0, fmt.Errorf("lock trust rules: %w", err)
	}
	var count int
	if err := tx.db.Get(ctx, &count, countTrustRulesSQL); err != nil {
		return 0, fmt.Errorf("count trust rules: %w", err)
	}
	return count, nil
}

func (tx *Tx) writeTrustRule(ctx context.Context, r TrustRule) error {
	bindings, err := encodeBindings(r.Bindings)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(ctx, upsertTrustRuleSQL, r.Name, r.Version, database.CleanText(r.Description), r.Issuer,
		r.Audience, database.Structured[map[string][]string]{V: r.Claims}, bindings, int64(r.Lifetime/time.Second),
		r.SingleUse, string(r.Keys), r.Authorities, r.CreatedAt, r.CreatedBy, r.UpdatedAt, r.UpdatedBy)
	if err != nil {
		return fmt.Errorf("save trust rule %q: %w", r.Name, err)
	}
	return nil
}

// UpsertTrustRule runs Tx.UpsertTrustRule in a transaction.
func (s *Store) UpsertTrustRule(ctx context.Context, r TrustRule, actor string) (*TrustRule, int, error) {
	var revoked int
	saved, err := inTx(ctx, s, func(tx *Tx) (saved *TrustRule, err error) {
		saved, revoked, err = tx.UpsertTrustRule(ctx, r, actor)
		return saved, err
	})
	return saved, revoked, err
}

// sameTrust reports whether two rules trust the same tokens with the same.
func sameTrust(a, b TrustRule) bool {
	sameTokens := a.Issuer == b.Issuer && a.Audience == b.Audience && a.SingleUse == b.SingleUse &&
		string(a.Keys) == string(b.Keys) && a.Authorities == b.Authorities &&
		maps.EqualFunc(a.Claims, b.Claims, slices.Equal[[]string])
	return sameTokens && a.Lifetime == b.Lifetime && slices.Equal(a.Bindings, b.Bindings)
}

const deleteTrustRuleSQL = `
DELETE FROM trust_rules
WHERE name = ?`

// DeleteTrustRule deletes a trust rule, revokes the keys that it has made, and returns how many.
func (tx *Tx) DeleteTrustRule(ctx context.Context, name, actor string) (int, error) {
	n, err := tx.db.Exec(ctx, deleteTrustRuleSQL, name)
	if err != nil {
		return 0, fmt.Errorf("delete trust rule %q: %w", name, err)
	}
	if n == 0 {
		return 0, &Error{Code: NotFound, Message: fmt.Sprintf("trust rule %q does not exist", name)}
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return 0, err
	}
	revoked, err := tx.revokeKeys(ctx, KeyFilter{Rule: name, LiveAt: now}.conditions(), actor,
		"its trust rule was deleted")
	if err != nil {
		return 0, err
	}
	return len(revoked), tx.audit(ctx, AuditEntry{
		Actor: actor, Action: AuditDelete, Kind: AuditTrustRule, Name: name,
		Detail: fmt.Sprintf("with %d keys", len(revoked)),
	})
}

// DeleteTrustRule runs Tx.DeleteTrustRule in a transaction.
func (s *Store) DeleteTrustRule(ctx context.Context, name, actor string) (int, error) {
	return inTx(ctx, s, func(tx *Tx) (int, error) { return tx.DeleteTrustRule(ctx, name, actor) })
}

// trustRuleChanged audits a trust rule. None of its fields is secret; long ones are digests.
func (tx *Tx) trustRuleChanged(ctx context.Context, before, after TrustRule, actor string) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	action := AuditUpdate
	if before.Version == 0 {
		action = AuditCreate
	}
	d.field("description", valueOrNil(before.Description), valueOrNil(after.Description)).
		field("issuer", valueOrNil(before.Issuer), after.Issuer).
		field("audience", valueOrNil(before.Audience), after.Audience).
		field("claims", mapOrNil(before.Claims), after.Claims).
		field("bindings", listOrNil(bindingNames(before.Bindings)), bindingNames(after.Bindings)).
		field("lifetime", durationOrNil(before.Lifetime), after.Lifetime.String()).
		field("single_use", valueOrNil(before.SingleUse), valueOrNil(after.SingleUse)).
		field("keys", rawValue(before.Keys), rawValue(after.Keys)).
		field("authorities", valueOrNil(before.Authorities), valueOrNil(after.Authorities))
	return tx.auditChanges(ctx, d,
		AuditEntry{Actor: actor, Action: action, Kind: AuditTrustRule, Name: after.Name})
}

func mapOrNil(m map[string][]string) any {
	if len(m) == 0 {
		return nil
	}
	return m
}
