package preview

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"

	"github.com/aymanbagabas/go-udiff"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/internal/value"
	"github.com/berth-dev/berth/templating/manifest"
)

// Verdict is what a change of the template does to a deployment.
type Verdict string

// The verdicts.
const (
	// Unchanged: the same Job as before.
	Unchanged Verdict = "unchanged"
	// Changed: another Job than before, or one where there was none.
	Changed Verdict = "changed"
	// Broken: no Job can be made.
	Broken Verdict = "broken"
)

// Outcome is what becomes of one deployment.
type Outcome struct {
	Deployment string
	Verdict    Verdict
	// BrokenBefore is true where no Job could be made before the change either.
	BrokenBefore bool
	// Problems say why it is broken.
	Problems templating.Problems
	// Samples name the variables that hold an invented value, because the template requires them and a run
	// will give them.
	Samples []string
	// Detailed is true where Changes and Text are there: of a changed deployment, as far as
	// Comparison.Details reaches.
	Detailed bool
	// Changes are the differences between the two documents (see Document), place by place.
	Changes []templating.Change
	// Text is the unified diff of the two documents as YAML.
	Text string
}

// Summary counts outcomes.
type Summary struct {
	Deployments, Unchanged, Changed, Broken int
	// NewlyBroken are those of the broken that were not broken before.
	NewlyBroken int
	// Detailed are those of the changed whose differences were worked out.
	Detailed int
}

// Comparison compares two versions of a template over a set of deployments.
type Comparison struct {
	Before, After *templating.Compiled
	// Details bounds for how many of the changed deployments the differences are worked out, which costs more
	// than finding that there are some; the others are only named. 0 is none.
	Details int
	// Check refuses a Job for reasons beside the template, as rules do; nil: nothing. It is not asked about a
	// Job with invented values, nor about one that does not change.
	Check func(context.Context, Subject, *manifest.Finished) error

	// otherSchema: the schemas of the variables differ, so that values may have been refused before that are not now.
	otherSchema bool
}

// Run gives each subject's outcome to each, in their order, and returns their counts. It holds no more than
// one at a time. It ends with the first error of the subjects, of each or of ctx; that a deployment is broken
// is an outcome, not an error.
func (c Comparison) Run(
	ctx context.Context, subjects iter.Seq2[Subject, error], each func(Outcome) error,
) (Summary, error) {
	var sum Summary
	c.otherSchema = !reflect.DeepEqual(c.Before.VariablesSchema(), c.After.VariablesSchema())
	for subject, err := range subjects {
		if err != nil {
			return sum, fmt.Errorf("read the deployments: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		outcome, err := c.outcome(ctx, subject, sum.Detailed < c.Details)
		if err != nil {
			return sum, fmt.Errorf("compare deployment %q: %w", subject.Deployment, err)
		}
		sum.count(outcome)
		if err := each(outcome); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

func (s *Summary) count(o Outcome) {
	s.Deployments++
	switch o.Verdict {
	case Unchanged:
		s.Unchanged++
	case Changed:
		s.Changed++
	case Broken:
		s.Broken++
		if !o.BrokenBefore {
			s.NewlyBroken++
		}
	}
	if o.Detailed {
		s.Detailed++
	}
}

// outcome compares one deployment. What the schema of the version before thinks of the values matters only where it is
// another one, and to deployments that are broken now. What renders to the same tree makes the same Job, which saves building it
// twice.
func (c Comparison) outcome(ctx context.Context, s Subject, detailed bool) (Outcome, error) {
	open, samples := c.Before.Samples(s.Input.Layers), c.After.Samples(s.Input.Layers)
	for name := range samples {
		if _, wasOpen := open[name]; !wasOpen {
			delete(samples, name) // no run gives it today
		}
	}
	o := Outcome{Deployment: s.Deployment, Samples: slices.Sorted(maps.Keys(samples))}
	// Where both versions leave a variable to the runs, both are shown with the same value.
	was := s.with(open).with(samples)
	s = s.with(samples)
	render := c.Before.Render
	if c.otherSchema {
		render = c.Before.RenderRun
	}
	before, beforeErr := render(ctx, was.Input)
	after, err := c.After.RenderRun(ctx, s.Input)
	equal := err == nil && beforeErr == nil && sameTree(before, after)
	var finished, finishedBefore *manifest.Finished
	if err == nil {
		finished, err = manifest.Build(after, s.Identity)
	}
	checked := c.Check != nil && len(open)+len(samples) == 0
	if err == nil && checked && !equal {
		err = c.Check(ctx, s, finished)
	}
	if err != nil {
		o.Verdict, o.Problems = Broken, templating.AsProblems(err)
		finishedBefore, err = finish(ctx, c.Before, was)
		if err == nil && checked {
			err = c.Check(ctx, was, finishedBefore)
		}
		o.BrokenBefore = err != nil
		return o, ctx.Err()
	}
	if !equal && beforeErr == nil {
		finishedBefore, beforeErr = manifest.Build(before, s.Identity)
	}
	o.BrokenBefore = beforeErr != nil
	switch {
	case equal, beforeErr == nil && finishedBefore.Equal(finished):
		o.Verdict = Unchanged
		return o, nil
	case ctx.Err() != nil:
		return o, ctx.Err()
	}
	o.Verdict = Changed
	if !detailed {
		return o, nil
	}
	return o, o.detail(finishedBefore, finished)
}

// sameTree is true where both make the same Job, whatever it is.
func sameTree(before, after *templating.Rendered) bool {
	return maps.Equal(before.Defaulted, after.Defaulted) &&
		value.Equal(before.Configuration, after.Configuration)
}

// detail works out the differences; before is nil where there was no Job.
func (o *Outcome) detail(before, after *manifest.Finished) error {
	o.Detailed = true
	var documents [2]any
	var texts [2]string
	for i, finished := range []*manifest.Finished{before, after} {
		if finished == nil {
			continue
		}
		document, err := Document(finished)
		if err != nil {
			return err
		}
		text, err := templating.EncodeYAML(document)
		if err != nil {
			return err
		}
		documents[i], texts[i] = document, string(text)
	}
	o.Changes = templating.Diff(documents[0], documents[1])
	o.Text = udiff.Unified("before", "after", texts[0], texts[1])
	return nil
}
