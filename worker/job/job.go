package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
)

// Ref names one attempt: the run and the attempt's number, from 1. It is what the labels of a Job hold.
type Ref struct {
	RunID   uuid.UUID
	Attempt int
}

func (r Ref) String() string { return fmt.Sprintf("%s/%d", r.RunID, r.Attempt) }

// Attempt is what a runtime needs to run one attempt.
type Attempt struct {
	Ref
	// Manifest is the finished Job: named, labelled, with our finalizer. Nobody changes it any more.
	Manifest *batchv1.Job
	// Container is the name of the job container within Manifest.
	Container string
	// Secret is what the manifest refers to and does not show; nil where there is nothing.
	Secret *Secret
	// StreamOutput says whether output is followed while the container runs.
	StreamOutput bool
	// OutputOffset is how many bytes of output the server already has; following goes on from there after a
	// takeover.
	OutputOffset int64
	// HoldsLease reports whether the lease is still ours by our own clock, with a margin. Launch asks just
	// before it creates.
	HoldsLease func() bool
}

// Secret is data that is made for one attempt and lives as long as its Job. It prints as its name.
type Secret struct {
	Name string
	Data map[string]string
}

func (s *Secret) String() string   { return "secret " + s.Name }
func (s *Secret) GoString() string { return s.String() }

// LogValue keeps the data out of any log.
func (s *Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Launched is what Launch made, or found to be there already.
type Launched struct {
	Namespace, Name, UID string
	// Adopted is true when the Job was there already and is this attempt's.
	Adopted bool
	// Gated is true where nothing of it runs before Grant, as far as is known.
	Gated bool
}

// Phase of an attempt as seen in the cluster.
type Phase string

// Phases, in the order of a life. Suspended counts as pending.
const (
	Pending Phase = "pending"
	Running Phase = "running"
	Ended   Phase = "ended"
)

// Category of an attempt's end; the words are those of the API.
type Category string

// Categories of an attempt's end.
const (
	App           Category = "app"
	OOM           Category = "oom"
	Evicted       Category = "evicted"
	Preempted     Category = "preempted"
	NodeLost      Category = "node_lost"
	Deadline      Category = "deadline"
	ImagePull     Category = "image_pull"
	Config        Category = "config"
	Unschedulable Category = "unschedulable"
	Quota         Category = "quota"
	Invalid       Category = "invalid"
	Template      Category = "template"
	Deleted       Category = "deleted"
	Cancelled     Category = "cancelled"
	Unknown       Category = "unknown"
)

// Observation is what can be seen of an attempt at one moment. It is complete: the newest one says all there
// is to say.
type Observation struct {
	Phase Phase
	UID   string // of the Job
	Node  string

	// Diagnosis says in words why a pending attempt waits; empty when there is nothing to say.
	Diagnosis string
	// RunningSince is set once the container has started.
	RunningSince *time.Time

	// The rest is set when Phase is Ended.
	EndedAt   *time.Time
	Succeeded bool
	Category  Category // empty when Succeeded
	ExitCode  *int32
	Message   string
	// LastLines is the end of the output, at most a few KiB, as far as it could be had.
	LastLines string
}

// Found is a Job of this installation that a runtime came upon.
type Found struct {
	Ref
	UID string
	// Deleting is true when somebody deletes it and only finalizers hold it.
	Deleting bool
}

// Handler receives what a runtime sees. Its methods may be called from any goroutine.
type Handler interface {
	// Observed is called whenever an attempt may look different. It does not block; calls for the same
	// attempt are in order.
	Observed(ref Ref, seen Observation)
	// Output hands over output of an attempt from the byte offset on. It blocks while the server can not keep
	// up, which bounds memory, and returns an error when ctx ends or the output is no longer wanted. It may
	// go on after the attempt was observed as ended, until Release has returned.
	Output(ctx context.Context, ref Ref, offset int64, text []byte) error
	// Found is called for a Job that carries our labels and that was not launched or adopted through this
	// runtime.
	Found(found Found)
	// Gone is called when a Job that was found is not there any more: somebody else has let go of it.
	Gone(found Found)
}

// Runtime runs attempts on one kind of infrastructure.
type Runtime interface {
	// Type is the type of work pool it serves: "kubernetes" or "process".
	Type() string
	// ClusterID names the cluster or host that attempts live in. Only workers with the same id take attempts
	// over.
	ClusterID() string
	// Namespaces is where it may create Jobs; empty means everywhere.
	Namespaces() []string
	// DefaultNamespace is for manifests that name none.
	DefaultNamespace() string
	// Run observes until ctx ends and returns after all it started has ended. What runs, runs on: stopping is
	// no cancel (except for processes of a process runtime, which can not outlive their worker). The runtime
	// is told the installation whose Jobs it looks after. Ready is closed once the first full look at the
	// infrastructure is done.
	Run(ctx context.Context, installation uuid.UUID, h Handler, ready chan<- struct{}) error
	// Launch makes the attempt's Job exist exactly once, or adopts the one that is there, and begins to
	// observe it. It waits out what is temporary until ctx ends. A *Refused error is final. Where HoldsLease
	// said no it returns ErrNotHeld (wrapped or not), which promises that this call created nothing; after
	// any other error that is open.
	Launch(ctx context.Context, a Attempt) (Launched, error)
	// Grant lets a gated Job run: the server has taken note of it as the attempt's one. It is safe to repeat,
	// and to do for a Job that is not gated or not there any more.
	Grant(ctx context.Context, found Found) error
	// Adopt begins to observe an attempt whose Job was created earlier, by whomever. When its Job is not
	// there any more, that is an observation (Ended, Deleted).
	Adopt(ctx context.Context, a Attempt) error
	// Cancel ends the attempt: its end is observed as Ended with category Cancelled, or as what it was when
	// it was faster.
	Cancel(ctx context.Context, ref Ref) error
	// Release lets go of an attempt whose outcome is recorded: finalizer off, TTL set. What still runs of it,
	// which nobody counts on any more, is ended first. It is safe to repeat, and knows nothing of pools,
	// flags or templates. It may wait some time for output that is not handed over yet.
	Release(ctx context.Context, found Found) error
	// Disown lets go of a Job that the server does not know: it may be somebody's whose database was
	// restored, so it runs on where it can (a process can not).
	Disown(ctx context.Context, found Found) error
	// Discard deletes a Job that lost the race for its attempt and releases it.
	Discard(ctx context.Context, found Found) error
	// Forget stops observing an attempt that another worker now holds, and touches nothing.
	Forget(ref Ref)
	// Drain ends (or keeps) this installation's Jobs in the namespaces served and releases them; it needs no
	// server.
	Drain(ctx context.Context, installation uuid.UUID, keep bool) error
}

// Refused is a launch that will never work: the manifest can not be created as it is.
type Refused struct {
	Category Category
	Message  string // with a hint what to do
	Err      error
}

func (e *Refused) Error() string { return e.Message }
func (e *Refused) Unwrap() error { return e.Err }

// ErrNotHeld is returned by Launch where HoldsLease said no and nothing was created.
var ErrNotHeld = errors.New("the lease of the attempt is not held any more")
