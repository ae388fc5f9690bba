package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/journal"
	"github.com/berth-dev/berth/server/api"
)

// plan draws what will become of an attempt. w.mu must be held.
func (w *worker) plan(a *attempt) {
	now := w.site.journal.Now()
	a.due = now + time.Duration(w.dice.IntN(10))*time.Millisecond
	if a.claim.Cancelling {
		a.steps = []step{w.end(a, api.CategoryCancelled)}
		return
	}
	if a.claim.JobUID == nil && w.dice.Float64() < 0.01 {
		a.steps = []step{{report: w.report(a, api.ReportKindHandedBack)}}
		return
	}
	if a.claim.JobUID == nil {
		if a.claim.Manifest == nil && w.dice.Float64() < 0.3 {
			manifest := w.report(a, api.ReportKindManifest)
			manifest.Manifest = api.JSONObject(fmt.Sprintf(`{"kind": "Job", "epoch": %d}`, a.claim.Epoch))
			a.steps = append(a.steps, step{report: manifest})
		}
		submitted := w.report(a, api.ReportKindSubmitted)
		submitted.JobUID = of("job-" + a.claim.AttemptID.String())
		a.steps = append(a.steps, step{report: submitted})
	}
	a.steps = append(a.steps, step{report: w.report(a, api.ReportKindRunning)}, w.end(a, w.category()))
	for i := range a.steps {
		a.steps[i].after = time.Duration(w.dice.IntN(30)) * time.Millisecond
	}
	last := &a.steps[len(a.steps)-1]
	switch draw := w.dice.Float64(); {
	case draw < 0.03:
		last.after = time.Duration(500+w.dice.IntN(1500)) * time.Millisecond
	case draw < 0.035: // it needs its lease renewed
		last.after = w.site.config.lease + time.Duration(w.dice.IntN(1000))*time.Millisecond
	case draw < 0.045:
		a.abandoned = true
		last.after = w.site.config.lease + w.site.config.lease/2
		w.counts.abandoned.Add(1)
		w.add(journal.Entry{Kind: journal.Abandoned}, a)
	}
}

// category draws how an attempt ends; empty: it succeeds.
func (w *worker) category() api.Category {
	switch draw := w.dice.Float64(); {
	case draw < 0.05:
		return api.CategoryApp
	case draw < 0.055:
		return api.CategoryNodeLost
	case draw < 0.06:
		return api.CategoryConfig
	}
	return ""
}

func (w *worker) report(a *attempt, kind api.ReportKind) api.Report {
	return api.Report{AttemptID: a.claim.AttemptID, Epoch: a.claim.Epoch, Kind: kind}
}

// end is the last step, with a message that no other execution has.
func (w *worker) end(a *attempt, category api.Category) step {
	r := w.report(a, api.ReportKindEnded)
	w.outcomes++
	r.Message = of(fmt.Sprintf("outcome %d of %s", w.outcomes, w.session))
	r.Succeeded = of(category == "")
	if category != "" {
		r.Category = &category
	}
	if category == api.CategoryApp {
		r.ExitCode = of(int32(1))
	}
	return step{report: r}
}

// cancelAll ends attempts that are to be cancelled. w.mu must be held.
func (w *worker) cancelAll(ids []uuid.UUID) {
	for _, id := range ids {
		a := w.held[id]
		if a == nil || a.cancelled || a.busy || a.tried || a.abandoned {
			continue // it is told again
		}
		a.cancelled = true
		a.steps, a.due = []step{w.end(a, api.CategoryCancelled)}, w.site.journal.Now()
	}
}

// reportLoop sends what is due, each report until it is answered.
func (w *worker) reportLoop(ctx context.Context) {
	for w.awake(ctx) {
		due := w.due()
		if len(due) == 0 {
			pause(ctx, 5*time.Millisecond)
			continue
		}
		w.send(ctx, due)
	}
}

// due returns attempts whose next report is due. One without a lease waits, unless its worker has abandoned it and takes no
// notice.
func (w *worker) due() []*attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.site.journal.Now()
	var due []*attempt
	for _, a := range w.sorted() {
		if len(due) < reportsAtOnce && a.due <= now && (a.abandoned || a.tried || now < w.until) {
			a.busy = true
			due = append(due, a)
		}
	}
	return due
}

// send reports the next step of each attempt, with some output before.
func (w *worker) send(ctx context.Context, due []*attempt) {
	reports := make([]api.Report, len(due))
	var chunks []api.LogAppendChunk
	for i, a := range due {
		reports[i] = a.steps[0].report
		if reports[i].Kind == api.ReportKindEnded && a.claim.AttemptID[15]%4 == 0 {
			chunks = append(chunks, api.LogAppendChunk{
				AttemptID: a.claim.AttemptID, Epoch: a.claim.Epoch, Text: *reports[i].Message + "\n",
			})
		}
	}
	if len(chunks) > 0 {
		if err := w.client.AppendOutput(ctx, chunks); err != nil {
			w.counts.failed(err)
		}
	}
	sent := w.site.journal.Now()
	results, err := w.client.Report(ctx, reports)
	if err != nil {
		w.counts.failed(err)
		results = make([]api.ReportResult, len(due))
		pause(ctx, 50*time.Millisecond)
	}
	for i, a := range due {
		w.answered(sent, a, reports[i], results[i])
	}
}

// answered notes the answer to a report and goes on from there.
func (w *worker) answered(sent time.Duration, a *attempt, r api.Report, result api.ReportResult) {
	w.mu.Lock()
	defer w.mu.Unlock()
	outcome := ""
	if r.Kind == api.ReportKindEnded {
		outcome = *r.Message
	}
	status := string(result.Status)
	w.add(journal.Entry{
		Sent: sent, Kind: journal.Reported, Report: string(r.Kind), Outcome: outcome, Status: status,
		Text: orEmpty(result.Message),
	}, a)
	repeated := a.tried
	a.busy, a.tried = false, status == journal.NoAnswer
	mine := w.held[a.claim.AttemptID] == a
	switch status {
	case journal.NoAnswer:
	case journal.Accepted:
		a.steps = a.steps[1:]
		if len(a.steps) == 0 {
			w.counts.ended.Add(1)
		} else {
			a.due = w.site.journal.Now() + a.steps[0].after
		}
	case "stale", "ended":
		w.counts.refuse(status)
		a.steps = nil
	case "unknown":
		w.counts.refuse(status)
		if !repeated || r.Kind != api.ReportKindHandedBack { // a run that was cancelled since has forgotten the attempt
			w.counts.unexpected(fmt.Sprintf("report %s is unknown", r.Kind))
		}
		a.steps = nil
	default:
		w.counts.refuse(status)
		w.counts.unexpected(fmt.Sprintf("report %s is %s: %s", r.Kind, status, orEmpty(result.Message)))
		w.add(journal.Entry{Kind: journal.Abandoned}, a)
		a.steps = nil
	}
	if len(a.steps) == 0 && mine {
		delete(w.held, a.claim.AttemptID)
	}
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
