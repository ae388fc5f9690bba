package store

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/lifecycle"
)

// JSON documents are kept as the bytes they came in: numbers and key order are the author's.

// Pool is a work pool.
type Pool struct {
	ID               uuid.UUID
	Name             string
	Type             string // kubernetes or process
	Description      string
	ConcurrencyLimit *int32 // nil: no limit; 0: none at all
	Paused           bool
	Pause            *Pause // nil unless paused
	TemplateVersion  int32  // the newest
	SlotsUsed        int32
	CreatedAt        time.Time
	Project          string // whose berth.yaml describes it; empty for none
	UpdatedAt        time.Time
	// RunTokenAudiences are the audiences for which its jobs may get run tokens; empty: none.
	RunTokenAudiences []string
	// References are what job variables may refer to in the cluster: a reference.Allowed as JSON; nil is none.
	References json.RawMessage
	// Approvals says which changes another person must approve.
	Approvals ApprovalPolicy
	// OpenApprovals is how many requests wait for an approver.
	OpenApprovals int32
}

// NewPool is what it takes to create a pool. Its default queue and first template version come with it.
type NewPool struct {
	Name             string
	Type             string
	Description      string
	ConcurrencyLimit *int32
	Paused           bool
	Template         TemplateDocument
	// RunTokenAudiences, References and Approvals as in Pool.
	RunTokenAudiences []string
	References        json.RawMessage
	Approvals         ApprovalPolicy
}

// PoolUpdate holds the fields to change; nil leaves a field as it is.
type PoolUpdate struct {
	Description        *string
	ConcurrencyLimit   *int32
	NoConcurrencyLimit bool
	Pause              *PauseChange
	RunTokenAudiences  *[]string
	References         json.RawMessage
	Approvals          *ApprovalPolicy
}

// TemplateDocument is a base job template that has passed its lint.
type TemplateDocument struct {
	Document json.RawMessage
	// Source is the text that the document was read from, YAML or JSON; empty if it was sent as a document.
	Source string
	// Comment says what the version is for.
	Comment string
	// StoredNames are the stored variables that the template itself refers to.
	StoredNames []string
	// Reaches say, for the audit, through which job variables a reference can reach the Job.
	Reaches []string
}

// TemplateVersion is one immutable version of a pool's template. Versions count from 1 within the pool.
type TemplateVersion struct {
	ID        uuid.UUID
	PoolID    uuid.UUID
	Pool      string
	Version   int32
	Document  json.RawMessage // nil in lists
	Comment   string
	CreatedAt time.Time
	CreatedBy string
}

// Queue is a part of a pool, with a priority and a limit.
type Queue struct {
	ID               uuid.UUID
	Pool             string
	Name             string
	Priority         int32
	ConcurrencyLimit *int32
	Objective        time.Duration // the longest that a due run is to wait, for alerts; 0: none
	Paused           bool
	Pause            *Pause // nil unless paused
	SlotsUsed        int32
}

// Deployment is a named job definition that runs are created from.
type Deployment struct {
	ID               uuid.UUID
	Name             string
	Pool             string
	Queue            string
	Version          string
	Description      string
	Tags             []string
	JobVariables     json.RawMessage // object
	Parameters       json.RawMessage // object
	ParameterSchema  json.RawMessage // object or nil
	FrozenVariables  []string        // job variables that runs may not override
	FrozenParameters []string
	ConcurrencyLimit *int32
	Timeout          *time.Duration
	StartDeadline    *time.Duration
	Retries          lifecycle.RetryPolicy
	Paused           bool
	Pause            *Pause // nil unless paused
	CreatedAt        time.Time
	Project          string // whose berth.yaml describes it; empty for none
	UpdatedAt        time.Time
	// Revision changes with everything that a run takes over from its deployment, and with the pool.
	Revision uuid.UUID
}

// NewRun describes a run to create. The caller has validated it.
type NewRun struct {
	ID             uuid.UUID // zero: generated
	Deployment     string
	Name           string          // empty: generated
	Parameters     json.RawMessage // merged, as the container gets them
	JobVariables   json.RawMessage // the run's own layer
	StoredNames    []string        // stored variables that the deployment's and the run's values refer to
	Tags           []string        // the run's own; the deployment's are added
	ScheduledTime  *time.Time      // nil: now
	Timezone       string          // of the schedule; empty: UTC
	Delay          time.Duration   // from ScheduledTime until the run is due
	IdempotencyKey string          // empty: none
	// BodyHash tells one body from another under the same idempotency key.
	BodyHash string
	// Revision of the deployment that the run was validated against: where it is another by now, creating the
	// run is refused with RevisionChanged. Zero: not checked.
	Revision uuid.UUID
	// Traceparent is the span of the caller, as a header of W3C Trace Context; empty: none.
	Traceparent string
	// ScheduleID is the schedule that makes the run; zero: none.
	ScheduleID uuid.UUID
	// CallerKind and CallerRole are who creates the run, as rules see it.
	CallerKind string
	CallerRole string
	// RuleFindings are what rules said of the run.
	RuleFindings []RuleFinding
}

// Run is one execution of a deployment.
type Run struct {
	ID             uuid.UUID
	Name           string
	DeploymentID   uuid.UUID
	Deployment     string
	Pool           string
	Queue          string
	State          lifecycle.State
	Parameters     json.RawMessage
	JobVariables   json.RawMessage
	Tags           []string
	ScheduledTime  time.Time
	Timezone       string    // of the schedule that created it; empty: UTC
	DueAt          time.Time // ScheduledTime, or when the next retry is due
	CreatedAt      time.Time
	CreatedBy      string
	StartedAt      *time.Time
	EndedAt        *time.Time
	Attempt        int32 // number of the newest attempt; 0 before the first
	ExitCode       *int32
	Category       lifecycle.Category
	IdempotencyKey string
}

// Phase of an attempt.
type Phase = lifecycle.Phase

// Phases of an attempt.
const (
	PhaseClaimed    = lifecycle.PhaseClaimed
	PhaseSubmitting = lifecycle.PhaseSubmitting
	PhasePending    = lifecycle.PhasePending
	PhaseRunning    = lifecycle.PhaseRunning
	PhaseEnded      = lifecycle.PhaseEnded
)

// Attempt is one try of a run: exactly one Job.
type Attempt struct {
	ID              uuid.UUID
	RunID           uuid.UUID
	Number          int32
	Phase           Phase
	Worker          string
	ClusterID       string
	Epoch           int64
	LeaseExpiresAt  time.Time
	TemplateVersion int32
	JobNamespace    string
	JobName         string
	JobUID          string
	Node            string
	Diagnosis       string
	Raised          json.RawMessage // job variables that earlier attempts had too little of; nil: none
	ExitCode        *int32
	Category        lifecycle.Category
	Message         string
	LastLines       string
	// Image is the image that the node ran, with its digest; empty until the attempt has ended, and where it is not known.
	Image       string
	ClaimedAt   time.Time
	SubmittedAt *time.Time
	RunningAt   *time.Time
	EndedAt     *time.Time
	// Indexes is how the indexes of an Indexed Job stand, JSON; empty for other Jobs.
	Indexes json.RawMessage
}

// Event is one entry of a run's history. Seq counts from 1 without gaps per run.
type Event struct {
	Seq     int64
	At      time.Time
	Actor   string
	Attempt int32 // 0: not about an attempt
	State   lifecycle.State
	Message string
}

// Variable is a stored variable.
type Variable struct {
	Name      string
	Value     json.RawMessage
	Project   string // whose berth.yaml describes it; empty for none
	UpdatedAt time.Time
}

// Key is an API key; its secret is not kept, only its hash.
type Key struct {
	ID         string // the public part
	Name       string
	Bindings   []Binding
	Lapsed     []Binding // that do not count: their pool was deleted, and another one has its name now
	SecretHash string    // hex SHA-256
	CreatedAt  time.Time
	CreatedBy  string
	ExpiresAt  *time.Time
	LastUsedAt *time.Time
	RevokedAt  *time.Time
	// Owner is whose key it is; zero for a service account.
	Owner KeyOwner
	// Token is the token that the key was made for; its rule is empty for other keys.
	Token TokenIdentity
}

// KeyOwner is the person or the service account that a key goes back to.
type KeyOwner struct {
	Name string // as the audit names it
	Kind ActorKind
	ID   string // the subject of a person at the sign-in provider, or the ID of a key
}

// TokenIdentity is who presented a token of another issuer.
type TokenIdentity struct {
	Rule, Issuer, Subject string
	ID                    string // its jti; only the audit keeps it
}

// AllPools stands in a Binding for every pool.
const AllPools = "*"

// Binding is a role in one pool, or in AllPools.
type Binding struct {
	Role string
	Pool string
}

// Worker as it was last heard of.
type Worker struct {
	Name       string
	Pool       string
	Type       string
	ClusterID  string
	Version    string
	Namespaces []string
	// DefaultNamespace is that of Jobs whose template names none; empty where the worker has not said.
	DefaultNamespace string
	LastSeenAt       time.Time
	Paused           bool   // it claims nothing new
	Pause            *Pause // nil unless paused
	ActiveAttempts   int32
	// ClusterObjects are UIDs of objects of its cluster, by name. They tell clusters apart that have the same ID.
	ClusterObjects map[string]string
	// Lost is what of its cluster it cannot reach.
	Lost []LostNamespace
}

// LostNamespace is a namespace that a worker serves and cannot reach.
type LostNamespace struct {
	Namespace string `json:"namespace"` // * for all
	Reason    string `json:"reason"`
}

// Lease is a worker's right to act on an attempt while the epoch is the attempt's newest.
type Lease struct {
	AttemptID uuid.UUID
	Epoch     int64
}

// ClaimRequest asks for runs.
type ClaimRequest struct {
	RequestID uuid.UUID // the same id gets the same answer
	Pool      string
	Worker    string
	ClusterID string
	Max       int
	// MaxBytes bounds the documents of the answer, in bytes; one attempt is answered whatever its size. 0 is no bound.
	MaxBytes int
	Lease    time.Duration
	// JobKeys asks for a key for each attempt, for its workload.
	JobKeys bool
	// Session is that of the worker's process.
	Session uuid.UUID
	// Lost are the namespaces that the worker cannot reach; it takes over no attempts there.
	Lost []LostNamespace
}

// Claim is one attempt handed to a worker, with the render input fixed by its first claim.
type Claim struct {
	AttemptID           uuid.UUID
	Attempt             int32
	Epoch               int64
	RunID               uuid.UUID
	RunName             string
	DeploymentID        uuid.UUID
	Deployment          string
	DeploymentVersion   string
	Pool                string
	Queue               string
	ScheduledTime       time.Time
	Timezone            string // of the schedule that created the run; empty: UTC
	Tags                []string
	Parameters          json.RawMessage
	TemplateVersionID   uuid.UUID
	TemplateVersion     int32
	DeploymentVariables json.RawMessage
	RunVariables        json.RawMessage // including values that retries raised
	Frozen              json.RawMessage // job variables that the deployment freezes, by the keys of package freeze; nil: none
	Stored              json.RawMessage // stored variables as read at the first claim
	TimeoutLeft         *time.Duration
	StartDeadline       *time.Time
	Manifest            json.RawMessage // nil before one was reported
	JobUID              string
	Cancelling          bool
	Takeover            bool
	// ManifestFirst: the manifest is to be reported before the Job is created, because another worker that takes the
	// attempt over may not find the Job.
	ManifestFirst bool
	// OutputSize is how many bytes of its output are stored, OutputPosition the position that came with the last of them.
	OutputSize     int64
	OutputPosition string
	Repeated       bool // an earlier claim with this request ID returned it
	// Waited is for how long its run was due and had not been claimed; nil for attempts that were claimed before.
	Waited *time.Duration
	// JobKey is the attempt's API key, if the claim asked for one. Only its hash is stored.
	JobKey apikey.Key
}

// ReportKind says what a report is about.
type ReportKind = lifecycle.ReportKind

// Kinds of reports, in the order of an attempt's life.
const (
	ReportManifest   = lifecycle.ReportManifest
	ReportSubmitted  = lifecycle.ReportSubmitted
	ReportPending    = lifecycle.ReportPending
	ReportRunning    = lifecycle.ReportRunning
	ReportEnded      = lifecycle.ReportEnded
	ReportHandedBack = lifecycle.ReportHandedBack
)

// Report is what a worker says of an attempt.
type Report struct {
	Lease
	Kind         ReportKind
	Manifest     json.RawMessage
	JobNamespace string
	JobName      string
	JobUID       string
	Node         string
	Diagnosis    string
	At           *time.Time // when it happened in the cluster
	RenderedAt   *time.Time // with the manifest: when the worker had rendered it
	Outcome      lifecycle.Outcome
	LastLines    string
	Image        string // with ReportEnded: the image that the node ran, with its digest
	// Timeout and InfrastructureMax are the defaults of the template, reported with the manifest; the
	// deployment overrides them. nil: the template has none.
	Timeout           *time.Duration
	InfrastructureMax *int
	// RuleFindings are what rules said of the Job that was about to be created.
	RuleFindings []RuleFinding
	// Indexes is how the indexes of an Indexed Job stand, JSON; empty for other Jobs.
	Indexes json.RawMessage

	// unserved: the attempt is handed back for a namespace that no worker of the pool serves.
	unserved bool
}

// ReportStatus is the answer to a report.
type ReportStatus = lifecycle.ReportStatus

// Answers to a report.
const (
	ReportAccepted     = lifecycle.ReportAccepted
	ReportStale        = lifecycle.ReportStale
	ReportAlreadyEnded = lifecycle.ReportAlreadyEnded
	ReportDuplicateJob = lifecycle.ReportDuplicateJob
	ReportUnknown      = lifecycle.ReportUnknown
	ReportInvalid      = lifecycle.ReportInvalid
)

// ReportResult answers one report.
type ReportResult struct {
	Status  ReportStatus
	Message string
	// Change is the change by this report; nil for none, as for a repeated report. With several servers,
	// exactly one of them gets each change.
	Change *AttemptChange
}

// AttemptChange is the change of an attempt by a report.
type AttemptChange struct {
	Pool       string
	RunID      uuid.UUID
	Dispatched *time.Duration // from when the attempt was due until its Job was created
	Started    *time.Duration // from when its Job was created until its container ran
	Ran        *time.Duration // from when its container ran until it ended
	Recorded   *time.Duration // from when it finished where it ran until that was recorded
	// Outcome of the attempt if the report ended it; nil if it was handed back.
	Outcome *lifecycle.Outcome
	Run     lifecycle.StateType // from now on
}

// LogChunk is output of an attempt from a byte offset on.
type LogChunk struct {
	Lease        // of the attempt, when appending
	Number int32 // of the attempt, when reading
	Offset int64
	Text   string
	// Times is when the text was stored, when reading: from each offset on. Empty if that is not known.
	Times []ChunkTime
	// Position is how far the worker has read its source with this text, when appending; empty if it does not say.
	Position string
}

// ChunkTime is when output was stored, from an offset on.
type ChunkTime struct {
	Offset int64
	At     time.Time
}

// AttemptRef asks about a Job found in a cluster.
type AttemptRef struct {
	RunID   uuid.UUID
	Attempt int32
	JobUID  string
}

// AttemptStatus answers an AttemptRef.
type AttemptStatus struct {
	Status    string // unknown, active, ended, duplicate
	AttemptID uuid.UUID
	Epoch     int64 // that holds the attempt, or held it last
}
