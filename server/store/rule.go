package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// Rule is a rule that the Jobs of a pool, or of the whole installation, must comply with. What its fields mean
// is up to package templating/rule.
type Rule struct {
	Name              string          `json:"name"`
	Description       string          `json:"description,omitempty"`
	Expression        string          `json:"expression"`
	Message           string          `json:"message,omitempty"`
	MessageExpression string          `json:"message_expression,omitempty"`
	Action            string          `json:"action"`
	Params            json.RawMessage `json:"params,omitempty"`
	From              string          `json:"from,omitempty"`
}

// RuleSet is one immutable version of the rules of a pool, or of the installation. Versions count from 1.
type RuleSet struct {
	ID        uuid.UUID
	Pool      string // empty: the installation
	Version   int32
	Rules     []Rule
	CreatedAt time.Time
	CreatedBy string
}

type ruleSetRow struct {
	ID        uuid.UUID                   `db:"id"`
	Pool      string                      `db:"pool"`
	Version   int32                       `db:"version"`
	Rules     database.Structured[[]Rule] `db:"rules"`
	CreatedAt database.Time               `db:"created_at"`
	CreatedBy string                      `db:"created_by"`
}

func (r ruleSetRow) set() RuleSet {
	return RuleSet{
		ID: r.ID, Pool: r.Pool, Version: r.Version, Rules: r.Rules.V,
		CreatedAt: r.CreatedAt.Time(), CreatedBy: r.CreatedBy,
	}
}

const (
	ruleSetSQL = `
SELECT s.id, COALESCE(p.name, '') AS pool, s.version, s.rules, s.created_at, s.created_by
FROM rule_sets s
LEFT JOIN pools p ON p.id = s.pool_id`
	// Served by rule_sets_current and rule_sets_installation.
	poolRuleSetSQL         = ruleSetSQL + " WHERE p.name = ? AND p.deleted_at IS NULL AND s.is_current"
	installationRuleSetSQL = ruleSetSQL + " WHERE s.pool_id IS NULL AND s.is_current"
	ruleSetByIDSQL         = ruleSetSQL + " WHERE s.id = ?"
)

// GetRuleSet returns the rules of a pool, or of the installation for "". A pool without rules has an empty set
// of version 0.
func (q Reader) GetRuleSet(ctx context.Context, pool string) (*RuleSet, error) {
	query, args := installationRuleSetSQL, []any{}
	if pool != "" {
		if _, err := q.poolRef(ctx, pool); err != nil {
			return nil, err
		}
		query, args = poolRuleSetSQL, []any{pool}
	}
	var rows []ruleSetRow
	if err := q.db.All(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("read the rules of %s: %w", ruleScope(pool), err)
	}
	if len(rows) == 0 {
		return &RuleSet{Pool: pool}, nil
	}
	set := rows[0].set()
	return &set, nil
}

// GetRuleSetByID returns a rule set, also one that is no longer current.
func (q Reader) GetRuleSetByID(ctx context.Context, id uuid.UUID) (*RuleSet, error) {
	var row ruleSetRow
	if err := q.db.Get(ctx, &row, ruleSetByIDSQL, id); err != nil {
		return nil, database.NotFoundError(err, "rule set %s", id)
	}
	set := row.set()
	return &set, nil
}

const currentRuleSetsSQL = `
SELECT id
FROM rule_sets
WHERE is_current
	AND rules <> '[]'
	AND (pool_id IS NULL OR pool_id = (SELECT id FROM pools WHERE name = ? AND deleted_at IS NULL))
ORDER BY pool_id IS NOT NULL`

// ListCurrentRuleSets returns the ids of the rule sets that count in a pool now: the installation's, then the
// pool's. Sets without rules are left out. Served by rule_sets_current.
func (q Reader) ListCurrentRuleSets(ctx context.Context, pool string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	if err := q.db.All(ctx, &ids, currentRuleSetsSQL, pool); err != nil {
		return nil, fmt.Errorf("list the rules of work pool %q: %w", pool, err)
	}
	return ids, nil
}

const (
	lockInstallationSQL = `
SELECT id
FROM installation`
	retireRuleSetSQL = `
UPDATE rule_sets
SET is_current = FALSE
WHERE id = ?`
	insertRuleSetSQL = `
INSERT INTO rule_sets (id, pool_id, version, is_current, rules, created_at, created_by)
VALUES (?, ?, ?, TRUE, ?, ?, ?)`
)

// UpdateRules changes the rules of a pool, or of the installation for "", and returns the set that counts then.
// A change that leaves the rules as they are makes no new set. Each rule that differs is audited.
func (tx *Tx) UpdateRules(
	ctx context.Context, pool string, change func([]Rule) ([]Rule, error), actor string,
) (*RuleSet, error) {
	poolID, err := tx.lockRules(ctx, pool)
	if err != nil {
		return nil, err
	}
	before, err := tx.GetRuleSet(ctx, pool)
	if err != nil {
		return nil, err
	}
	rules, err := change(slices.Clone(before.Rules))
	if err != nil {
		return nil, err
	}
	if slices.EqualFunc(before.Rules, rules, sameRule) {
		return before, nil
	}

	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("generate an ID: %w", err)
	}
	if rules == nil {
		rules = []Rule{}
	}
	if _, err := tx.db.Exec(ctx, retireRuleSetSQL, before.ID); err != nil {
		return nil, fmt.Errorf("save the rules of %s: %w", ruleScope(pool), err)
	}
	after := &RuleSet{
		ID: id, Pool: pool, Version: before.Version + 1, Rules: rules, CreatedAt: now, CreatedBy: actor,
	}
	_, err = tx.db.Exec(ctx, insertRuleSetSQL, id, poolID, after.Version,
		database.Structured[[]Rule]{V: rules}, now, actor)
	if err != nil {
		return nil, fmt.Errorf("save the rules of %s: %w", ruleScope(pool), err)
	}
	if err := tx.keepRules(ctx, poolID, before, after, actor); err != nil {
		return nil, err
	}
	return after, tx.rulesChanged(ctx, before, after, actor)
}

// keepRules notes the rules that a change deletes.
func (tx *Tx) keepRules(ctx context.Context, poolID *uuid.UUID, before, after *RuleSet, actor string) error {
	is := rulesByName(after.Rules)
	for _, r := range before.Rules {
		if _, stays := is[r.Name]; stays {
			continue
		}
		document, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("keep rule %q: %w", r.Name, err)
		}
		item := DeletedItem{
			Kind: DeletedRule, Name: r.Name, Pool: before.Pool, poolID: poolID, document: database.JSON(document),
		}
		if err := tx.keepDeleted(ctx, item, actor); err != nil {
			return err
		}
	}
	return nil
}

// UpdateRules runs Tx.UpdateRules in a transaction.
func (s *Store) UpdateRules(
	ctx context.Context, pool string, change func([]Rule) ([]Rule, error), actor string,
) (*RuleSet, error) {
	return inTx(ctx, s, func(tx *Tx) (*RuleSet, error) { return tx.UpdateRules(ctx, pool, change, actor) })
}

// lockRules excludes other changes of the same rules. It returns the id of the pool, nil for the installation.
func (tx *Tx) lockRules(ctx context.Context, pool string) (*uuid.UUID, error) {
	if pool != "" {
		p, err := tx.lockPoolRow(ctx, pool, poolForChange)
		return &p.ID, err
	}
	var id uuid.UUID
	if err := tx.db.Get(ctx, &id, lockInstallationSQL+tx.db.Dialect().Lock("FOR UPDATE")); err != nil {
		return nil, fmt.Errorf("lock the rules of the installation: %w", err)
	}
	return nil, nil
}

func ruleScope(pool string) string {
	if pool == "" {
		return "the installation"
	}
	return fmt.Sprintf("work pool %q", pool)
}

func sameRule(a, b Rule) bool {
	sameText := a.Name == b.Name && a.Description == b.Description && a.Expression == b.Expression &&
		a.Message == b.Message && a.MessageExpression == b.MessageExpression && a.Action == b.Action &&
		a.From == b.From
	return sameText && string(a.Params) == string(b.Params)
}

// RuleFacts are what rules need to know of a claimed run beside what the claim has.
type RuleFacts struct {
	RunID      uuid.UUID `db:"id"`
	CallerName string    `db:"created_by"`
	CallerKind string    `db:"caller_kind"`
	CallerRole string    `db:"caller_role"`
	// Retries is how often the deployment tries a run again.
	Retries int `db:"-"`
}

type ruleFactsRow struct {
	RuleFacts
	Policy database.Structured[retriesMax] `db:"retries"`
}

type retriesMax struct{ Max int }

const ruleFactsSQL = `
SELECT r.id, r.created_by, r.caller_kind, r.caller_role, v.retries
FROM runs r
JOIN deployment_revisions v ON v.id = r.revision_id
WHERE r.id IN `

// ListRuleFacts returns the facts of runs by their ids.
func (q Reader) ListRuleFacts(ctx context.Context, runs []uuid.UUID) (map[uuid.UUID]RuleFacts, error) {
	var rows []ruleFactsRow
	if err := q.db.All(ctx, &rows, ruleFactsSQL+q.db.Dialect().List("uuid"), database.ListOf(runs)); err != nil {
		return nil, fmt.Errorf("read the callers of runs: %w", err)
	}
	facts := make(map[uuid.UUID]RuleFacts, len(rows))
	for _, row := range rows {
		row.Retries = row.Policy.V.Max
		facts[row.RunID] = row.RuleFacts
	}
	return facts, nil
}
