package cycletest

import (
	"bytes"
	_ "embed"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// Path is what a worker reports of an attempt, in order.
type Path []func(store.Claim) store.Report

// Process is the shortest path: running, ended.
func Process() Path { return Path{running, succeeded} }

// Kubernetes is the path of a Job: that it was created, with its manifest, why its pod is pending, running, ended.
func Kubernetes() Path { return Path{submitted, pending, running, succeeded} }

func leaseOf(c store.Claim) store.Lease { return store.Lease{AttemptID: c.AttemptID, Epoch: c.Epoch} }

// job is the smallest manifest that the examples make.
//
//go:embed testdata/job.json
var job []byte

func submitted(c store.Claim) store.Report {
	return store.Report{
		Lease: leaseOf(c), Kind: store.ReportSubmitted, JobNamespace: "jobs", JobName: "job", JobUID: "uid-" + c.AttemptID.String(),
		Manifest: bytes.ReplaceAll(job, []byte("RUN"), []byte(c.RunID.String())),
	}
}

func pending(c store.Claim) store.Report {
	return store.Report{Lease: leaseOf(c), Kind: store.ReportPending, Diagnosis: "pulling image registry/etl:1"}
}

func running(c store.Claim) store.Report {
	return store.Report{Lease: leaseOf(c), Kind: store.ReportRunning, Node: "node-1"}
}

func succeeded(c store.Claim) store.Report {
	return store.Report{Lease: leaseOf(c), Kind: store.ReportEnded, Outcome: lifecycle.Outcome{Succeeded: true}}
}
