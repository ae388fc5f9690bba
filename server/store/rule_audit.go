package store

import "context"

// rulesChanged writes an entry for each rule that was added, changed or deleted. Rules hold no secrets: an
// expression is written down as it is, as far as the audit keeps values.
func (tx *Tx) rulesChanged(ctx context.Context, before, after *RuleSet, actor string) error {
	was, is := rulesByName(before.Rules), rulesByName(after.Rules)
	for _, r := range before.Rules {
		if _, kept := is[r.Name]; !kept {
			if err := tx.ruleChanged(ctx, AuditDelete, r, Rule{}, after, actor); err != nil {
				return err
			}
		}
	}
	for _, r := range after.Rules {
		old, existed := was[r.Name]
		action := AuditUpdate
		if !existed {
			action = AuditCreate
		}
		if err := tx.ruleChanged(ctx, action, old, r, after, actor); err != nil {
			return err
		}
	}
	return nil
}

func rulesByName(rules []Rule) map[string]Rule {
	byName := make(map[string]Rule, len(rules))
	for _, r := range rules {
		byName[r.Name] = r
	}
	return byName
}

func (tx *Tx) ruleChanged(
	ctx context.Context, action AuditAction, before, after Rule, set *RuleSet, actor string,
) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	name := after.Name
	if action == AuditDelete {
		name = before.Name
	}
	d.field("action", valueOrNil(before.Action), valueOrNil(after.Action)).
		field("expression", valueOrNil(before.Expression), valueOrNil(after.Expression)).
		field("message", valueOrNil(before.Message), valueOrNil(after.Message)).
		field("message_expression", valueOrNil(before.MessageExpression), valueOrNil(after.MessageExpression)).
		field("description", valueOrNil(before.Description), valueOrNil(after.Description)).
		field("params", before.Params, after.Params).
		field("from", valueOrNil(before.From), valueOrNil(after.From))
	return tx.auditChanges(ctx, d,
		AuditEntry{Actor: actor, Action: action, Kind: AuditRule, Name: name, Pool: set.Pool})
}
