package store

import (
	"context"
	"fmt"
	"time"
)

// Codes of a refused exchange.
const (
	// TokenUsed: the rule accepts each token once, and this one was exchanged before.
	TokenUsed Code = "token-used"
	// TooManyKeys: a trust rule has made as many keys as can be valid at a time.
	TooManyKeys Code = "too-many-keys"
)

// maxTrustKeys bounds the valid keys of one trust rule.
const maxTrustKeys = 1000

// NewTrustKey is a key for a token that a trust rule accepts.
type NewTrustKey struct {
	Key  Key
	Rule TrustRule // as it accepted the token
	// Digest identifies the token until Expires.
	Digest  string
	Expires time.Time
}

const (
	useTokenSQL = `
INSERT INTO exchanged_tokens (digest, expires_at)
VALUES (?, ?)
ON CONFLICT DO NOTHING`
	countTrustKeysSQL = `
SELECT COUNT(*)
FROM api_keys`
)

// CreateTrustKey stores a key that is exchanged for a token. The error is Conflict if the rule has changed since
// it accepted the token, TokenUsed or TooManyKeys.
func (tx *Tx) CreateTrustKey(ctx context.Context, n NewTrustKey) error {
	// The lock lasts until the commit: a change of the rule waits, and then revokes this key.
	rule, err := tx.trustRule(ctx, n.Rule.Name, tx.db.Dialect().Lock("FOR SHARE"))
	if err != nil {
		return err
	}
	if rule.Version != n.Rule.Version {
		return &Error{Code: Conflict, Message: fmt.Sprintf("trust rule %q has changed; try again", rule.Name)}
	}
	if rule.SingleUse {
		used, err := tx.db.Exec(ctx, useTokenSQL, n.Digest, truncated(n.Expires))
		if err != nil {
			return fmt.Errorf("record the exchange of a token: %w", err)
		}
		if used == 0 {
			return &Error{Code: TokenUsed, Message: "this token was exchanged before, and its trust rule " +
				"accepts each token once; get a new token"}
		}
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	var live int
	c := KeyFilter{Rule: rule.Name, LiveAt: now}.conditions()
	if err := tx.db.Get(ctx, &live, countTrustKeysSQL+c.sql(), c.args...); err != nil {
		return fmt.Errorf("count the keys of trust rule %q: %w", rule.Name, err)
	}
	if live >= maxTrustKeys {
		return &Error{Code: TooManyKeys, Message: fmt.Sprintf(
			"trust rule %q has %d valid keys; wait until some have expired", rule.Name, live)}
	}
	return tx.CreateKey(ctx, n.Key)
}

// CreateTrustKey runs Tx.CreateTrustKey in a transaction.
func (s *Store) CreateTrustKey(ctx context.Context, n NewTrustKey) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.CreateTrustKey(ctx, n) })
}

const (
	// keepTrustKeys is how long expired keys of trust rules are listed. The audit knows them longer.
	keepTrustKeys = 24 * time.Hour
	// keepTokens is longer than clocks may differ by.
	keepTokens = time.Hour
)

const (
	// oldTrustKeysSQL is served by api_keys_trust.
	oldTrustKeysSQL = `
DELETE FROM api_keys
WHERE id IN (SELECT id FROM api_keys WHERE trust_rule <> '' AND expires_at < ? LIMIT ?)`
	// oldTokensSQL is served by exchanged_tokens_expiry.
	oldTokensSQL = `
DELETE FROM exchanged_tokens
WHERE digest IN (SELECT digest FROM exchanged_tokens WHERE expires_at < ? LIMIT ?)`
)

func (s *Store) retainTokens(ctx context.Context, _ Retention, removed *Expired) error {
	for query, keep := range map[string]time.Duration{oldTrustKeysSQL: keepTrustKeys, oldTokensSQL: keepTokens} {
		err := s.batches(ctx, retainRows, &removed.Tokens, func(tx *Tx) (int64, error) {
			now, err := tx.db.Now(ctx)
			if err != nil {
				return 0, err
			}
			return tx.db.Exec(ctx, query, now.Add(-keep), retainRows)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const rebindTrustRuleSQL = `
UPDATE trust_rules
SET bindings = ?,
	version = version + 1
WHERE name = ?`

// changeTrustBindings changes the bindings of trust rules as those of keys are changed.
func (tx *Tx) changeTrustBindings(ctx context.Context, c keyChange, actor string) error {
	var rules []trustRuleRow
	query := trustRuleSQL + c.rules + " ORDER BY name" + tx.db.Dialect().Lock("FOR UPDATE")
	if err := tx.db.All(ctx, &rules, query, c.rulesArgs...); err != nil {
		return fmt.Errorf("read the trust rules of work pool %q: %w", c.pool, err)
	}
	for _, rule := range rules {
		changed := false
		for i := range rule.Bindings.V {
			changed = c.change(&rule.Bindings.V[i]) || changed
		}
		if !changed {
			continue
		}
		if _, err := tx.db.Exec(ctx, rebindTrustRuleSQL, rule.Bindings, rule.Name); err != nil {
			return fmt.Errorf("change the roles of trust rule %q: %w", rule.Name, err)
		}
		err := tx.audit(ctx, AuditEntry{
			Actor: actor, Action: AuditUpdate, Kind: AuditTrustRule, Name: rule.Name, Pool: c.pool, Detail: c.detail,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
