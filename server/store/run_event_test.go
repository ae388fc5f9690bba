package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func diagnosed(c store.Claim, diagnosis string) store.Report {
	return store.Report{Lease: leaseOf(c), Kind: store.ReportPending, Diagnosis: diagnosis}
}

func TestEventsComeInPagesNewestFirst(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		claim := w.claimOne("w")
		w.accepts(manifest(claim), submitted(claim))
		for i := range 15 {
			w.accepts(diagnosed(claim, fmt.Sprint("reason ", i)))
		}
		all := w.listEvents(run.ID, 0)
		var seen []int64
		page := store.Page{Limit: 4}
		for {
			events, next, err := w.PageEvents(t.Context(), run.ID, page)
			w.check(err)
			for _, e := range events {
				seen = append(seen, e.Seq)
			}
			if next == "" {
				break
			}
			page.Cursor = next
		}
		var want []int64
		for i := range all {
			want = append(want, all[len(all)-1-i].Seq)
		}
		same(t, "the pages", seen, want)

		w.run("d")
		_, foreign, err := w.ListRuns(t.Context(), store.RunFilter{}, store.Page{Limit: 1})
		w.check(err)
		_, _, err = w.PageEvents(t.Context(), run.ID, store.Page{Cursor: foreign.Cursor})
		w.refuses(err, store.InvalidCursor)
	})
}

// TestAPodThatChangesBetweenTwoDiagnosesWritesFewEvents counts rows: an event for each change would fill the
// database.
func TestAPodThatChangesBetweenTwoDiagnosesWritesFewEvents(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		claim := w.claimOne("w")
		w.accepts(manifest(claim), submitted(claim))
		const changes, most = 10_000, 30
		reports := make([]store.Report, 0, 1000)
		for i := range changes {
			reports = append(reports, diagnosed(claim, []string{"no node has enough memory", "a node is being added"}[i%2]))
			if len(reports) == cap(reports) {
				w.accepts(reports...)
				reports = reports[:0]
			}
		}
		events := w.listEvents(run.ID, 0)
		if len(events) > most {
			t.Errorf("%d events, want at most %d", len(events), most)
		}
		if got := w.getRun(run.ID).State.Message; got != "a node is being added" {
			t.Errorf("the run says %q, want the newest diagnosis", got)
		}
		w.history(run.ID) // without gaps

		// What is new is noted.
		w.accepts(diagnosed(claim, "pulling the image"))
		if after := w.listEvents(run.ID, int64(len(events))); len(after) != 1 || after[0].Message != "pulling the image" {
			t.Errorf("events after a new diagnosis: %+v", after)
		}
	})
}

func TestADiagnosisThatNeverRepeatsWritesABoundedNumberOfEvents(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		claim := w.claimOne("w")
		w.accepts(manifest(claim), submitted(claim))
		reports := make([]store.Report, 1500)
		for i := range reports {
			reports[i] = diagnosed(claim, fmt.Sprint("waited for ", i, " seconds"))
		}
		w.accepts(reports...)
		w.accepts(running(claim), succeeded(claim))
		w.isIn(run.ID, "COMPLETED Completed")
		if n := w.getRun(run.ID); n.State.Type != lifecycle.Completed {
			t.Errorf("the run is %s", n.State.Type)
		}
		page, _, err := w.PageEvents(t.Context(), run.ID, store.Page{Limit: 2})
		w.check(err)
		if last := page[0]; last.Seq > 1010 || last.State.Type != lifecycle.Completed {
			t.Errorf("the newest event is %+v", last)
		}
	})
}

// TestARunEndsWhenItsAttemptDid: the server, or its worker, may have heard of it hours later.
func TestARunEndsWhenItsAttemptDid(t *testing.T) {
	onEachLayout(t, func(w *world) {
		begin := func() (store.Claim, time.Time) {
			claim := w.claimOne("w")
			w.accepts(manifest(claim), submitted(claim), running(claim))
			return claim, *w.getRun(claim.RunID).StartedAt
		}
		end := func(c store.Claim, at time.Time) time.Time {
			report := succeeded(c)
			report.At = &at
			w.accepts(report)
			return *w.isIn(c.RunID, "COMPLETED Completed").EndedAt
		}
		w.one()
		claim, started := begin()
		ended := started.Add(10 * time.Minute)
		w.Advance(3 * time.Hour)
		if got := end(claim, ended); !got.Equal(ended) {
			t.Errorf("it ended at %s, want %s, when its attempt did", got, ended)
		}
		if attempts := w.listAttempts(claim.RunID); !attempts[0].EndedAt.Equal(ended) {
			t.Errorf("its attempt ended at %s, want %s", attempts[0].EndedAt, ended)
		}

		// What the cluster's clock says is bounded by the start and by now.
		w.run("d")
		claim, started = begin()
		if got := end(claim, started.Add(-time.Hour)); !got.Equal(started) {
			t.Errorf("it ended at %s, before its start at %s", got, started)
		}
		w.run("d")
		claim, started = begin()
		if got := end(claim, started.Add(time.Hour)); got.After(started.Add(time.Minute)) {
			t.Errorf("it ended at %s, which has not come", got)
		}
	})
}
