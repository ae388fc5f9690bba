// Package runtrace computes the IDs of the trace of a run. They follow from the run alone, so that servers, workers, templates
// and jobs agree on them without a word, and what is sent twice has the same IDs.
package runtrace

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/google/uuid"
)

// Stage is a span of a run.
type Stage string

// Stages. Run and Rerun are of the run, the others of one attempt. A run that has ended and is retried by hand goes on as a
// Rerun below its Run.
const (
	Run     Stage = "run"
	Rerun   Stage = "rerun"
	Wait    Stage = "wait"
	Attempt Stage = "attempt"
	Render  Stage = "render"
	Launch  Stage = "launch"
	Pending Stage = "pending"
	Execute Stage = "execute"
	Record  Stage = "record"
)

// SpanID of a stage of an attempt; that of Run belongs to attempt 0.
func SpanID(run uuid.UUID, attempt int, stage Stage) (id [8]byte) {
	input := binary.BigEndian.AppendUint32(run[:], uint32(attempt)) //nolint:gosec // attempts are few
	sum := sha256.Sum256(append(input, stage...))
	copy(id[:], sum[:])
	if id == [8]byte{} { // which is no ID
		id[7] = 1
	}
	return id
}

// Parent is the traceparent header of W3C Trace Context that makes spans of a job children of its attempt. Its trace is that
// of the run, whose ID is the run's.
func Parent(run uuid.UUID, attempt int) string {
	const version, sampled = "00", "01"
	span := SpanID(run, attempt, Attempt)
	return version + "-" + hex.EncodeToString(run[:]) + "-" + hex.EncodeToString(span[:]) + "-" + sampled
}
