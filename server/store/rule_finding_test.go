package store_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

func finding(rule, message string) store.RuleFinding {
	return store.RuleFinding{Rule: rule, Pool: "p", Action: "warn", Message: message}
}

func (w *world) said(run uuid.UUID) []string {
	w.t.Helper()
	list, err := w.ListRuleFindings(w.t.Context(), run)
	w.check(err)
	var texts []string
	for _, f := range list {
		texts = append(texts, string('0'+f.Attempt)+" "+f.Rule+": "+f.Message)
	}
	return texts
}

func TestWhatRulesSaidStaysWithTheRun(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p", func(d *store.Deployment) { d.Retries = lifecycle.RetryPolicy{Max: 1} })
		quiet, _, err := w.CreateRun(t.Context(), store.NewRun{Deployment: "d", IdempotencyKey: "q"}, actor)
		w.check(err)
		n := store.NewRun{
			ID: uuid.New(), Deployment: "d", Name: "named", IdempotencyKey: "k",
			RuleFindings: []store.RuleFinding{finding("a", "at creation")},
		}
		run, _, err := w.CreateRun(t.Context(), n, actor)
		w.check(err)
		if run.ID != w.shifted(n.ID) {
			t.Errorf("the run has the ID %s, want %s", run.ID, n.ID)
		}
		n.ID, n.RuleFindings[0].Message = uuid.New(), "again"
		_, existed, err := w.CreateRun(t.Context(), n, actor)
		w.check(err)
		if !existed || len(w.said(quiet.ID)) != 0 {
			t.Errorf("existed %v, of a quiet run rules said %v", existed, w.said(quiet.ID))
		}

		var claim store.Claim
		for _, c := range w.claim(request("p", "w", 2)) {
			if c.RunID == run.ID {
				claim = c
			}
		}
		report := store.Report{
			Lease: store.Lease{AttemptID: claim.AttemptID, Epoch: claim.Epoch}, Kind: store.ReportManifest,
			Manifest: []byte(`{"a":1}`), RuleFindings: []store.RuleFinding{finding("b", "before\x00the Job")},
		}
		stale := report
		stale.Epoch--
		stale.RuleFindings = []store.RuleFinding{finding("c", "stale")}
		denied := store.RuleFinding{Rule: "d", Action: "deny", Message: strings.Repeat("x", 9000)}
		ended := store.Report{
			Lease: report.Lease, Kind: store.ReportEnded,
			Outcome: lifecycle.Outcome{Category: lifecycle.Invalid, Message: "refused"},
		}
		for range 100 {
			ended.RuleFindings = append(ended.RuleFindings, denied)
		}
		_, err = w.Report(t.Context(), "w", []store.Report{report, stale})
		w.check(err)
		want := []string{"0 a: at creation", "1 b: before\uFFFDthe Job"}
		if got := w.said(run.ID); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("rules said %q, want %q", got, want)
		}
		_, err = w.Report(t.Context(), "w", []store.Report{ended})
		w.check(err)
		got := w.said(run.ID)
		if size := len(strings.Join(got, "")); len(got) < 3 || size > 20<<10 || !strings.HasPrefix(got[1], "1 d: ") {
			t.Errorf("%d findings of %d bytes are kept", len(got), size)
		}
	})
}

func TestTheNamespacesOfWorkersAreKnownByPool(t *testing.T) {
	onEachLayout(t, func(w *world) {
		for name, namespace := range map[string]string{"a": "jobs", "b": "jobs", "c": "", "d": "team"} {
			w.check(w.UpsertWorker(t.Context(), store.Worker{Name: name, Pool: "p", DefaultNamespace: namespace}, storetest.SessionOf("p", name).ID))
		}
		names, err := w.ListDefaultNamespaces(t.Context(), "p")
		w.check(err)
		if strings.Join(names, " ") != "jobs team" {
			t.Errorf("got %q", names)
		}
		if names, err = w.ListDefaultNamespaces(t.Context(), "other"); err != nil || len(names) != 0 {
			t.Errorf("got %q, %v", names, err)
		}
	})
}
