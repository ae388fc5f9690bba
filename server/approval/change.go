package approval

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
)

// Subject is what a policy can require approvals for.
type Subject string

// The subjects. A policy names the first three; the last is governed while it names any.
const (
	Templates Subject = Subject(api.ApprovalTemplates)
	Rules     Subject = Subject(api.ApprovalRules)
	Deploys   Subject = Subject(api.ApprovalDeploys)
	Policy    Subject = "policy" // the policy itself, and the pool that it is for
)

// Change is what a request does to one object of a pool.
type Change struct {
	Subject Subject          `json:"-"`
	Pool    string           `json:"-"`
	Kind    api.ChangeKind   `json:"kind"`
	Name    string           `json:"name"`
	Action  api.ChangeAction `json:"action"`
	// Before and After are the object, or its fields that change, in the form of templating.DecodeJSON.
	Before map[string]any `json:"before,omitempty"`
	After  map[string]any `json:"after,omitempty"`
	// Template is the template version that a deployment would run with.
	Template int32 `json:"template_version,omitempty"`
}

// DeletionDocument says how something is deleted: an approval for the one way is none for another. It is nil
// for the usual way.
func DeletionDocument(o store.DeleteOptions) map[string]any {
	document := map[string]any{}
	if o.Force {
		document["force"] = true
	}
	if o.Permanently {
		document["permanently"] = true
	}
	if len(document) == 0 {
		return nil
	}
	return document
}

// fields names the members in which the change differs.
func (c Change) fields() []string {
	if c.Action != api.Update {
		return nil
	}
	var fields []string
	for _, d := range templating.Diff(c.Before, c.After) {
		field, _, _ := strings.Cut(strings.TrimPrefix(d.Pointer, "/"), "/")
		if !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
	}
	return fields
}

// summary is the change without values.
func (c Change) summary() api.Change {
	one := api.Change{Kind: c.Kind, Name: c.Name, Action: c.Action}
	if fields := c.fields(); len(fields) > 0 {
		one.Fields = &fields
	}
	return one
}

// plan is what needs an approval in one pool.
type plan struct {
	pool     string
	policy   store.ApprovalPolicy
	subjects []string
	changes  []Change
	// fingerprint identifies the policy and the changes with all their values.
	fingerprint string
}

// plans collects what the policies govern, by pool, in the order of the changes.
func plans(policies map[string]store.ApprovalPolicy, changes []Change) ([]*plan, error) {
	var all []*plan
	byPool := map[string]*plan{}
	for _, c := range changes {
		policy := policies[c.Pool]
		if !governs(policy, c.Subject) {
			continue
		}
		p := byPool[c.Pool]
		if p == nil {
			p = &plan{pool: c.Pool, policy: policy}
			byPool[c.Pool], all = p, append(all, p)
		}
		p.changes = append(p.changes, c)
		if !slices.Contains(p.subjects, string(c.Subject)) {
			p.subjects = append(p.subjects, string(c.Subject))
		}
	}
	for _, p := range all {
		if err := p.setFingerprint(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func governs(policy store.ApprovalPolicy, subject Subject) bool {
	return len(policy.Require) > 0 && (subject == Policy || slices.Contains(policy.Require, string(subject)))
}

func (p *plan) setFingerprint() error {
	changes := make([]Change, len(p.changes))
	for i, c := range p.changes {
		changes[i] = withoutUnchangedActivity(c)
	}
	text, err := jsondoc.Encode([]any{"approval", p.pool, p.policy, changes})
	if err != nil {
		return fmt.Errorf("compute the fingerprint of a change in work pool %q: %w", p.pool, err)
	}
	sum := sha256.Sum256(text)
	p.fingerprint = base64.RawURLEncoding.EncodeToString(sum[:])
	return nil
}

// withoutUnchangedActivity leaves out whether a schedule is active where the change leaves that as it is:
// someone may pause a schedule while its deployment waits for an approval.
func withoutUnchangedActivity(c Change) Change {
	before, after := activity(c.Before), activity(c.After)
	same := func(name string) bool { return before[name] != nil && before[name] == after[name] }
	c.Before, c.After = withoutActivity(c.Before, same), withoutActivity(c.After, same)
	return c
}

// activity returns whether the schedules of a deployment are active, by their names.
func activity(document map[string]any) map[string]any {
	found := map[string]any{}
	list, _ := document["schedules"].([]any)
	for _, item := range list {
		if schedule, ok := item.(map[string]any); ok {
			name, _ := schedule["name"].(string)
			found[name] = schedule["active"]
		}
	}
	return found
}

func withoutActivity(document map[string]any, leaveOut func(schedule string) bool) map[string]any {
	list, ok := document["schedules"].([]any)
	if !ok {
		return document
	}
	list = slices.Clone(list)
	for i, item := range list {
		if schedule, ok := item.(map[string]any); ok {
			if name, _ := schedule["name"].(string); leaveOut(name) {
				schedule = maps.Clone(schedule)
				delete(schedule, "active")
				list[i] = schedule
			}
		}
	}
	document = maps.Clone(document)
	document["schedules"] = list
	return document
}

// newApproval is the plan as a request stores it.
func (p *plan) newApproval(operation string, asker store.ApprovalActor) (store.NewApproval, error) {
	items, err := jsondoc.Encode(wire.Each(p.changes, Change.summary))
	if err != nil {
		return store.NewApproval{}, err
	}
	values, err := jsondoc.Encode(p.changes)
	if err != nil {
		return store.NewApproval{}, err
	}
	return store.NewApproval{
		Pool: p.pool, Fingerprint: p.fingerprint, Operation: operation, Subjects: p.subjects,
		Approver: p.policy.Approver, Lifetime: lifetime(p.policy), Items: items, Plan: values, Asker: asker,
		OpenFor: openFor,
	}, nil
}

// items reads what a stored request changes, without values.
func items(a store.Approval) ([]api.Change, error) {
	var list []api.Change
	if err := json.Unmarshal(a.Items, &list); err != nil {
		return nil, fmt.Errorf("read the items of approval request %s: %w", a.ID, err)
	}
	return list, nil
}

// describe reads what a stored request changes, with the differences.
func describe(a store.Approval) ([]api.Change, error) {
	var stored []struct {
		Kind          api.ChangeKind
		Name          string
		Action        api.ChangeAction
		Before, After json.RawMessage
	}
	if err := json.Unmarshal(a.Plan, &stored); err != nil {
		return nil, fmt.Errorf("read the plan of approval request %s: %w", a.ID, err)
	}
	list := make([]api.Change, len(stored))
	for i, s := range stored {
		before, err := jsondoc.Object(jsondoc.OrEmpty(s.Before))
		if err != nil {
			return nil, err
		}
		after, err := jsondoc.Object(jsondoc.OrEmpty(s.After))
		if err != nil {
			return nil, err
		}
		list[i] = Change{Kind: s.Kind, Name: s.Name, Action: s.Action, Before: before, After: after}.summary()
		if err := wire.DescribeChange(before, after, &list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}
