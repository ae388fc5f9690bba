// Package prepare turns a claim into a Job manifest that is ready to be launched.
//
// The first holder of an attempt renders its template; a later one restores the manifest that the server
// keeps, so that all of them send the same bytes. If the server has none, the later one renders too, and looks for the
// Job of the earlier one before it creates one. Errors that no retry would change are a [*job.Refused],
// which ends the attempt.
package prepare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
	"github.com/berth-dev/berth/templating/rule"
	"github.com/berth-dev/berth/worker/held"
	"github.com/berth-dev/berth/worker/job"
)

// Options are the worker's own part of a manifest.
type Options struct {
	Installation uuid.UUID
	// Worker is its name.
	Worker string
	// Namespace of manifests that have none.
	Namespace string
	// TemplateEnv is the part of the worker's environment that templates may read.
	TemplateEnv map[string]string
	// EnvAsSecret keeps the values of environment variables out of every manifest.
	EnvAsSecret bool
	// ServiceAccount is what Jobs run as whose template names none.
	ServiceAccount string
	// Protected is what no Job may refer to.
	Protected reference.Protected
	// JobAPI says how jobs call the API; nil if they may not. With JobKeys each attempt has its own key.
	JobAPI  *manifest.APIAccess
	JobKeys bool
	// ClusterConfig is what templates call the worker's cluster; nil for the cluster the worker runs in.
	ClusterConfig *manifest.SecretReference

	Templates *templating.Cache
	// FetchTemplate returns the document of a template version. It retries what may pass.
	FetchTemplate func(ctx context.Context, version uuid.UUID) ([]byte, error)
	// Rules are compiled rule sets; FetchRuleSet returns one and retries what may pass.
	Rules        *rule.Cache
	FetchRuleSet func(ctx context.Context, id uuid.UUID) (api.RuleSet, error)

	// Rendered and Failed are called for metrics.
	Rendered func(engine string, took time.Duration)
	Failed   func(kind string)

	Log *slog.Logger
	Now func() time.Time
}

// Preparer prepares the attempts of one worker.
type Preparer struct{ Options }

// New returns a preparer.
func New(o Options) *Preparer { return &Preparer{o} }

// Prepared is an attempt that is ready to be launched or adopted.
type Prepared struct {
	Attempt job.Attempt
	// Manifest as the server keeps it.
	Manifest    json.RawMessage
	Limits      held.Limits
	FailEvicted bool
	// RuleFindings are what rules said of the Job and let pass.
	RuleFindings []api.RuleFinding
	// Restored is true if an earlier holder reported the manifest, so that a Job may exist.
	Restored bool
	// UID of the Job if an earlier holder reported it; such an attempt is adopted.
	UID string
	// StartBy is when launching is given up; zero is never.
	StartBy time.Time
}

// Job is where the Job is or will be.
func (p Prepared) Job() job.Launched {
	return job.Launched{Namespace: p.Attempt.Manifest.Namespace, Name: p.Attempt.Manifest.Name, UID: p.UID}
}

// Prepare renders the manifest of an attempt or restores it.
func (p *Preparer) Prepare(ctx context.Context, c api.Claim) (Prepared, error) {
	if !held.HasManifest(c) {
		return p.render(ctx, c)
	}
	prepared, err := Restore(c)
	if err != nil || prepared.UID != "" {
		return prepared, err
	}

	// The Job may have to be created, with its Secret.
	prepared.Attempt.Judge = p.judgeRestored(c, prepared.Attempt.Manifest)
	name := prepared.Attempt.Manifest.Annotations[manifest.AnnotationSecret]
	prepared.Attempt.Secret, err = p.restoreSecret(ctx, c, name)
	return prepared, err
}

func (p *Preparer) render(ctx context.Context, c api.Claim) (Prepared, error) {
	finished, err := p.build(ctx, c)
	if err != nil {
		return Prepared{}, p.refuse(err)
	}
	return p.finish(ctx, c, finished)
}

// finish makes a Job that was rendered just now ready to be launched.
func (p *Preparer) finish(ctx context.Context, c api.Claim, finished *manifest.Finished) (Prepared, error) {
	for _, warning := range finished.Warnings {
		p.Log.Warn("template has a problem",
			"run", c.RunID, "attempt", c.Attempt, "warning", warning.String())
	}

	// The Job ends itself at the run's timeout, whether or not a worker observes it then.
	limitDeadline(finished.Job, c.TimeoutSeconds, finished.Timeout)
	said, err := p.checkRules(ctx, c, finished)
	if err != nil {
		return Prepared{}, p.refuse(err)
	}
	raw, err := json.Marshal(finished.Job)
	if err != nil {
		return Prepared{}, invalid(err, "cannot encode the manifest: %v", err)
	}
	prepared := Prepared{
		Manifest:    raw,
		Limits:      limitsOf(finished),
		FailEvicted: finished.Policy.FailEvicted,

		RuleFindings: said,
		StartBy:      earliest(c.StartDeadline, finished.StartDeadline, p.Now()),
		Attempt: job.Attempt{
			Ref:          refOf(c),
			Manifest:     finished.Job,
			Container:    finished.JobContainer,
			StreamOutput: finished.StreamOutput,
			Secret:       secretOf(finished),
			MayExist:     c.Takeover,
		},
	}
	prepared.resume(c)
	return prepared, nil
}

// Restore reads the manifest that an earlier holder of the attempt reported.
func Restore(c api.Claim) (Prepared, error) {
	restored := &batchv1.Job{}
	if err := json.Unmarshal(c.Manifest, restored); err != nil {
		return Prepared{}, invalid(err, "cannot read the stored manifest: %v", err)
	}
	policy, err := manifest.PolicyOf(restored.Annotations)
	if err != nil {
		return Prepared{}, invalid(err, "cannot read the policy of the stored manifest: %v", err)
	}

	prepared := Prepared{
		Manifest:    c.Manifest,
		FailEvicted: policy.FailEvicted,
		Restored:    true,
		StartBy:     earliest(c.StartDeadline, nil, time.Time{}),
		Attempt: job.Attempt{
			Ref:          refOf(c),
			Manifest:     restored,
			Container:    restored.Annotations[manifest.AnnotationJobContainer],
			StreamOutput: restored.Annotations[manifest.AnnotationStreamOutput] != "false",
		},
	}
	prepared.resume(c)
	return prepared, nil
}

// resume takes over what an earlier holder of the attempt reported beside the manifest.
func (p *Prepared) resume(c api.Claim) {
	p.Attempt.OutputOffset = held.StoredOutput(c)
	if c.OutputPosition != nil {
		p.Attempt.OutputPosition = *c.OutputPosition
	}
	if c.JobUID != nil {
		p.UID = *c.JobUID
	}
}

// restoreSecret makes the Secret of a restored manifest. The server never had its data, but the same render
// input gives the same values.
func (p *Preparer) restoreSecret(ctx context.Context, c api.Claim, name string) (*job.Secret, error) {
	if name == "" {
		return nil, nil
	}
	finished, err := p.build(ctx, c)
	if err != nil {
		return nil, p.refuse(err)
	}
	secret := secretOf(finished)
	if secret == nil || secret.Name != name {
		return nil, invalid(nil, "the manifest refers to Secret %q, which this worker does not create: "+
			"start it with the --env-as-secret and --create-job-api-key-secret of the earlier worker", name)
	}
	return secret, nil
}

func refOf(c api.Claim) job.Ref { return job.Ref{RunID: c.RunID, Attempt: int(c.Attempt)} }

func secretOf(f *manifest.Finished) *job.Secret {
	if f.Secret == nil {
		return nil
	}
	return &job.Secret{Name: f.Secret.Name, Data: f.Secret.Data}
}

func invalid(err error, format string, args ...any) *job.Refused {
	return &job.Refused{Category: api.CategoryInvalid, Message: fmt.Sprintf(format, args...), Err: err}
}

// templateError is a failure of a template, or of its input, that no retry would change.
type templateError struct {
	kind     string // fetch, parse, compile, input, render, manifest or rule
	err      error
	findings []api.RuleFinding // of rules that refuse the Job
}

// ErrorKinds are the kinds of template errors, as Failed gets them.
func ErrorKinds() []string {
	return []string{"fetch", "parse", "compile", "input", "render", "manifest", kindRule}
}

// kindRule is a Job that a rule refuses.
const kindRule = "rule"

func (e *templateError) Error() string {
	switch e.kind {
	case "manifest":
		return fmt.Sprintf("the rendered template is not a valid Job: %v", e.err)
	case kindRule:
		return fmt.Sprintf("the Job is refused: %v", e.err)
	case "fetch":
		return fmt.Sprintf("cannot fetch the template: %v", e.err)
	case "input":
		return fmt.Sprintf("cannot read the render input: %v", e.err)
	case "render":
		return fmt.Sprintf("the template does not render: %v", e.err)
	}
	return fmt.Sprintf("the template does not compile: %v", e.err)
}

func (e *templateError) Unwrap() error { return e.err }

// refuse makes a template error final and counts it. Other errors are temporary.
func (p *Preparer) refuse(err error) error {
	var failed *templateError
	if !errors.As(err, &failed) {
		return err
	}
	p.Failed(failed.kind)
	category := api.CategoryTemplate
	if failed.kind == "manifest" || failed.kind == kindRule {
		category = api.CategoryInvalid
	}
	return &job.Refused{Category: category, Message: failed.Error(), Err: err, RuleFindings: failed.findings}
}
