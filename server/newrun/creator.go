package newrun

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
)

// MaxTries bounds how often a run is made again because its deployment has changed meanwhile.
const MaxTries = 5

// CreatorOptions are what a Creator works with.
type CreatorOptions struct {
	Store        *store.Store
	Templates    *catalog.Catalog
	Rules        *rulebook.Book
	Installation uuid.UUID
	Now          func() time.Time
}

// Creator creates the runs that requests ask for.
type Creator struct {
	store        *store.Store
	templates    *catalog.Catalog
	rules        *rulebook.Book
	installation uuid.UUID
	now          func() time.Time
}

// NewCreator makes a Creator.
func NewCreator(o CreatorOptions) *Creator {
	return &Creator{
		store: o.Store, templates: o.Templates, rules: o.Rules, installation: o.Installation, now: o.Now,
	}
}

// Request is a run to create.
type Request struct {
	Spec           api.RunCreate
	IdempotencyKey string // empty: none
	BodyHash       string // of the body that came with the key; a key is good for one body
}

// Created is a run, with warnings about its values.
type Created struct {
	store.CreatedRun
	Warnings []api.Finding
}

// Create creates a run of a deployment, or returns the run that its idempotency key created before. The
// values are checked and fixed against the deployment as it is when the run is stored.
func (c *Creator) Create(
	ctx context.Context, deployment string, r Request, by access.Principal,
) (*Created, error) {
	return retryRevision(func() (*Created, error) { return c.create(ctx, deployment, r, by) })
}

func (c *Creator) create(
	ctx context.Context, deployment string, r Request, by access.Principal,
) (*Created, error) {
	d, err := c.deployment(ctx, deployment, by)
	if err != nil {
		return nil, err
	}

	// Before the values are checked: they were good when the key was used first, and need not be now.
	existing, err := c.store.FindRunByIdempotencyKey(ctx, d, r.IdempotencyKey, r.BodyHash)
	if err != nil {
		return nil, err
	}
	if existing != nil {
		return &Created{
				CreatedRun: store.CreatedRun{Run: *existing, Existed: true},
			}, checkExisting(
				existing,
				by,
			)
	}

	maker, err := c.Maker(ctx, d, rulebook.CallerOf(by, d.Pool))
	if err != nil {
		return nil, err
	}
	run, warnings, err := maker.Make(ctx, r.Spec)
	if err != nil {
		return nil, err
	}
	run.IdempotencyKey, run.BodyHash = r.IdempotencyKey, r.BodyHash

	created, existed, err := c.store.CreateRun(ctx, run, by.Name)
	if err != nil {
		return nil, err
	}
	if existed {
		if err := checkExisting(created, by); err != nil {
			return nil, err
		}
	}
	return &Created{CreatedRun: store.CreatedRun{Run: *created, Existed: existed}, Warnings: warnings}, nil
}

// CreateAll creates many runs of a deployment, all or none. Its warnings are with the first run, each once.
func (c *Creator) CreateAll(
	ctx context.Context, deployment string, requests []Request, by access.Principal,
) ([]Created, error) {
	return retryRevision(func() ([]Created, error) { return c.createAll(ctx, deployment, requests, by) })
}

func (c *Creator) createAll(
	ctx context.Context, deployment string, requests []Request, by access.Principal,
) ([]Created, error) {
	d, err := c.deployment(ctx, deployment, by)
	if err != nil {
		return nil, err
	}
	maker, err := c.Maker(ctx, d, rulebook.CallerOf(by, d.Pool))
	if err != nil {
		return nil, err
	}

	runs, warnings, err := makeAll(ctx, maker, requests)
	if err != nil {
		return nil, err
	}
	var stored []store.CreatedRun
	err = c.store.InTx(ctx, func(tx *store.Tx) error {
		if stored, err = tx.CreateRuns(ctx, d.Name, runs, by.Name); err != nil {
			return err
		}
		// Within the transaction: a refusal after the commit would leave the new runs behind.
		for _, run := range stored {
			if !run.Existed {
				continue
			}
			if err := checkExisting(&run.Run, by); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}

	created := make([]Created, len(stored))
	for i, run := range stored {
		created[i].CreatedRun = run
	}
	if len(created) > 0 {
		created[0].Warnings = warnings
	}
	return created, nil
}

// maxWarnings bounds the warnings about the runs of one request.
const maxWarnings = 100

// makeAll makes all runs, or refuses them with the findings of each.
func makeAll(ctx context.Context, maker *Maker, requests []Request) ([]store.NewRun, []api.Finding, error) {
	var findings finding.List
	var allWarnings []api.Finding
	said := map[string]bool{}
	runs := make([]store.NewRun, len(requests))
	for i, r := range requests {
		at := fmt.Sprintf("/runs/%d", i)
		run, warnings, err := maker.Make(ctx, r.Spec)

		var refused *problem.Error
		switch {
		case errors.As(err, &refused) && len(refused.Findings) > 0:
			findings.Add(refused.Code, at, refused.Findings)
		case err != nil:
			return nil, nil, err
		}
		for _, w := range warnings {
			if key := w.Pointer + " " + w.Message; !said[key] && len(said) < maxWarnings {
				said[key] = true
				allWarnings = append(allWarnings, finding.Under([]api.Finding{w}, at)...)
			}
		}
		run.IdempotencyKey, run.BodyHash = r.IdempotencyKey, r.BodyHash
		runs[i] = run
	}
	return runs, allWarnings, findings.Err()
}

// deployment reads the deployment that a run is made of. Its pool is checked in the revision that counts: the
// deployment may have moved since the request was let in.
func (c *Creator) deployment(
	ctx context.Context,
	name string,
	by access.Principal,
) (*store.Deployment, error) {
	d, err := c.store.GetDeployment(ctx, name)
	if err != nil {
		return nil, err
	}
	return d, by.CheckObject("CreateRun", d.Pool, "deployment "+strconv.Quote(name))
}

// checkExisting refuses to show the run that an idempotency key created before when it is in a pool that the
// API key is not for: the deployment was in another pool then.
func checkExisting(run *store.Run, by access.Principal) error {
	if by.MayDo("CreateRun", run.Pool) {
		return nil
	}
	return problem.Newf(problem.Forbidden,
		"the idempotency key has created a run in a work pool in which %s may not start runs: use another key", by)
}

// retryRevision repeats an action until it was done against the current revision of a deployment.
func retryRevision[T any](act func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		result, err := act()
		if !store.IsCode(err, store.RevisionChanged) || try == MaxTries {
			return result, err
		}
	}
}
