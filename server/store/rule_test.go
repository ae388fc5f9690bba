package store_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

func (w *world) updateRules(pool string, rules ...store.Rule) *store.RuleSet {
	w.t.Helper()
	set, err := w.UpdateRules(w.t.Context(), pool,
		func([]store.Rule) ([]store.Rule, error) { return rules, nil }, actor)
	w.check(err)
	return set
}

func aRule(name, expression string) store.Rule {
	return store.Rule{
		Name: name, Expression: expression, Message: "no", Action: "deny", Params: json.RawMessage(`{"max":2}`),
	}
}

func TestEachChangeOfRulesMakesASetThatStays(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("etl")
		empty, err := w.GetRuleSet(t.Context(), "etl")
		w.check(err)
		if empty.Version != 0 || len(empty.Rules) != 0 {
			t.Errorf("a new pool has %+v", empty)
		}

		first := w.updateRules("etl", aRule("a", "true"))
		second := w.updateRules("etl", aRule("a", "true"), aRule("b", "false"))
		same := w.updateRules("etl", aRule("a", "true"), aRule("b", "false"))
		if first.Version != 1 || second.Version != 2 || same.ID != second.ID {
			t.Errorf("got versions %d, %d, and %v again", first.Version, second.Version, same.ID == second.ID)
		}
		current, err := w.GetRuleSet(t.Context(), "etl")
		w.check(err)
		if current.ID != second.ID || len(current.Rules) != 2 || string(current.Rules[1].Params) != `{"max":2}` {
			t.Errorf("the current set is %+v", current)
		}
		old, err := w.GetRuleSetByID(t.Context(), first.ID)
		w.check(err)
		if old.Pool != "etl" || len(old.Rules) != 1 || old.Rules[0].Expression != "true" {
			t.Errorf("the first set is %+v", old)
		}
		_, err = w.GetRuleSetByID(t.Context(), uuid.New())
		w.refuses(err, store.NotFound)
		_, err = w.GetRuleSet(t.Context(), "missing")
		w.refuses(err, store.NotFound)
	})
}

func TestTheRulesOfInstallationAndPoolCountInAPool(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("etl")
		w.pool("other")
		current := func(pool string) []uuid.UUID {
			ids, err := w.ListCurrentRuleSets(t.Context(), pool)
			w.check(err)
			return ids
		}
		if ids := current("etl"); len(ids) != 0 {
			t.Errorf("without rules there are %v", ids)
		}
		ofPool := w.updateRules("etl", aRule("a", "true"))
		ofAll := w.updateRules("", aRule("b", "true"))
		if ids := current("etl"); len(ids) != 2 || ids[0] != ofAll.ID || ids[1] != ofPool.ID {
			t.Errorf("in the pool count %v", ids)
		}
		if ids := current("other"); len(ids) != 1 || ids[0] != ofAll.ID {
			t.Errorf("in another pool count %v", ids)
		}
		w.updateRules("")
		w.updateRules("etl")
		if ids := current("etl"); len(ids) != 0 {
			t.Errorf("after they were deleted count %v", ids)
		}
		if set := w.updateRules("", aRule("b", "true")); set.Version != 3 || set.Pool != "" {
			t.Errorf("the installation has %+v", set)
		}
	})
}

func TestAChangeOfRulesThatIsRefusedChangesNothing(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("etl")
		refused := errors.New("no")
		_, err := w.UpdateRules(t.Context(), "etl",
			func([]store.Rule) ([]store.Rule, error) { return nil, refused }, actor)
		if !errors.Is(err, refused) {
			t.Errorf("got %v", err)
		}
		set, err := w.GetRuleSet(t.Context(), "etl")
		w.check(err)
		if set.Version != 0 {
			t.Errorf("the set is %+v", set)
		}
	})
}

func TestRulesAreAuditedOneByOneWithWhatTheyWere(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("etl")
		w.updateRules("etl", aRule("a", "true"), aRule("b", "true"))
		w.updateRules("etl", aRule("a", "false"))
		entries, _, err := w.ListAudit(t.Context(), store.AuditFilter{Kind: store.AuditRule}, store.Page{Limit: 10})
		w.check(err)
		var got []string
		for _, e := range entries {
			text := string(e.Action) + " " + e.Name + " of " + e.Pool
			for _, c := range e.Changes {
				if c.Field == "expression" {
					text += ": " + string(c.Before) + " to " + string(c.After)
				}
			}
			got = append(got, text)
		}
		for _, want := range []string{
			`update a of etl: "true" to "false"`, `delete b of etl: "true" to `, `create a of etl:  to "true"`,
		} {
			found := false
			for _, text := range got {
				found = found || text == want
			}
			if !found {
				t.Errorf("no entry %q in %q", want, got)
			}
		}
	})
}

func TestARunRemembersItsCaller(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("etl")
		w.deployment("d", "etl", func(d *store.Deployment) { d.Retries.Max = 4 })
		run, _, err := w.CreateRun(t.Context(),
			store.NewRun{Deployment: "d", CallerKind: "key", CallerRole: "operator"}, "ci")
		w.check(err)
		facts, err := w.ListRuleFacts(t.Context(), []uuid.UUID{run.ID})
		w.check(err)
		want := store.RuleFacts{RunID: run.ID, CallerName: "ci", CallerKind: "key", CallerRole: "operator", Retries: 4}
		if facts[run.ID] != want {
			t.Errorf("got %+v", facts[run.ID])
		}
	})
}
