package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/api"
)

const (
	// maxReports is what the protocol allows in one call.
	maxReports = 1000
	// maxReportBytes bounds the manifests and texts of one call; a single report may be larger.
	maxReportBytes = 512 << 10
)

// reportLoop sends what is due, one call at a time, so that the reports of an attempt arrive in order, until
// ctx ends.
func (w *worker) reportLoop(ctx context.Context) error {
	pulse := w.health.loop("report", time.Minute+callTimeout)
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	retry := backoff{least: w.tuning.retryMin, most: w.tuning.retryMax}
	most := maxReports
	for {
		pulse.beat()
		batch := w.table.collect(most)
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-w.table.wake:
			case <-tick.C:
			}
			continue
		}
		err := w.send(ctx, batch)
		if err == nil {
			retry.reset()
			most = maxReports
			continue
		}
		w.table.requeue(batch)
		if ctx.Err() != nil {
			return nil
		}
		call := asCallError(err)
		switch {
		case call.denied():
			return deniedError(err)
		case !call.temporary() && len(batch) > 1:
			most = 1 // one of them is not taken: find out which
			continue
		case !call.temporary():
			w.refused(batch[0], call)
			continue
		}
		w.log.Warn("reports not delivered, trying again", "reports", len(batch), "error", err)
		if !retry.wait(ctx, call.retryAfter) {
			return nil
		}
	}
}

// dueReport is a report with the attempt it is about.
type dueReport struct {
	attempt *attempt
	report  api.Report
}

// collect takes up to most reports from the queue, oldest attempts first. An end that waits for output stays.
func (t *table) collect(most int) []dueReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	var batch []dueReport
	size := 0
	queue := t.queue
	t.queue = nil
	now := t.now()
	for i, a := range queue {
		if len(batch) >= most || (size > maxReportBytes && len(batch) > 0) {
			t.queue = append(t.queue, queue[i:]...)
			break
		}
		a.queued = false
		if a.gone {
			continue
		}
		for _, r := range a.due() {
			if r.Kind == api.ReportKindEnded && now.Before(a.holdEnd) {
				continue
			}
			if len(batch) >= most {
				a.queued = true
				t.queue = append(t.queue, a)
				break
			}
			batch = append(batch, dueReport{a, r})
			size += len(r.Manifest) + len(value(r.LastLines)) + len(value(r.Message)) + 256
		}
	}
	return batch
}

// requeue puts back what was not delivered.
func (t *table) requeue(batch []dueReport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range batch {
		if !d.attempt.gone {
			t.enqueueLocked(d.attempt)
		}
	}
}

// send delivers a batch and acts on the answers.
func (w *worker) send(ctx context.Context, batch []dueReport) error {
	reports := make([]api.Report, len(batch))
	for i, d := range batch {
		reports[i] = d.report
	}
	results, err := w.client.report(ctx, reports)
	if err != nil {
		return err
	}
	for i, result := range results {
		w.answered(batch[i].attempt, batch[i].report, result)
	}
	return nil
}

// refused treats a report that the server takes in no company as one it calls invalid.
func (w *worker) refused(d dueReport, call *callError) {
	message := call.Error()
	w.answered(
		d.attempt,
		d.report,
		api.ReportResult{Status: api.ReportResultStatusInvalid, Message: &message},
	)
}

// answered takes note of one answer and does what it asks for.
func (w *worker) answered(a *attempt, r api.Report, result api.ReportResult) {
	message := value(result.Message)
	var do action
	held := w.table.update(a, func() {
		do = judge(r, result.Status, a.said, a.known.tried || a.known.uid() != "")
		switch do {
		case actNone, actIgnore, actRelease, actRemove:
			a.said = a.said.accepted(r)
		case actSayShort:
			a.said.refused = message
		}
	})
	if !held {
		return
	}
	w.metrics.report(r, result.Status)
	w.follow(do, a, r, result)
}

// follow does what an answer asks for.
func (w *worker) follow(do action, a *attempt, r api.Report, result api.ReportResult) {
	message := value(result.Message)
	log := w.log.With(
		"run",
		a.ref.RunID,
		"attempt",
		a.ref.Attempt,
		"report",
		string(r.Kind),
		"status",
		string(result.Status),
	)
	switch do {
	case actNone:
		log.Debug("reported")
		if r.Kind == api.ReportKindSubmitted {
			w.grant(a)
		}
	case actRelease:
		w.over(a, r)
		w.release(a)
	case actRemove:
		w.over(a, r)
		w.leave(a)
	case actForget:
		log.Warn("another worker holds the attempt: letting it be")
		w.forget(a)
	case actLeave:
		log.Error("the server refuses the end of the attempt: it stays as it is", "message", message)
		w.forget(a)
	case actDiscard:
		log.Warn("another Job has the attempt: discarding ours")
		w.discard(a)
	case actAbandon:
		log.Warn("the attempt has ended on the server: ending its Job")
		w.abandon(a)
	case actSuspect:
		log.Warn("the server does not know the attempt: letting it be, looking again later")
		w.suspect(a)
	case actEndWith:
		log.Warn("the server refuses the manifest", "message", message)
		w.table.update(a, func() { a.known.manifest = nil })
		w.end(a, api.CategoryInvalid, fmt.Sprintf("the server refuses the manifest: %s", message))
	case actSayShort, actIgnore:
		log.Warn("the server calls the report invalid", "message", message)
	}
}

// over logs and counts an attempt whose end is recorded.
func (w *worker) over(a *attempt, r api.Report) {
	if r.Kind == api.ReportKindEnded {
		w.metrics.ended(a.pool, r)
	}
	w.log.Info("attempt over", "run", a.ref.RunID, "attempt", a.ref.Attempt, "as", string(r.Kind),
		"succeeded", r.Succeeded != nil && *r.Succeeded, "category", categoryOf(r))
}

func categoryOf(r api.Report) string {
	if r.Category == nil {
		return ""
	}
	return string(*r.Category)
}
