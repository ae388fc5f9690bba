// Package impact works out what a base job template does to the deployments of its pool: the Job that a run
// would have, how two templates differ, and which deployments a change would break. A template is saved
// through this package, so that its impact is known before.
//
// Jobs are rendered by package templating/preview with the code that workers use. What a template needs and a
// deployment does not set, because each run sets it, is filled with samples.
package impact

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/preview"
)

// deploymentsRead is how many deployments are in memory at a time: each may have 256 KiB of job variables.
const deploymentsRead = 50

// Analyzer works out the impact of templates.
type Analyzer struct {
	store        *store.Store
	templates    *catalog.Catalog
	rules        *rulebook.Book
	installation uuid.UUID
	now          func() time.Time
	tests        chan struct{} // of rules that are under way
}

// Options are what an Analyzer works with.
type Options struct {
	Store     *store.Store
	Templates *catalog.Catalog
	Rules     *rulebook.Book
	// Installation is whose id Jobs in previews carry.
	Installation uuid.UUID
	Now          func() time.Time
}

// New makes an Analyzer.
func New(o Options) *Analyzer {
	return &Analyzer{
		store: o.Store, templates: o.Templates, rules: o.Rules, installation: o.Installation, now: o.Now,
		tests: make(chan struct{}, parallelTests),
	}
}

// sampler makes sample runs of deployments, for templates to be rendered with.
type sampler struct {
	*Analyzer
	variables *newrun.StoredVariables
	names     []string // of the stored variables that the templates refer to
	// references are what the Jobs of a pool may refer to, by pool, once read.
	references map[string]*newrun.References
}

// referencesOf is what the Jobs of a pool may refer to.
func (s *sampler) referencesOf(ctx context.Context, pool string) (*newrun.References, error) {
	if known := s.references[pool]; known != nil {
		return known, nil
	}
	references, err := newrun.ReadReferences(ctx, s.store, pool)
	s.references[pool] = references
	return references, err
}

func (a *Analyzer) sampler(templates ...*templating.Compiled) *sampler {
	s := &sampler{
		Analyzer: a, variables: newrun.NewStoredVariables(a.store), references: map[string]*newrun.References{},
	}
	for _, t := range templates {
		s.names = append(s.names, t.StoredReferences()...)
	}
	return s
}

// run is a sample run of a deployment, with the run's own job variables and its merged parameters.
func (s *sampler) run(
	ctx context.Context, d newrun.Deployment, own, parameters json.RawMessage,
) (preview.Subject, error) {
	layers, err := d.Layers(own)
	if err != nil {
		return preview.Subject{}, err
	}
	stored, err := s.variables.Read(ctx, templating.StoredReferences(layers.Deployment, layers.Run), s.names)
	if err != nil {
		return preview.Subject{}, err
	}

	references, err := s.referencesOf(ctx, d.Pool)
	if err != nil {
		return preview.Subject{}, err
	}
	return d.Subject(newrun.SubjectOf{
		Installation: s.installation, Protected: s.templates.Protected(), References: references, Now: s.now(),
		Layers: layers, Stored: stored, Parameters: parameters,
	}), nil
}

// runs are sample runs of the wanted deployments of a pool, by name. Deployments are read page by page.
func (s *sampler) runs(
	ctx context.Context, pool string, wanted func(name string) bool,
) iter.Seq2[preview.Subject, error] {
	return func(yield func(preview.Subject, error) bool) {
		for cursor := ""; ; {
			deployments, next, err := s.store.ListDeployments(
				ctx, store.DeploymentFilter{Pool: pool, WithValues: true}, store.Page{Limit: deploymentsRead, Cursor: cursor},
			)
			if err != nil {
				yield(preview.Subject{}, err)
				return
			}
			for i := range deployments {
				d := &deployments[i]
				if !wanted(d.Name) {
					continue
				}
				subject, err := s.defaultRun(ctx, d)
				if !yield(subject, err) || err != nil {
					return
				}
			}
			if cursor = next; cursor == "" {
				return
			}
		}
	}
}

// defaultRun is a sample run of a deployment that sets no values.
func (s *sampler) defaultRun(ctx context.Context, d *store.Deployment) (preview.Subject, error) {
	decoded, err := newrun.Decode(d)
	if err != nil {
		return preview.Subject{}, err
	}
	return s.run(ctx, decoded, nil, jsondoc.OrEmpty(d.Parameters))
}
