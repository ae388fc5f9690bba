package approval

import (
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

func aPolicy(require ...string) store.ApprovalPolicy {
	return store.ApprovalPolicy{Require: require, Approver: "editor", Lifetime: 60}
}

func aChange(alter ...func(*Change)) Change {
	schedules := func(active bool) []any {
		return []any{map[string]any{"name": "nightly", "cron": "@daily", "active": active}}
	}
	c := Change{
		Subject: Deploys, Pool: "p", Kind: api.ChangeKindDeployment, Name: "etl", Action: api.Update, Template: 3,
		Before: map[string]any{"version": "1", "schedules": schedules(true)},
		After:  map[string]any{"version": "2", "schedules": schedules(true)},
	}
	for _, a := range alter {
		a(&c)
	}
	return c
}

func setActive(document map[string]any, active bool) {
	document["schedules"].([]any)[0].(map[string]any)["active"] = active
}

func fingerprintOf(t *testing.T, policy store.ApprovalPolicy, changes ...Change) string {
	t.Helper()
	all, err := plans(map[string]store.ApprovalPolicy{"p": policy}, changes)
	if err != nil || len(all) != 1 {
		t.Fatalf("got %d plans, %v", len(all), err)
	}
	return all[0].fingerprint
}

func TestAFingerprintIsOfThePlanAndOfNothingElse(t *testing.T) {
	policy := aPolicy("deploys")
	want := fingerprintOf(t, policy, aChange())
	for name, change := range map[string]Change{
		"the same": aChange(),
		"a schedule that is paused and stays so": aChange(func(c *Change) {
			setActive(c.Before, false)
			setActive(c.After, false)
		}),
	} {
		if got := fingerprintOf(t, policy, change); got != want {
			t.Errorf("%s has another fingerprint", name)
		}
	}
	if got := fingerprintOf(t, policy, aChange(), Change{Subject: Rules, Pool: "p"}); got != want {
		t.Error("what the policy does not govern is part of the fingerprint")
	}
	for name, got := range map[string]string{
		"the name":             fingerprintOf(t, policy, aChange(func(c *Change) { c.Name = "x" })),
		"the action":           fingerprintOf(t, policy, aChange(func(c *Change) { c.Action = api.Delete })),
		"a value before":       fingerprintOf(t, policy, aChange(func(c *Change) { c.Before["version"] = "0" })),
		"a value after":        fingerprintOf(t, policy, aChange(func(c *Change) { c.After["version"] = "3" })),
		"the template version": fingerprintOf(t, policy, aChange(func(c *Change) { c.Template = 4 })),
		"a schedule that is resumed": fingerprintOf(t, policy, aChange(func(c *Change) {
			setActive(c.Before, false)
		})),
		"the subjects of the policy": fingerprintOf(t, aPolicy("deploys", "rules"), aChange()),
		"the role of the approver": fingerprintOf(t,
			store.ApprovalPolicy{Require: policy.Require, Approver: "admin", Lifetime: 60}, aChange()),
		"the number of changes": fingerprintOf(t, policy, aChange(), aChange()),
	} {
		if got == want {
			t.Errorf("%s is not part of the fingerprint", name)
		}
	}
}

func TestPlansHoldWhatThePolicyOfEachPoolGoverns(t *testing.T) {
	in := func(pool string, subject Subject) Change { return Change{Pool: pool, Subject: subject} }
	all, err := plans(map[string]store.ApprovalPolicy{"a": aPolicy("rules"), "b": aPolicy("deploys", "templates")},
		[]Change{in("a", Rules), in("b", Rules), in("c", Rules), in("a", Policy), in("b", Templates), in("a", Deploys)})
	if err != nil || len(all) != 2 {
		t.Fatalf("got %d plans, %v", len(all), err)
	}
	if p := all[0]; p.pool != "a" || len(p.changes) != 2 || len(p.subjects) != 2 {
		t.Errorf("the plan of a is %+v", p)
	}
	if p := all[1]; p.pool != "b" || len(p.changes) != 1 || p.subjects[0] != "templates" {
		t.Errorf("the plan of b is %+v", p)
	}
}
