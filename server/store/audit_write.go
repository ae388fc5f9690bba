package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// The audit entries of each kind of object. Parameters, job variables and stored variables may contain
// secrets: the audit stores only their digests.

func (tx *Tx) poolCreated(ctx context.Context, p NewPool, saved savedTemplate, actor string) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	d.field("type", nil, p.Type).
		field("description", nil, valueOrNil(p.Description)).
		field("concurrency_limit", nil, p.ConcurrencyLimit).
		field("paused", nil, valueOrNil(p.Paused)).
		field("run_token_audiences", nil, listOrNil(p.RunTokenAudiences)).
		field("references", nil, rawValue(p.References)).
		field("approvals", nil, policyOrNil(p.Approvals)).
		field("template_sha256", nil, saved.hash).
		field("references_by_variables", nil, listOrNil(p.Template.Reaches)).
		members("frozen", nil, database.JSON(saved.frozen))
	return tx.auditChanges(ctx, d,
		AuditEntry{Actor: actor, Action: AuditCreate, Kind: AuditPool, Name: p.Name, Pool: p.Name})
}

func (tx *Tx) poolUpdated(ctx context.Context, before, after Pool, actor string) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	d.field("description", before.Description, after.Description).
		field("concurrency_limit", before.ConcurrencyLimit, after.ConcurrencyLimit).
		field("paused", before.Paused, after.Paused).
		field("pause_reason", before.Pause.reason(), after.Pause.reason()).
		field("run_token_audiences", listOrNil(before.RunTokenAudiences), listOrNil(after.RunTokenAudiences)).
		field("references", rawValue(before.References), rawValue(after.References)).
		field("approvals", policyOrNil(before.Approvals), policyOrNil(after.Approvals))
	return tx.auditChanges(ctx, d,
		AuditEntry{Actor: actor, Action: AuditUpdate, Kind: AuditPool, Name: after.Name, Pool: after.Name})
}

func (tx *Tx) templateSaved(ctx context.Context, pool string, s savedTemplate, actor string) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	d.field("version", s.before, s.version).field("sha256", s.hashBefore, s.hash).
		members("frozen", database.JSON(s.frozenBefore), database.JSON(s.frozen))
	if s.before != s.version {
		d.field("references_by_variables", nil, listOrNil(s.reaches))
	}
	return tx.auditChanges(ctx, d,
		AuditEntry{Actor: actor, Action: AuditUpdate, Kind: AuditTemplate, Name: pool, Pool: pool})
}

func (tx *Tx) queueChanged(ctx context.Context, action AuditAction, before, after Queue, actor string) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	d.field("priority", valueOrNil(before.Priority), after.Priority).
		field("concurrency_limit", before.ConcurrencyLimit, after.ConcurrencyLimit).
		field("objective", durationOrNil(before.Objective), durationOrNil(after.Objective)).
		field("paused", before.Paused, after.Paused).
		field("pause_reason", before.Pause.reason(), after.Pause.reason())
	return tx.auditChanges(ctx, d,
		AuditEntry{Actor: actor, Action: action, Kind: AuditQueue, Name: after.Name, Pool: after.Pool})
}

// deploymentPut writes down what becomes of a deployment; before is the zero value of one that is new.
func (tx *Tx) deploymentPut(
	ctx context.Context, before, after deploymentRow, created bool, actor string,
) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	if after.Queue == "" {
		after.Queue = DefaultQueue
	}
	d.field("pool", valueOrNil(before.Pool), after.Pool).
		field("queue", valueOrNil(before.Queue), after.Queue).
		field("version", valueOrNil(before.Version), valueOrNil(after.Version)).
		field("description", valueOrNil(before.Description), valueOrNil(after.Description)).
		field("tags", stringsOrNil(before.Tags), stringsOrNil(after.Tags)).
		field("concurrency_limit", before.ConcurrencyLimit, after.ConcurrencyLimit).
		field("timeout", microsecondsOrNil(before.TimeoutUS), microsecondsOrNil(after.TimeoutUS)).
		field("start_deadline", microsecondsOrNil(before.StartDeadlineUS), microsecondsOrNil(after.StartDeadlineUS)).
		field("frozen.job_variables", stringsOrNil(before.FrozenVariables), stringsOrNil(after.FrozenVariables)).
		field("frozen.parameters", stringsOrNil(before.FrozenParameters), stringsOrNil(after.FrozenParameters)).
		retries(before.Retries.V, after.Retries.V).
		members("job_variables", before.JobVariables, after.JobVariables).
		members("parameters", before.Parameters, after.Parameters).
		secret("parameter_schema", before.ParameterSchema.Raw(), after.ParameterSchema.Raw())
	action := AuditUpdate
	if created {
		action = AuditCreate
		d.field("paused", nil, valueOrNil(after.Paused))
	}
	return tx.auditChanges(ctx, d,
		AuditEntry{Actor: actor, Action: action, Kind: AuditDeployment, Name: after.Name, Pool: after.Pool})
}

func (tx *Tx) deploymentPaused(ctx context.Context, before deploymentRow, after *Pause, actor string) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	d.field("paused", before.Paused, after != nil).
		field("pause_reason", before.Pause.V.reason(), after.reason())
	return tx.auditChanges(
		ctx,
		d,
		AuditEntry{
			Actor: actor, Action: AuditUpdate, Kind: AuditDeployment, Name: before.Name,
			Pool: before.Pool,
		},
	)
}

func (tx *Tx) workerPaused(ctx context.Context, w Worker, before *Pause, actor string) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	d.field("paused", before != nil, w.Paused).
		field("pause_reason", before.reason(), w.Pause.reason())
	return tx.auditChanges(ctx, d,
		AuditEntry{Actor: actor, Action: AuditUpdate, Kind: AuditWorker, Name: w.Name, Pool: w.Pool})
}

// variableChanged audits that a variable was created (before is nil), changed, or deleted (after is nil).
func (tx *Tx) variableChanged(ctx context.Context, before, after *Variable, actor string) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	e := AuditEntry{Actor: actor, Action: AuditUpdate, Kind: AuditVariable}
	var was, is database.JSON
	if before == nil {
		e.Action = AuditCreate
	} else {
		e.Name, was = before.Name, database.JSON(before.Value)
	}
	if after == nil {
		e.Action = AuditDelete
	} else {
		e.Name, is = after.Name, database.JSON(after.Value)
	}
	d.secret("value", was.Raw(), is.Raw())
	return tx.auditChanges(ctx, d, e)
}

// scheduleChanged audits that a schedule was created (before is nil), changed, or deleted (after is nil).
func (tx *Tx) scheduleChanged(ctx context.Context, before, after *Schedule, actor string) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	one, action := after, AuditUpdate
	switch {
	case before == nil:
		before, action = &Schedule{}, AuditCreate
	case after == nil:
		after, one, action = &Schedule{}, before, AuditDelete
	}
	was, is := d.object(database.JSON(before.Spec)), d.object(database.JSON(after.Spec))
	for _, name := range memberNames(was, is) {
		if name == "parameters" || name == "job_variables" {
			d.members(name, database.JSON(was[name]), database.JSON(is[name]))
			continue
		}
		d.field(name, was[name], is[name])
	}
	if action == AuditUpdate {
		d.field("active", before.Active, after.Active)
		d.field("pause_reason", before.OwnPause.reason(), after.OwnPause.reason())
		d.field("waiting", len(before.Waiting), len(after.Waiting))
	}
	return tx.auditChanges(ctx, d, AuditEntry{
		Actor: actor, Action: action, Kind: AuditSchedule, Name: one.Deployment + "/" + one.Name, Pool: one.Pool,
	})
}

func (tx *Tx) keyCreated(ctx context.Context, k Key) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	d.field("id", nil, k.ID).
		field("bindings", nil, bindingNames(k.Bindings)).
		field("expires_at", nil, k.ExpiresAt).
		field("owner", nil, valueOrNil(k.Owner.Name)).
		field("trust_rule", nil, valueOrNil(k.Token.Rule)).
		field("token_issuer", nil, valueOrNil(k.Token.Issuer)).
		field("token_subject", nil, valueOrNil(k.Token.Subject)).
		field("token_id", nil, valueOrNil(k.Token.ID))
	return tx.auditChanges(ctx, d,
		AuditEntry{Actor: k.CreatedBy, Action: AuditCreate, Kind: AuditAPIKey, Name: k.Name})
}

// sameKey reports whether a key that is there is the one that shall be.
func sameKey(a, b Key) bool {
	sameEnd := (a.ExpiresAt == nil) == (b.ExpiresAt == nil) &&
		(a.ExpiresAt == nil || a.ExpiresAt.Equal(*b.ExpiresAt))
	return a.RevokedAt == nil && sameEnd && a.Name == b.Name && a.SecretHash == b.SecretHash &&
		slices.Equal(a.Bindings, b.Bindings)
}

// bindingNames returns bindings as ROLE:POOL.
func bindingNames(bindings []Binding) []string {
	names := make([]string, len(bindings))
	for i, b := range bindings {
		names[i] = b.Role + ":" + b.Pool
	}
	return names
}

// deletion counts the rows that were deleted along with an object.
type deletion struct {
	DeleteOptions
	deployments int
	withPool    bool // it went because its work pool did
}

func (tx *Tx) deleted(
	ctx context.Context, kind AuditKind, name, pool string, with deletion, actor string,
) error {
	e := AuditEntry{Actor: actor, Action: AuditDelete, Kind: kind, Name: name, Pool: pool}
	if with.deployments > 0 {
		e.Detail = fmt.Sprintf("with %d deployments", with.deployments)
		if with.deployments == 1 {
			e.Detail = "with 1 deployment"
		}
	}
	if with.withPool {
		e.Detail = joined(e.Detail, "with its work pool")
	}
	if with.Force {
		e.Detail = joined(e.Detail, "live runs cancelled")
	}
	if with.Permanently {
		e.Detail = joined(e.Detail, "permanently")
	}
	return tx.audit(ctx, e)
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

// retries adds the fields of a retry policy, in the units of the API.
func (d *changeSet) retries(before, after lifecycle.RetryPolicy) *changeSet {
	return d.field("retries.max", valueOrNil(before.Max), valueOrNil(after.Max)).
		field("retries.delay", durationOrNil(before.Delay), durationOrNil(after.Delay)).
		field("retries.backoff", backoff(before.Backoff), backoff(after.Backoff)).
		field("retries.on", before.On, after.On).
		field("retries.infrastructure_max", infrastructure(before), infrastructure(after)).
		field("retries.oom", before.OOM, after.OOM)
}

func infrastructure(p lifecycle.RetryPolicy) any {
	if !p.InfrastructureSet && p.InfrastructureMax == 0 {
		return nil // for the template to say
	}
	return p.InfrastructureMax
}

func backoff(b *lifecycle.Backoff) any {
	if b == nil {
		return nil
	}
	return map[string]any{
		"initial": durationOrNil(b.Initial),
		"factor":  b.Factor,
		"max":     durationOrNil(b.Max),
		"jitter":  b.Jitter,
	}
}

func durationOrNil(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return d.String()
}

func valueOrNil[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

func stringsOrNil(t database.Strings) any { return listOrNil(t.V) }

func listOrNil(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// microsecondsOrNil is a duration as people write it.
func microsecondsOrNil(us *int64) any {
	if us == nil {
		return nil
	}
	return (time.Duration(*us) * time.Microsecond).String()
}

// rawValue is a stored document in a change; nil where there is none.
func rawValue(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	return raw
}
