package approval

import (
	"slices"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// PolicyField is the field of a pool that holds its policy.
const PolicyField = "approvals"

// TemplateFields are the fields of a pool that are governed with its template: what its Jobs can reach.
func TemplateFields() []string {
	return []string{"base_job_template", "references", "run_token_audiences"}
}

const (
	defaultApprover = api.ApproverEditor
	defaultLifetime = 24 * time.Hour
	// openFor is how long a request waits for an approver.
	openFor = 14 * 24 * time.Hour
	// maxOpen bounds the requests of a pool that wait, so that no user fills the database with them.
	maxOpen = 100
)

// ReadPolicy reads a policy as people write it; nil asks for no approvals.
func ReadPolicy(p *api.ApprovalPolicy) store.ApprovalPolicy {
	if p == nil || len(p.Require) == 0 {
		return store.ApprovalPolicy{}
	}
	policy := store.ApprovalPolicy{
		Approver: string(wire.Or(p.Approver, defaultApprover)),
		Lifetime: wire.Or(p.LifetimeSeconds, int64(defaultLifetime/time.Second)),
	}
	for _, subject := range p.Require {
		policy.Require = append(policy.Require, string(subject))
	}
	slices.Sort(policy.Require)
	policy.Require = slices.Compact(policy.Require)
	return policy
}

// PolicyDocument is a policy in the form of templating.DecodeJSON.
func PolicyDocument(p store.ApprovalPolicy) map[string]any {
	document := map[string]any{"require": Texts(p.Require)}
	if len(p.Require) > 0 {
		document["approver"], document["lifetime_seconds"] = p.Approver, p.Lifetime
	}
	return document
}

// Texts is a list in the form of templating.DecodeJSON.
func Texts(list []string) []any {
	values := make([]any, len(list))
	for i, text := range list {
		values[i] = text
	}
	return values
}

func lifetime(p store.ApprovalPolicy) time.Duration { return time.Duration(p.Lifetime) * time.Second }
