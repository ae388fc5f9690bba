package apply

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/approval"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/rule"
)

// errDryRun rolls back a transaction that was a dry run.
var errDryRun = errors.New("dry run")

// Options are what an Applier works with.
type Options struct {
	Store     *store.Store
	Templates *catalog.Catalog
	Rules     *rulebook.Book
	Approvals *approval.Gate
	// Breakage finds the deployments that a changed template breaks.
	Breakage     func(context.Context, TemplateChange) (Breakage, error)
	Installation uuid.UUID
	Now          func() time.Time
	// Retention says for how long deleted objects can be restored.
	Retention store.Retention
}

// TemplateChange is a template of a pool that a file changes.
type TemplateChange struct {
	Pool    string
	Caller  rule.Caller
	Current *store.TemplateVersion
	New     *catalog.Checked
	// Wanted tells by their names which deployments are looked at.
	Wanted func(name string) bool
}

// Breakage is what a changed template breaks that works now.
type Breakage struct {
	Deployments []string // the first ones
	Warnings    []api.Finding
}

// Applier applies files.
type Applier struct {
	Options
	// turn is taken by the one apply that may be under way: they exclude each other in the database, and the others
	// wait here, without a connection.
	turn chan struct{}
}

// New makes an Applier.
func New(o Options) *Applier { return &Applier{Options: o, turn: make(chan struct{}, 1)} }

// Request is a file to apply.
type Request struct {
	File *api.ApplyRequest
	// Document is the file as decoded JSON. Unlike File it tells null from absent.
	Document any
	By       access.Principal
}

// Apply applies a file, or says what it would do when the file asks for a dry run.
func (a *Applier) Apply(ctx context.Context, r Request) (*api.ApplyResult, error) {
	if wire.Or(r.File.Prune, false) && r.File.Project == nil {
		return nil, problem.Newf(problem.InvalidBody, "prune deletes what belongs to a project: name the project").
			At("/project", "required to prune")
	}

	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	dryRun := wire.Or(r.File.DryRun, false)
	var p *planner
	var plan string
	var gone store.Deletion
	var needs []api.ApprovalNeed
	err := a.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		// The transaction may be repeated; each try starts from nothing.
		p = &planner{
			Request: r, tx: tx, templates: a.Templates, now: a.Now(), book: a.Rules, installation: a.Installation,
			gate: a.Approvals, compiled: map[string]*templating.Compiled{}, rules: map[string]rulebook.Rules{},
			references: map[string]*newrun.References{},
		}
		if err := p.applyFile(ctx); err != nil {
			return err
		}

		if plan, err = fingerprint(p.changes); err != nil {
			return err
		}
		if expected := wire.Or(r.File.Plan, plan); expected != plan {
			return problem.Newf(problem.PlanChanged,
				"the plan is out of date: what it would change has changed since; make the plan again")
		}
		if needs, err = p.admit(ctx, dryRun); err == nil && dryRun {
			err = errDryRun
		}
		if err == nil {
			gone = tx.Deleted()
		}
		return err
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}

	if dryRun {
		// Outside the transaction: it takes a while in a large pool, and claims wait for the transaction.
		if err := a.breakage(ctx, p); err != nil {
			return nil, err
		}
	}
	changes, err := wireChanges(p.changes)
	if err != nil {
		return nil, err
	}
	result := &api.ApplyResult{
		DryRun:   dryRun,
		Plan:     plan,
		Changes:  changes,
		Warnings: wire.NonNil(p.warnings),
	}
	if len(gone.Items) > 0 {
		deletion := wire.Deletion(gone, a.Retention)
		result.Deletion = &deletion
	}
	if len(p.broken) > 0 {
		result.Broken = &p.broken
	}
	if len(needs) > 0 {
		result.Approvals = &needs
	}
	return result, nil
}

// breakage finds the deployments that the templates of the file break. Those of the file itself have been checked.
func (a *Applier) breakage(ctx context.Context, p *planner) error {
	declared := map[string]bool{}
	for _, d := range wire.Or(p.File.Deployments, nil) {
		declared[d.Name] = true
	}
	for _, r := range p.replaced {
		broken, err := a.Breakage(ctx, TemplateChange{
			Pool: r.pool, Caller: rulebook.CallerOf(p.By, r.pool), Current: r.current, New: r.checked,
			Wanted: func(name string) bool { return !declared[name] },
		})
		if err != nil {
			return err
		}
		p.warnings = append(p.warnings, finding.Under(broken.Warnings, r.place)...)
		p.broken = append(p.broken, broken.Deployments...)
	}
	return nil
}
