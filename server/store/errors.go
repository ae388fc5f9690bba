package store

import "github.com/berth-dev/berth/server/store/database"

// Code says what kind of error it is; the HTTP server maps it to a status in one place.
type Code = database.Code

// Codes of store errors. They are the codes of the API's problem documents.
const (
	NotFound                   = database.NotFound
	AlreadyExists         Code = "already-exists"
	Conflict                   = database.Conflict
	PreconditionFailed    Code = "precondition-failed"
	IdempotencyMismatch   Code = "idempotency-mismatch"
	PoolHasLiveRuns       Code = "pool-has-live-runs"
	PoolInUse             Code = "pool-in-use"     // by deployments
	QueueInUse            Code = "queue-in-use"    // by deployments or unfinished runs
	VariableInUse         Code = "variable-in-use" // by deployments, schedules or templates
	DeploymentHasLiveRuns Code = "deployment-has-live-runs"
	RevisionChanged       Code = "revision-changed" // of a deployment, since a run was validated against it
	RunFinished           Code = "run-finished"
	RunNotFinished        Code = "run-not-finished"
	RunAmbiguous          Code = "run-ambiguous"    // a text stands for several runs
	NoCompletedRun        Code = "no-completed-run" // to compare a run with
	LeaseHeld             Code = "lease-held"
	SessionUnknown        Code = "session-unknown"      // the worker has to say hello
	AudienceNotGranted    Code = "audience-not-granted" // for run tokens, by the pool
	InvalidCursor              = database.InvalidCursor
	InvalidText                = database.InvalidText // what no database column takes, such as a NUL character
	Unavailable                = database.Unavailable
	QueryTimeout               = database.QueryTimeout        // of a query that takes too long
	ListTooLong           Code = "list-too-long"              // to be sorted
	ArchiveUnavailable    Code = "output-archive-unavailable" // output is in the archive, which cannot be read
	StorageFull                = database.StorageFull         // the disk of the database
)

// Error is an error that the caller can do something about.
type Error = database.Error

// IsCode reports whether err is an Error of this code.
func IsCode(err error, code Code) bool { return database.IsCode(err, code) }
