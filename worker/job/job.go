package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/berth-dev/berth/server/api"
)

// Ref names one attempt: the run and the attempt's number, from 1. The labels of a Job hold both.
type Ref struct {
	RunID   uuid.UUID
	Attempt int
}

func (r Ref) String() string { return fmt.Sprintf("%s/%d", r.RunID, r.Attempt) }

// Attempt holds everything that a runtime needs to run one attempt.
type Attempt struct {
	Ref
	// Manifest is the finished Job: named, labelled, with our finalizer. It is read-only.
	Manifest *batchv1.Job
	// Container is the name of the job container within Manifest.
	Container string
	// Secret holds the data that Manifest refers to by name only; nil if it refers to none.
	Secret *Secret
	// StreamOutput says whether output is followed while the container runs.
	StreamOutput bool
	// OutputOffset is the number of bytes of output that the server already has. After a takeover, following
	// continues from there. OutputPosition is what the runtime said with the last of them (Output.Position).
	OutputOffset   int64
	OutputPosition string
	// MayExist: an earlier holder may have created the Job, perhaps in another namespace, and nothing is known of it.
	// Launch and Adopt look for it by its labels.
	MayExist bool
	// HoldsLease reports whether a Job may be created now: by our own clock the lease lasts, with a margin,
	// and nothing has ended the attempt. Launch calls it immediately before it creates the Job.
	HoldsLease func() bool
	// LeaseEnds is until when the lease lasts by our own clock: a request that creates the Job ends by then. Nil if
	// nothing is created after HoldsLease by a request that may take long.
	LeaseEnds func() time.Time
	// Judge refuses to create a Job whose manifest an earlier holder of the attempt made; nil where the manifest
	// has been judged. Launch asks before it creates the Job. A Job that exists was judged before its creation.
	Judge func(context.Context) error
}

// Secret is data made for one attempt; it lives as long as the attempt's Job. It prints as its name.
type Secret struct {
	Name string
	Data map[string]string
}

func (s *Secret) String() string { return "secret " + s.Name }

// GoString keeps the data out of output formatted with %#v.
func (s *Secret) GoString() string { return s.String() }

// LogValue keeps the data out of logs.
func (s *Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Launched describes the Job that Launch created or adopted.
type Launched struct {
	Namespace, Name, UID string
	// Adopted is true if the Job existed already and belongs to this attempt.
	Adopted bool
}

// Phase of an attempt as observed by its runtime.
type Phase string

// Phases, in order. A suspended Job counts as pending.
const (
	Pending Phase = "pending"
	Running Phase = "running"
	Ended   Phase = "ended"
)

// Observation describes an attempt at one moment. It is complete: the newest one replaces all earlier ones.
type Observation struct {
	Phase Phase
	UID   string // of the Job
	Node  string

	// Diagnosis explains why a pending attempt waits; empty if there is no known reason.
	Diagnosis string
	// RunningSince is set once the container has started.
	RunningSince *time.Time
	// Indexes is how the indexes of an Indexed Job stand; nil for other Jobs.
	Indexes *api.AttemptIndexes

	// The fields below are set when Phase is Ended.

	EndedAt   *time.Time
	Succeeded bool
	Category  api.Category // empty if Succeeded
	ExitCode  *int32
	Message   string
	// Final: the run ends, whatever retries are left.
	Final bool
	// LastLines is the end of the output, at most a few KiB; empty if it could not be read.
	LastLines string
	// Image is the image of the job container as its node ran it, with its digest; empty if it is not known.
	Image string
	// LinesFollow: Handler.LastLines is called with them soon. The end is told first, as logs may hang.
	LinesFollow bool
}

// Output is a part of an attempt's output.
type Output struct {
	Offset int64 // of the first byte
	Text   []byte
	// Position is how far the runtime has read its source with this text, for the worker that takes the attempt over:
	// at most 1000 bytes, or empty. The server stores it with the text.
	Position string
}

// Drained is an attempt whose Job a drain has ended.
type Drained struct {
	Ref
	Pool string
	UID  string
}

// Object is the Job of an attempt as it exists at a runtime. An empty UID means any Job of the attempt.
type Object struct {
	Ref
	UID string
	// Deleting is true if the Job is being deleted and only finalizers keep it.
	Deleting bool
}

// Handler receives what a runtime observes. Its methods may be called from any goroutine.
type Handler interface {
	// Observed is called whenever the observation of an attempt may have changed. It does not block; calls
	// for the same attempt are in order.
	Observed(ref Ref, observed Observation)
	// Output hands over output of an attempt. It blocks while the server cannot keep up, which bounds memory. It
	// returns an error when ctx ends or the output is no longer wanted. Output may follow the Ended observation,
	// until Finalize has returned. Bytes that were handed over before are dropped.
	Output(ctx context.Context, ref Ref, output Output) error
	// LastLines completes the Ended observation of an attempt that promised it (LinesFollow).
	LastLines(ref Ref, text string)
	// Discovered is called for a Job with our labels that this runtime neither launched nor adopted.
	Discovered(object Object)
	// Gone is called when a discovered Job no longer exists, because another worker finalized it.
	Gone(object Object)
	// AccessChanged is called when the runtime has lost or regained access to a part of its infrastructure, and
	// before Run says that it is ready if some part cannot be reached from the start.
	AccessChanged(access Access)
}

// Access says what of its infrastructure a runtime cannot reach. The zero value means that it reaches all.
type Access struct {
	// Err is why no Job can be created or observed anywhere; nil while some part can be served.
	Err error
	// Lost says why, for each namespace that cannot be served.
	Lost map[string]error
}

// Runtime runs attempts on one kind of infrastructure.
type Runtime interface {
	// Type is the type of work pool that the runtime serves: "kubernetes" or "process".
	Type() string
	// Identify finds out which cluster or host it is. It is called before everything below, and again after an error,
	// which may pass.
	Identify(ctx context.Context) error
	// ClusterID identifies the cluster or host that attempts live in. Only workers with the same ID take over
	// each other's attempts.
	ClusterID() string
	// ClusterObjects are UIDs of objects of the cluster, by name, which differ where two clusters have the same ID.
	ClusterObjects() map[string]string
	// Namespaces lists the namespaces in which the runtime may create Jobs; empty means all.
	Namespaces() []string
	// DefaultNamespace is used for manifests without a namespace.
	DefaultNamespace() string
	// Run observes the Jobs of the installation until ctx ends. It returns after everything it started has
	// ended, and closes ready after its first complete resync. Stopping is not a cancel: Jobs run on, except
	// for the processes of a process runtime, which cannot outlive their worker.
	Run(ctx context.Context, installation uuid.UUID, h Handler, ready chan<- struct{}) error
	// Launch makes the attempt's Job exist exactly once, or adopts the existing one, and observes it from
	// then on. It waits out temporary failures until ctx ends. A *Refused error is final. ErrLeaseLost and
	// *Declined (wrapped or not) promise that this call created nothing; any other error leaves that open.
	Launch(ctx context.Context, a Attempt) (Launched, error)
	// Adopt observes an attempt whose Job was created earlier, by this worker or another. If the Job no
	// longer exists, Adopt succeeds and the observation is Ended with category deleted.
	Adopt(ctx context.Context, a Attempt) error
	// Unobserved returns for how long the runtime has not been able to observe what there may be of the attempt;
	// 0 if it can.
	Unobserved(ref Ref) time.Duration
	// Cancel ends the attempt. Its end is then observed with category cancelled, or with the category of
	// another end that came first.
	Cancel(ctx context.Context, ref Ref) error
	// Finalize takes our finalizer off the Job of an attempt whose outcome is recorded and sets its TTL. It
	// first ends what still runs of the Job, and may wait some time for output that is not handed over yet.
	// It may be repeated, and depends on no pool, flag or template.
	Finalize(ctx context.Context, object Object) error
	// FinalizeUnknown finalizes a Job that the server does not know. The Job runs on where it can (a process
	// cannot), because the server's database may have been restored from an older backup.
	FinalizeUnknown(ctx context.Context, object Object) error
	// DeleteDuplicate deletes and finalizes a Job that the server refused because the attempt has another
	// one.
	DeleteDuplicate(ctx context.Context, object Object) error
	// Disown stops observing an attempt that another worker holds. Nothing in the cluster changes.
	Disown(ref Ref)
	// Drain ends (or keeps) the installation's Jobs in the namespaces served and finalizes them. It needs no
	// server. It returns the attempts whose Jobs it has ended before they had ended themselves.
	Drain(ctx context.Context, installation uuid.UUID, keep bool) ([]Drained, error)
}

// DryRunner is a Runtime that can ask its infrastructure whether it would take the Job of an attempt.
type DryRunner interface {
	// DryRun asks about the Job as Launch would create it, and about what comes with it, and creates nothing. The errors
	// are those of Launch. What the infrastructure refuses is an answer and no error.
	DryRun(ctx context.Context, a Attempt) (DryRun, error)
}

// DryRun is what the infrastructure said.
type DryRun struct {
	Namespace string
	// Objects are those asked about, the Job first.
	Objects []api.ObjectDryRun
}

// Refused is the error of a launch that can never succeed: the Job cannot be created from its manifest.
type Refused struct {
	Category api.Category
	Message  string // what failed and what to do
	Err      error
	// RuleFindings are what rules said of the Job, where one of them refuses it.
	RuleFindings []api.RuleFinding
}

func (e *Refused) Error() string { return e.Message }
func (e *Refused) Unwrap() error { return e.Err }

// Declined is the error of a launch that this worker cannot carry out and another worker may: it has lost the
// access to its cluster, or the Job belongs where it may not go. This call created nothing.
type Declined struct {
	Message string // why
	// Namespace of the Job, if this worker does not serve it; else empty.
	Namespace string
}

func (e *Declined) Error() string { return e.Message }

// ErrLeaseLost is returned by Launch if HoldsLease reported false and nothing was created.
var ErrLeaseLost = errors.New("the lease of the attempt is lost")
