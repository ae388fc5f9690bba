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

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

func ago(d time.Duration) time.Time { return now.Add(-d) }

// situation is a run that was due two minutes ago, with a worker and nothing in its way.
func situation(change ...func(*store.Situation)) *store.Situation {
	s := &store.Situation{
		Run: store.Run{
			ID: uuid.MustParse("01890000-0000-7000-8000-000000000001"), Name: "brave-anchor-042",
			Pool: "k8s", Queue: "default", Deployment: "etl", DueAt: ago(2 * time.Minute),
			State: lifecycle.State{Type: lifecycle.Scheduled, Name: "Scheduled"},
		},
		Lane: store.Lane{
			Pool: store.Gate{Name: "k8s"}, Queue: store.Gate{Name: "default"}, Deployment: store.Gate{Name: "etl"},
		},
		Workers: []store.Worker{{Name: "w1", Pool: "k8s", ClusterID: "c1", LastSeenAt: ago(time.Second), ActiveAttempts: 3}},
		Now:     now,
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func in(t lifecycle.StateType, name, message string) func(*store.Situation) {
	return func(s *store.Situation) {
		s.Run.State = lifecycle.State{Type: t, Name: name, Message: message, At: ago(time.Minute)}
		if t.Terminal() {
			s.Run.EndedAt = ptr(ago(time.Minute))
		}
	}
}

// tried adds an attempt; one with a category has ended.
func tried(c lifecycle.Category, change ...func(*store.Attempt)) func(*store.Situation) {
	return func(s *store.Situation) {
		n := int32(len(s.Attempts) + 1)
		a := store.Attempt{
			Number: n, Worker: "w1", ClusterID: "c1", Node: "node-1", JobNamespace: "jobs", JobName: fmt.Sprintf("etl-%d", n),
			ClaimedAt: ago(20 * time.Minute), RunningAt: ptr(ago(19 * time.Minute)), Category: c,
		}
		if c != "" {
			a.EndedAt = ptr(ago(5 * time.Minute))
		}
		for _, change := range change {
			change(&a)
		}
		s.Attempts, s.Run.Attempt = append(s.Attempts, a), n
		s.Run.StartedAt = a.RunningAt
		if s.Run.State.Type.Terminal() {
			s.Run.Category, s.Run.ExitCode = a.Category, a.ExitCode
		}
	}
}

func notStarted(a *store.Attempt) { a.RunningAt, a.Node = nil, "" }

func exit(code int32) func(*store.Attempt) { return func(a *store.Attempt) { a.ExitCode = &code } }

func failed(name string) func(*store.Situation) { return in(lifecycle.Failed, name, "") }

func crashed(s *store.Situation) { in(lifecycle.Crashed, "Crashed", "")(s) }

// situations are all that a run can be in, by what a person would call it.
func situations() map[string]*store.Situation {
	limit := func(n int32) *int32 { return &n }
	held := []store.Holder{
		{Name: "calm-gull-123", Deployment: "etl", Since: ago(2*time.Hour + 13*time.Minute)},
		{Name: "swift-ferry-007", Deployment: "etl", Since: ago(40 * time.Second)},
	}
	return map[string]*store.Situation{
		"nothing is in its way":    situation(),
		"others are before it":     situation(func(s *store.Situation) { s.Ahead, s.Before = 42, 1 }),
		"another queue goes first": situation(func(s *store.Situation) { s.Before = 7 }),
		"it is due later": situation(func(s *store.Situation) {
			s.Run.DueAt, s.StartDeadline = now.Add(90*time.Minute), ptr(now.Add(2*time.Hour))
		}),
		"it waits for a retry": situation(tried(lifecycle.App, exit(3)), in(lifecycle.Scheduled, "AwaitingRetry", "retry 1 of 3"), func(s *store.Situation) {
			s.Run.DueAt, s.Policy.Max, s.Spent.App = now.Add(75*time.Second), 3, 1
		}),
		"the deployment runs one at a time": situation(func(s *store.Situation) {
			s.Lane.Deployment.Limit, s.Lane.Deployment.Used, s.Holders, s.Ahead = limit(1), 1, held[:1], 1
		}),
		"three limits are full": situation(func(s *store.Situation) {
			s.Lane.Deployment.Limit, s.Lane.Deployment.Used, s.Holders = limit(5), 5, held
			s.Lane.Queue.Limit, s.Lane.Queue.Used = limit(0), 0
			s.Lane.Pool.Limit, s.Lane.Pool.Used, s.Ahead = limit(7), 9, store.AheadMax
		}),
		"everything is paused": situation(func(s *store.Situation) {
			s.Lane.Pool.Paused, s.Lane.Queue.Paused, s.Lane.Deployment.Paused = true, true, true
			s.Lane.Pool.PausedBy, s.Lane.Pool.PausedAt = "ada", ago(3*time.Hour)
			s.Lane.Deployment.PausedBy, s.Lane.Deployment.PausedAt = "grace", ago(40*time.Second)
			s.Run.Pool, s.Lane.Pool.Name = "Ada's pool", "Ada's pool"
		}),
		"no worker is alive":       situation(func(s *store.Situation) { s.Workers[0].LastSeenAt = ago(3 * time.Hour) }),
		"no worker was ever there": situation(func(s *store.Situation) { s.Workers = nil }),
		"every worker is paused":   situation(func(s *store.Situation) { s.Workers[0].Paused = true }),
		"it was claimed":           situation(in(lifecycle.Pending, "Claimed", ""), tried("", notStarted, func(a *store.Attempt) { a.JobName = "" })),
		"its image can not be pulled": situation(in(lifecycle.Pending, "InfrastructurePending", ""), tried("", notStarted, func(a *store.Attempt) {
			a.Diagnosis = "container job: ErrImagePull: no/such:image: not found"
		}), func(s *store.Situation) { s.StartDeadline = ptr(now.Add(10 * time.Minute)) }),
		"it runs": situation(in(lifecycle.Running, "Running", ""), tried(lifecycle.Evicted, notStarted), tried(""), func(s *store.Situation) {
			s.TimeoutAt, s.LeaseExpiresAt = ptr(now.Add(41*time.Minute)), ptr(now.Add(20*time.Second))
		}),
		"its worker is lost": situation(in(lifecycle.Running, "Running", ""), tried(""), func(s *store.Situation) {
			s.LeaseExpiresAt, s.Workers[0].LastSeenAt = ptr(ago(8*time.Minute)), ago(8*time.Minute)
		}),
		"it is being cancelled": situation(in(lifecycle.Cancelling, "Cancelling", "cancelled by ada"), tried("")),
		"it was cancelled":      situation(in(lifecycle.Cancelled, "Cancelled", "cancelled by ada")),
		"it expired":            situation(in(lifecycle.Cancelled, "Expired", "it had not started by 12:00")),
		"it completed":          situation(in(lifecycle.Completed, "Completed", ""), tried("", exit(0), func(a *store.Attempt) { a.EndedAt = ptr(ago(time.Minute)) })),
		"it completed at last": situation(in(lifecycle.Completed, "Completed", ""), tried(lifecycle.OOM), tried("", exit(0), func(a *store.Attempt) {
			a.EndedAt, a.Raised = ptr(ago(time.Minute)), json.RawMessage(`{"memory":"1Gi"}`)
		})),
		"it failed": situation(failed("Failed"), tried(lifecycle.App, exit(3), func(a *store.Attempt) {
			a.LastLines = "one\ntwo\nthree\nfour\nfive\nTraceback: no such table\n"
		})),
		"it failed to the last retry": situation(failed("Failed"), tried(lifecycle.App, exit(3)), tried(lifecycle.App, exit(4)), func(s *store.Situation) {
			s.Policy.Max, s.Spent.App = 1, 1
		}),
		"it failed and retries are for other things": situation(failed("Failed"), tried(lifecycle.App, exit(3)), func(s *store.Situation) { s.Policy.Max = 2 }),
		"it ran out of memory":                       situation(failed("OutOfMemory"), tried(lifecycle.OOM, exit(137))),
		"it ran out of memory again and again": situation(failed("OutOfMemory"), tried(lifecycle.OOM, exit(137)), tried(lifecycle.OOM, exit(137)), func(s *store.Situation) {
			s.Policy.OOM, s.Spent.OOM = &lifecycle.OOMPolicy{Max: 1, Variable: "memory"}, 1
		}),
		"its time was up": situation(failed("TimedOut"), tried(lifecycle.Deadline), func(s *store.Situation) { s.TimeoutAt = ptr(ago(2 * time.Minute)) }),
		"it was evicted and no budget is left": situation(crashed, tried(lifecycle.Evicted), tried(lifecycle.NodeLost), func(s *store.Situation) {
			s.Policy.InfrastructureMax, s.Spent.Infrastructure = 1, 1
		}),
		"it runs on a node that is lost": situation(in(lifecycle.Running, "Running", ""), tried("", func(a *store.Attempt) {
			a.Diagnosis = "pod etl-1 was told to stop and its node node-1 does not confirm it: it may still run"
		})),
		"it was evicted without a budget":               situation(crashed, tried(lifecycle.Evicted), func(s *store.Situation) { s.Policy.InfrastructureSet = true }),
		"it was evicted and the template ends it there": situation(crashed, tried(lifecycle.Evicted)),
		"its template can not be rendered":              situation(crashed, tried(lifecycle.Template, notStarted, func(a *store.Attempt) { a.Message = `variable "image" has no value` })),
		"a secret is missing":                           situation(crashed, tried(lifecycle.Config, notStarted, func(a *store.Attempt) { a.Message = `secret "db" not found` })),
		"no node takes it":                              situation(crashed, tried(lifecycle.Unschedulable, notStarted, func(a *store.Attempt) { a.Message = "0/3 nodes are available: insufficient cpu" })),
		"somebody deleted it":                           situation(crashed, tried(lifecycle.Deleted)),
	}
}

func TestARunIsExplainedInWords(t *testing.T) {
	seen := map[string]bool{}
	for name, s := range situations() {
		t.Run(name, func(t *testing.T) {
			e := explain.Explain(s)
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
			if len(e.Next) == 0 {
				t.Error("it names no next step")
			}
			path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".golden")
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
			t.Errorf("%s belongs to no situation", file)
		}
	}
}

func TestEveryCategoryAndStateHasWords(t *testing.T) {
	for _, c := range []lifecycle.Category{
		lifecycle.App, lifecycle.OOM, lifecycle.Evicted, lifecycle.Preempted, lifecycle.NodeLost, lifecycle.Deadline, lifecycle.ImagePull,
		lifecycle.Config, lifecycle.Unschedulable, lifecycle.Quota, lifecycle.Invalid, lifecycle.Template, lifecycle.Deleted, lifecycle.Unknown,
	} {
		e := explain.Explain(situation(crashed, tried(c)))
		if !strings.Contains(e.Sentence, "("+string(c)+")") || len(e.Details) == 0 {
			t.Errorf("%s: %+v", c, e)
		}
	}
}
