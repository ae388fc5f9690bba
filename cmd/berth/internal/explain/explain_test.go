package explain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/cmd/berth/internal/explain"
	"github.com/berth-dev/berth/server/api"
)

var (
	now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	id  = uuid.MustParse("01890000-0000-7000-8000-000000000001")
)

func pointer[T any](v T) *T { return &v }

func state(t api.StateType, name string) api.Run {
	return api.Run{ID: id, Pool: "p", Queue: "q", Deployment: "d", Attempt: 1, ScheduledTime: now.Add(-time.Minute), State: api.State{Type: t, Name: name}}
}

func TestARunIsExplainedInWords(t *testing.T) {
	alive := []api.Worker{{Name: "w", Alive: true}}
	failed := state("FAILED", "Failed")
	failed.Category, failed.ExitCode = pointer(api.Category("app")), pointer(int32(3))
	due := state("SCHEDULED", "Scheduled")
	later := due
	later.ScheduledTime = now.Add(90 * time.Second)
	retry := later
	retry.State.Name = "AwaitingRetry"
	for _, test := range []struct {
		name  string
		facts explain.Facts
		want  []string
	}{
		{"due later", explain.Facts{Run: later}, []string{"it is due in 1m30s"}},
		{"waits for its retry", explain.Facts{Run: retry, Attempts: []api.Attempt{{Number: 1, Category: pointer(api.Category("evicted"))}}},
			[]string{"its next attempt is due in 1m30s; the last one ended with evicted from its node (evicted)"}},
		{"nothing in its way", explain.Facts{Run: due, Workers: alive}, []string{"it is due since 1m and nothing is in its way: a worker claims it next"}},
		{"everything in its way", explain.Facts{
			Run: due, Workers: []api.Worker{{LastSeenAt: now.Add(-time.Hour)}},
			Pool:       &api.WorkPool{Name: "p", Paused: true, SlotsUsed: 2, ConcurrencyLimit: pointer(int32(2))},
			Queue:      &api.WorkQueue{Name: "q", ConcurrencyLimit: pointer(int32(0))},
			Deployment: &api.Deployment{Name: "d", Paused: true},
		}, []string{
			`pool "p" is paused; go on with: berth pool resume p`, `deployment "d" is paused; go on with: berth deployment resume d`,
			`pool "p" has all its 2 slots in use`, `queue "q" has all its 0 slots in use`,
			`no worker of pool "p" is alive, the last was heard of 1h ago; start one with: berth worker start --pool p`,
		}},
		{"no worker ever", explain.Facts{Run: due, Workers: []api.Worker{}}, []string{`no worker of pool "p" is alive; start one with: berth worker start --pool p`}},
		{"pending with a diagnosis", explain.Facts{Run: state("PENDING", "InfrastructurePending"), Attempts: []api.Attempt{
			{Number: 1, Worker: "w", JobName: pointer("d-1"), JobNamespace: pointer("jobs"), Diagnosis: pointer("image pull: not found")},
		}}, []string{`worker "w" has claimed it, its job is d-1 in namespace jobs`, "it has not started: image pull: not found"}},
		{"failed by exit code", explain.Facts{Run: failed}, []string{
			"it ended as FAILED: the workload failed (app), exit code 3", "next: look at the end of its output",
			"output: berth run logs " + id.String(), "again: berth run retry " + id.String(),
		}},
		{"completed", explain.Facts{Run: state("COMPLETED", "Completed")}, []string{"it completed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.facts.Now = now
			got := strings.Join(explain.Explain(test.facts), "\n")
			if want := strings.Join(test.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
