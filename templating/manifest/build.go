package manifest

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// Identity is whose Job it is: what goes into its name, labels, annotations and environment.
type Identity struct {
	Installation uuid.UUID
	RunID        uuid.UUID
	RunName      string
	Attempt      int
	Pool         string
	Queue        string
	Deployment   string
	LeaseEpoch   int64
	// TemplateVersion is the version of the base job template that was rendered.
	TemplateVersion int
	// Parameters are the run's parameters, JSON; empty means {}.
	Parameters json.RawMessage
	// ScheduledTime and Timezone are those of the run, as in templating.RunContext.
	ScheduledTime time.Time
	Timezone      string
	// Namespace is where the Job goes if the template does not say.
	Namespace string
	// EnvAsSecret keeps the values of environment variables out of the manifest, whatever the template says.
	EnvAsSecret bool
	// API is set where the pool lets its jobs call the API.
	API *APIAccess
	// ServiceAccount is what the pods run as where the template names none; empty means the namespace's
	// default.
	ServiceAccount string
	// Allowed is the pool's list of what job variables may refer to. Without a list (nil), as for a template
	// that belongs to no pool, references are not judged by where they come from.
	Allowed *reference.Allowed
	// WorkerNamespaces are those of the workers of which one will create the Job, where that is not known;
	// each is as right as Namespace. AnyNamespace leaves the judgement of the Job's namespace to the worker.
	WorkerNamespaces []string
	AnyNamespace     bool
	// Protected is what no Job may refer to.
	Protected reference.Protected
}

// APIAccess is what a job needs to call the API. The key itself is never in the manifest.
type APIAccess struct {
	URL string
	// SecretName and SecretKey are where the key is. Both or neither are given.
	SecretName string
	SecretKey  string
	// Key is one of the attempt's own; it goes into the Secret of the attempt.
	Key string
}

// SecretReference is a key of a Secret.
type SecretReference struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

// Finished is a Job that is ready to be created, and what the template asks of the worker beside it.
type Finished struct {
	Job *batchv1.Job
	// JobContainer is the container whose exit is the run's.
	JobContainer string
	// StreamOutput is false where the template switches following the logs off.
	StreamOutput bool
	// Timeout is the longest that the run may take, StartDeadline the longest until its pod has started; nil
	// means the pool's.
	Timeout       *time.Duration
	StartDeadline *time.Duration
	// InfrastructureRetries is the retry budget for failures that are not the workload's; nil means the
	// deployment's.
	InfrastructureRetries *int
	// ClusterConfig is the kubeconfig of the cluster that the Job goes to; nil means the worker's.
	ClusterConfig *SecretReference
	// Policy is how the run is looked after.
	Policy Policy
	// Secret is what the Job refers to and does not show; nil where there is nothing. It has to exist, owned
	// by the Job, for the pod to start.
	Secret *Sealed
	// FromWorker is what the template leaves to the worker that creates the Job.
	FromWorker FromWorker
	// Warnings are what is valid, but likely not meant.
	Warnings templating.Problems
}

// FromWorker is what of a Job are the worker's own values.
type FromWorker struct {
	// Namespace and ServiceAccount are fields for which the template has no value.
	Namespace, ServiceAccount bool
	// Values is true where the template reads the name of the worker or its environment.
	Values bool
}

// builder carries one build through its steps.
type builder struct {
	id            Identity
	configuration map[string]any
	defaulted     map[string]bool
	finished      *Finished
	rendered      *templating.Rendered // nil where the tree was written by hand
	written       *written             // what of the Job is the template's, once asked for
	tree          map[string]any       // the Job before it is decoded
	job           *batchv1.Job
	name          string // readable part of the Job's name, where the template gives one
	problems      templating.Problems
}

// Build makes the finished Job of an attempt. What cannot be made valid comes back as templating.Problems
// with pointers into the template; such an attempt fails for good, trying again would change nothing.
func Build(r *templating.Rendered, id Identity) (*Finished, error) {
	b := build(r, id)
	if len(b.problems) > 0 {
		return nil, b.problems
	}
	return b.finished, nil
}

// build goes through all steps as far as they can be gone, so that everything is said at once.
func build(r *templating.Rendered, id Identity) *builder {
	b := &builder{
		id: id, configuration: r.Configuration, defaulted: r.Defaulted, rendered: r,
		finished: &Finished{StreamOutput: true},
	}
	b.finished.FromWorker.Values = r.ReadsWorker()
	b.finished.Warnings = slices.Clone(r.Warnings)
	b.readConfiguration()
	if tree, ok := b.manifestTree(); ok {
		b.tree = b.reshape(tree)
		job, problems := decodeJob(b.tree, manifestPointer)
		b.hintTypes(problems)
		b.problems = append(b.problems, problems...)
		b.job, b.finished.Job = job, job
		b.keepDollars()
		b.own()
		b.govern()
		if len(problems) < maxProblems { // else what is there is not all that was written
			b.problems = append(b.problems, validate(job, problems)...)
		}
	}
	sortProblems(b.problems)
	sortProblems(b.finished.Warnings)
	return b
}

func sortProblems(problems []templating.Problem) {
	slices.SortStableFunc(problems, func(x, y templating.Problem) int {
		return cmp.Or(cmp.Compare(x.Pointer, y.Pointer), cmp.Compare(x.Message, y.Message))
	})
}

func (b *builder) fail(code string, at pointer, format string, args ...any) *templating.Problem {
	return keep(&b.problems, problem(code, at.String(), format, args...))
}

func (b *builder) warn(code string, at pointer, format string, args ...any) *templating.Problem {
	return keep(&b.finished.Warnings, warning(code, at.String(), format, args...))
}

// own makes the Job Berth's: what is ours alone is set whatever the template says, elsewhere the template
// wins.
func (b *builder) own() {
	b.ownMetadata()
	b.ownLabels()
	b.ownSpec()
	b.ownContainers()
	largest := b.checkProgramSizes()
	b.ownKey()
	asSecret := b.id.EnvAsSecret || b.finished.Policy.EnvAsSecret
	if asSecret && largest <= maxSealed { // a larger value has been refused, and may be too large to build
		b.sealEnv()
	}
	b.ownPolicy()
}

// ownPolicy records in annotations what a worker that takes the attempt over has to know.
func (b *builder) ownPolicy() {
	text, err := b.finished.Policy.annotation()
	if err != nil {
		b.fail(templating.CodeInvalid, at(keyPolicy), "cannot be encoded: %v", err)
	}
	if text != "" {
		b.job.Annotations[AnnotationPolicy] = text
	}
	if b.finished.Secret != nil {
		b.job.Annotations[AnnotationSecret] = b.finished.Secret.Name
	}
}

// ownMetadata sets what identifies the Job, and clears what only a server may set.
func (b *builder) ownMetadata() {
	meta := &b.job.ObjectMeta
	readable := cmp.Or(Slug(meta.Name, maxReadable), Slug(meta.GenerateName, maxReadable),
		Slug(b.name, maxReadable), b.id.RunName)
	meta.Name = JobName(readable, b.id.RunID, b.id.Attempt)
	meta.GenerateName = ""
	if meta.Namespace == "" {
		meta.Namespace = b.namespace()
	}
	if meta.Namespace == "" {
		meta.Namespace, b.finished.FromWorker.Namespace = b.id.Namespace, true
	}
	if !slices.Contains(meta.Finalizers, Finalizer) {
		meta.Finalizers = append(meta.Finalizers, Finalizer)
	}
	b.job.APIVersion, b.job.Kind = "batch/v1", "Job"
}

// jobContainer is the first container of the template.
func (b *builder) jobContainer() *corev1.Container {
	if b.job == nil {
		return nil
	}
	containers := b.job.Spec.Template.Spec.Containers
	if len(containers) == 0 {
		return nil
	}
	return &containers[0]
}

// Equal reports whether two finished Jobs are the same to a cluster, and ask the same of the worker. Warnings
// do not count.
func (f *Finished) Equal(other *Finished) bool {
	return f.JobContainer == other.JobContainer && f.StreamOutput == other.StreamOutput &&
		equalPointers(f.Timeout, other.Timeout) && equalPointers(f.StartDeadline, other.StartDeadline) &&
		equalPointers(f.InfrastructureRetries,
			other.InfrastructureRetries) && equalPointers(f.ClusterConfig, other.ClusterConfig) &&
		equality.Semantic.DeepEqual(f.Secret, other.Secret) &&
		// Most differences are in the containers, and the sooner one is found the better.
		equality.Semantic.DeepEqual(f.Job.Spec.Template.Spec.Containers,
			other.Job.Spec.Template.Spec.Containers) &&
		equality.Semantic.DeepEqual(f.Job, other.Job)
}

func equalPointers[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
