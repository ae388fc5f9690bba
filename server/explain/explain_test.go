package explain_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/explain"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

func ago(d time.Duration) time.Time { return now.Add(-d) }

// runFacts are the facts of a run that was due two minutes ago, with a live worker and no limit or pause.
func runFacts(change ...func(*store.RunFacts)) *store.RunFacts {
	f := &store.RunFacts{
		Run: store.Run{
			ID: uuid.MustParse("01890000-0000-7000-8000-000000000001"), Name: "brave-anchor-042",
			Pool: "k8s", Queue: "default", Deployment: "etl", DueAt: ago(2 * time.Minute),
			State: lifecycle.State{Type: lifecycle.Scheduled, Name: "Scheduled"},
		},
		Gates: store.ClaimGates{
			Pool: store.ClaimGate{Name: "k8s"}, Queue: store.ClaimGate{Name: "default"},
			Deployment: store.ClaimGate{Name: "etl"},
		},
		Workers: []store.Worker{{Name: "w1", Pool: "k8s", ClusterID: "c1", LastSeenAt: ago(time.Second),
			ActiveAttempts: 3}},
		Now: now,
	}
	for _, c := range change {
		c(f)
	}
	return f
}

// inState puts the run into a state.
func inState(t lifecycle.StateType, name, message string) func(*store.RunFacts) {
	return func(f *store.RunFacts) {
		f.Run.State = lifecycle.State{Type: t, Name: name, Message: message, At: ago(time.Minute)}
		if t.Terminal() {
			f.Run.EndedAt = ptr(ago(time.Minute))
		}
	}
}

// withAttempt adds an attempt; with a category, it has ended.
func withAttempt(c lifecycle.Category, change ...func(*store.Attempt)) func(*store.RunFacts) {
	return func(f *store.RunFacts) {
		n := int32(len(f.Attempts) + 1)
		a := store.Attempt{
			Number: n, Worker: "w1", ClusterID: "c1", Node: "node-1", JobNamespace: "jobs",
			JobName:   fmt.Sprintf("etl-%d", n),
			ClaimedAt: ago(20 * time.Minute), RunningAt: ptr(ago(19 * time.Minute)), Category: c,
		}
		if c != "" {
			a.EndedAt = ptr(ago(5 * time.Minute))
		}
		for _, change := range change {
			change(&a)
		}
		f.Attempts, f.Run.Attempt = append(f.Attempts, a), n
		f.Run.StartedAt = a.RunningAt
		if f.Run.State.Type.Terminal() {
			f.Run.Category, f.Run.ExitCode = a.Category, a.ExitCode
		}
	}
}

func notStarted(a *store.Attempt) { a.RunningAt, a.Node = nil, "" }

func exit(code int32) func(*store.Attempt) { return func(a *store.Attempt) { a.ExitCode = &code } }

// sinceItWorked adds a run that completed, beside whose attempt that of the run is changed.
func sinceItWorked(change func(*store.Attempt)) func(*store.RunFacts) {
	return func(f *store.RunFacts) {
		good := store.Attempt{Image: "registry/etl@sha256:aaaa", Node: "node-1", ClusterID: "c1", Worker: "w1", TemplateVersion: 3}
		bad := good
		change(&bad)
		before := store.Run{Name: "calm-gull-041", Pool: f.Run.Pool, Queue: f.Run.Queue, CreatedAt: ago(25 * time.Hour)}
		f.SinceItWorked = &store.RunSides{
			Before: store.RunSide{Run: before, Attempt: &good}, After: store.RunSide{Run: f.Run, Attempt: &bad},
		}
	}
}

func failed(name string) func(*store.RunFacts) { return inState(lifecycle.Failed, name, "") }

func crashed(f *store.RunFacts) { inState(lifecycle.Crashed, "Crashed", "")(f) }

// cases are the facts of a run, by situation.
func cases() map[string]*store.RunFacts {
	limit := func(n int32) *int32 { return &n }
	held := []store.SlotHolder{
		{
			Run: uuid.MustParse("01890000-0000-7000-8000-000000000002"), Name: "calm-gull-123", Pool: "k8s", Deployment: "etl",
			Since: ago(2*time.Hour + 13*time.Minute),
		},
		{
			Run: uuid.MustParse("01890000-0000-7000-8000-000000000003"), Name: "swift-ferry-007", Pool: "k8s", Deployment: "etl",
			Since: ago(40 * time.Second),
		},
	}
	return map[string]*store.RunFacts{
		"due with a live worker": runFacts(),
		"due with runs ahead in two queues": runFacts(
			func(f *store.RunFacts) { f.AheadInQueue, f.AheadInOtherQueues = 42, 1 }),
		"due with runs ahead in a queue of higher priority": runFacts(
			func(f *store.RunFacts) { f.AheadInOtherQueues = 7 }),
		"scheduled for later": runFacts(func(f *store.RunFacts) {
			f.Run.DueAt, f.StartDeadline = now.Add(90*time.Minute), ptr(now.Add(2*time.Hour))
		}),
		"awaiting a retry": runFacts(
			withAttempt(lifecycle.App, exit(3)),
			inState(lifecycle.Scheduled, "AwaitingRetry", "retry 1 of 3"),
			func(f *store.RunFacts) {
				f.Run.DueAt, f.Policy.Max, f.RetriesUsed.App = now.Add(75*time.Second), 3, 1
			},
		),
		"deployment limit of one reached": runFacts(func(f *store.RunFacts) {
			f.Gates.Deployment.Limit, f.Gates.Deployment.Used, f.Gates.Deployment.Holders = limit(1), 1, held[:1]
			f.AheadInQueue = 1
		}),
		"three limits reached": runFacts(func(f *store.RunFacts) {
			f.Gates.Deployment.Limit, f.Gates.Deployment.Used, f.Gates.Deployment.Holders = limit(5), 5, held
			f.Gates.Queue.Limit, f.Gates.Queue.Used = limit(0), 0
			f.Gates.Pool.Limit, f.Gates.Pool.Used, f.AheadInQueue = limit(7), 9, store.AheadCountMax
		}),
		"pool and queue and deployment paused": runFacts(func(f *store.RunFacts) {
			f.Gates.Pool.Paused, f.Gates.Queue.Paused, f.Gates.Deployment.Paused = true, true, true
			f.Gates.Pool.Pause = &store.Pause{By: "ada", At: ago(3 * time.Hour), Reason: "the warehouse is down"}
			f.Gates.Deployment.Pause = &store.Pause{By: "grace", At: ago(40 * time.Second)}
			f.Run.Pool, f.Gates.Pool.Name = "Ada's pool", "Ada's pool"
		}),
		"no live worker":      runFacts(func(f *store.RunFacts) { f.Workers[0].LastSeenAt = ago(3 * time.Hour) }),
		"no worker ever":      runFacts(func(f *store.RunFacts) { f.Workers = nil }),
		"every worker paused": runFacts(func(f *store.RunFacts) { f.Workers[0].Paused = true }),
		"the only worker cannot reach its cluster": runFacts(func(f *store.RunFacts) {
			f.Workers[0].Namespaces = []string{"jobs"}
			f.Workers[0].Lost = []store.LostNamespace{{Namespace: "jobs", Reason: "cannot create Jobs since 2026-01-01T05:58:00Z: forbidden"}}
		}),
		"claimed": runFacts(inState(lifecycle.Pending, "Claimed", ""),
			withAttempt("", notStarted, func(a *store.Attempt) { a.JobName = "" })),
		"pending with an image that cannot be pulled": runFacts(
			inState(lifecycle.Pending, "InfrastructurePending", ""),
			withAttempt("", notStarted, func(a *store.Attempt) {
				a.Diagnosis = "container job: ErrImagePull: no/such:image: not found"
			}),
			func(f *store.RunFacts) { f.StartDeadline = ptr(now.Add(10 * time.Minute)) },
		),
		"running after a disruption": runFacts(
			inState(lifecycle.Running, "Running", ""),
			withAttempt(lifecycle.Evicted, notStarted),
			withAttempt(""),
			func(f *store.RunFacts) {
				f.TimeoutAt, f.LeaseExpiresAt = ptr(now.Add(41*time.Minute)), ptr(now.Add(20*time.Second))
			},
		),
		"running with slots that wait behind it": runFacts(
			inState(lifecycle.Running, "Running", ""),
			withAttempt(""),
			func(f *store.RunFacts) {
				f.Run.CreatedBy = "schedule:hourly"
				f.Waiting = []time.Time{ago(20 * time.Minute), ago(3 * time.Hour), ago(time.Hour)}
			},
		),
		"worker lost": runFacts(
			inState(lifecycle.Running, "Running", ""),
			withAttempt(""),
			func(f *store.RunFacts) {
				f.LeaseExpiresAt, f.Workers[0].LastSeenAt = ptr(ago(8*time.Minute)), ago(8*time.Minute)
			},
		),
		"cancelling": runFacts(inState(lifecycle.Cancelling, "Cancelling", "cancelled by ada"),
			withAttempt("")),
		"cancelled": runFacts(inState(lifecycle.Cancelled, "Cancelled", "cancelled by ada")),
		"expired": runFacts(
			inState(lifecycle.Cancelled, "Expired", "the run did not start before its start deadline")),
		"completed": runFacts(inState(lifecycle.Completed, "Completed", ""),
			withAttempt("", exit(0), func(a *store.Attempt) { a.EndedAt = ptr(ago(time.Minute)) })),
		"completed after more memory": runFacts(
			inState(lifecycle.Completed, "Completed", ""),
			withAttempt(lifecycle.OOM),
			withAttempt("", exit(0), func(a *store.Attempt) {
				a.EndedAt, a.Raised = ptr(ago(time.Minute)), json.RawMessage(`{"memory":"1Gi"}`)
			}),
		),
		"failed": runFacts(failed("Failed"), withAttempt(lifecycle.App, exit(3), func(a *store.Attempt) {
			a.LastLines = "one\ntwo\nthree\nfour\nfive\nTraceback: no such table\n"
		})),
		"failed since the image changed": runFacts(failed("Failed"), withAttempt(lifecycle.App, exit(3)),
			sinceItWorked(func(a *store.Attempt) {
				a.Image, a.Node, a.Worker, a.TemplateVersion = "registry/etl@sha256:bbbb", "node-2", "w2", 4
			})),
		"failed though nothing changed": runFacts(failed("Failed"), withAttempt(lifecycle.App, exit(3)),
			sinceItWorked(func(*store.Attempt) {})),
		"failed with values": runFacts(failed("Failed"), withAttempt(lifecycle.App, exit(3)), func(f *store.RunFacts) {
			f.Run.Parameters = json.RawMessage(`{"date":"2026-01-01","note":"it's","rows":{"from":1.50}}`)
			f.Run.JobVariables = json.RawMessage(`{"memory":512}`)
		}),
		"failed with a value that a command line would change": runFacts(failed("Failed"), withAttempt(lifecycle.App, exit(3)),
			func(f *store.RunFacts) { f.Run.Parameters = json.RawMessage(`{"version":"1.10"}`) }),
		"failed with all retries used": runFacts(
			failed("Failed"),
			withAttempt(lifecycle.App, exit(3)),
			withAttempt(lifecycle.App, exit(4)),
			func(f *store.RunFacts) {
				f.Policy.Max, f.RetriesUsed.App = 1, 1
			},
		),
		"failed with retries for other failures": runFacts(failed("Failed"),
			withAttempt(lifecycle.App, exit(3)), func(f *store.RunFacts) { f.Policy.Max = 2 }),
		"out of memory": runFacts(failed("OutOfMemory"), withAttempt(lifecycle.OOM, exit(137))),
		"out of memory with all retries used": runFacts(
			failed("OutOfMemory"),
			withAttempt(lifecycle.OOM, exit(137)),
			withAttempt(lifecycle.OOM, exit(137)),
			func(f *store.RunFacts) {
				f.Policy.OOM, f.RetriesUsed.OOM = &lifecycle.OOMPolicy{Max: 1, Variable: "memory"}, 1
			},
		),
		"run timeout exceeded": runFacts(failed("TimedOut"), withAttempt(lifecycle.Deadline),
			func(f *store.RunFacts) { f.TimeoutAt, f.Timeout = ptr(ago(2*time.Minute)), ptr(time.Second) }),
		"timeout of the template exceeded": runFacts(failed("TimedOut"), withAttempt(lifecycle.Deadline),
			func(f *store.RunFacts) { f.TimeoutAt = ptr(ago(2 * time.Minute)) }),
		"Job deadline of the template exceeded": runFacts(failed("TimedOut"), withAttempt(lifecycle.Deadline),
			func(f *store.RunFacts) { f.Timeout = ptr(time.Hour) }),
		"node lost with all retries used": runFacts(
			crashed,
			withAttempt(lifecycle.Evicted),
			withAttempt(lifecycle.NodeLost),
			func(f *store.RunFacts) {
				f.Policy.InfrastructureMax, f.RetriesUsed.Infrastructure = 1, 1
			},
		),
		"running on a lost node": runFacts(
			inState(lifecycle.Running, "Running", ""),
			withAttempt("", func(a *store.Attempt) {
				a.Diagnosis = "pod etl-1 is terminating, but node node-1 does not respond: the container may still run"
			}),
		),
		"evicted without infrastructure retries": runFacts(crashed, withAttempt(lifecycle.Evicted),
			func(f *store.RunFacts) { f.Policy.InfrastructureSet = true }),
		"evicted with a template that ends the run": runFacts(crashed, withAttempt(lifecycle.Evicted)),
		"template cannot be rendered": runFacts(crashed,
			withAttempt(lifecycle.Template, notStarted,
				func(a *store.Attempt) { a.Message = `variable "image" has no value` })),
		"secret missing": runFacts(crashed,
			withAttempt(lifecycle.Config, notStarted,
				func(a *store.Attempt) { a.Message = `secret "db" not found` })),
		"unschedulable": runFacts(crashed,
			withAttempt(lifecycle.Unschedulable, notStarted,
				func(a *store.Attempt) { a.Message = "0/3 nodes are available: insufficient cpu" })),
		"deleted": runFacts(crashed, withAttempt(lifecycle.Deleted)),
		"failed indexes": runFacts(crashed, withAttempt(lifecycle.OOM, func(a *store.Attempt) {
			a.Message = `2 indexes failed; index 3: container "job" ran out of memory and was killed`
			a.Indexes = []byte(`{"total":5,"succeeded":3,"failed":2,"failed_indexes":"3-4"}`)
		})),
	}
}

func TestExplanations(t *testing.T) {
	seen := map[string]bool{}
	for name, facts := range cases() {
		t.Run(name, func(t *testing.T) {
			e := explain.Explain(facts)
			var b strings.Builder
			fmt.Fprintln(&b, e.Sentence)
			for _, r := range e.Reasons {
				fmt.Fprintf(&b, "%s: %s\n", r.Code, r.Message)
			}
			for _, line := range e.Details {
				fmt.Fprintln(&b, "-", line)
			}
			for _, line := range e.Next {
				fmt.Fprintln(&b, "next:", line)
			}
			for _, a := range e.Actions {
				fmt.Fprintf(&b, "%s %s %s (%s): %s\n", a.Kind, a.Target.Kind, a.Target.Name, a.Operation, a.Command)
			}
			if len(e.Next) == 0 {
				t.Error("no next step")
			}
			path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".golden")
			seen[path] = true
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", b.String(), want)
			}
		})
	}
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !seen[file] {
			t.Errorf("%s belongs to no case", file)
		}
	}
}

func TestEveryCategoryIsDescribed(t *testing.T) {
	for _, c := range []lifecycle.Category{
		lifecycle.App, lifecycle.OOM, lifecycle.Evicted, lifecycle.Preempted, lifecycle.NodeLost,
		lifecycle.Deadline, lifecycle.ImagePull,
		lifecycle.Config, lifecycle.Unschedulable, lifecycle.Quota, lifecycle.Invalid, lifecycle.Template,
		lifecycle.Deleted, lifecycle.Unknown,
	} {
		e := explain.Explain(runFacts(crashed, withAttempt(c)))
		if !strings.Contains(e.Sentence, "("+string(c)+")") || len(e.Details) == 0 {
			t.Errorf("%s: %+v", c, e)
		}
	}
}
