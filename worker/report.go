package worker

import (
	"context"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/client"
	"github.com/berth-dev/berth/worker/held"
	"github.com/berth-dev/berth/worker/retry"
)

// maxReports is the protocol's limit for one call.
const maxReports = 1000

// idleBeat is how often a loop without anything to send shows that it is alive.
const idleBeat = 10 * time.Second

// reportLoop sends the reports that are due, one call at a time, so that those of an attempt arrive in order.
func (w *worker) reportLoop() *retry.Loop {
	loop := w.newLoop("report")
	loop.Wake, loop.Every = w.table.Due(), idleBeat

	limit := maxReports
	loop.Send = func(ctx context.Context) (more bool, err error) {
		batch := w.table.Collect(limit)
		if len(batch) == 0 {
			return false, nil
		}
		err = w.sendReports(ctx, batch)
		if err == nil {
			limit = maxReports
			return true, nil
		}

		w.table.Requeue(batch)
		failed := client.AsError(err)
		switch {
		case ctx.Err() != nil, failed.Denied(), failed.Temporary():
			return false, err
		case len(batch) > 1:
			// The server refuses one of them: find out which.
			limit = 1
		default:
			// Alone, a refused report is as good as an invalid one.
			message := err.Error()
			w.answer(batch[0], api.ReportResult{Status: api.ReportResultStatusInvalid, Message: &message})
		}
		return true, nil
	}
	return loop
}

// sendReports sends a batch and acts on the answers.
func (w *worker) sendReports(ctx context.Context, batch []held.DueReport) error {
	reports := make([]api.Report, len(batch))
	for i, due := range batch {
		reports[i] = due.Report
	}
	results, err := w.client.Report(ctx, reports)
	if err != nil {
		return err
	}

	// A worker that stops waits for this, as between an outcome and the task that finalizes its Job nothing
	// else shows that there is work left.
	w.tasksRunning.Add(1)
	defer w.tasksRunning.Add(-1)
	for i, result := range results {
		w.answer(batch[i], result)
	}
	return nil
}

// answer acts on the answer to one report.
func (w *worker) answer(due held.DueReport, result api.ReportResult) {
	attempt, report := due.Attempt, due.Report
	verdict, action, ok := w.table.Answer(attempt, report, result)
	if !ok {
		return
	}
	w.metrics.report(report, result.Status)
	w.logVerdict(attempt, report, result, verdict)
	if verdict == held.Verdict(held.OutcomeRecorded) {
		w.metrics.ended(attempt.Pool, report)
	}
	w.perform(attempt, action)
}

func (w *worker) logVerdict(a *held.Attempt, r api.Report, result api.ReportResult, verdict held.Verdict) {
	log := w.logFor(a).With("report", r.Kind, "status", result.Status)
	switch verdict {
	case held.Accepted:
		log.Debug("report accepted")
	case held.Verdict(held.OutcomeRecorded):
		succeeded := r.Succeeded != nil && *r.Succeeded
		log.Info("outcome recorded", "succeeded", succeeded, "category", categoryOf(r))
	case held.Verdict(held.HandBackRecorded):
		log.Info("attempt handed back")
	case held.Verdict(held.OutcomeRefused):
		log.Error("server refuses the outcome; the job stays until another worker takes over",
			"message", message(result))
	default:
		log.Warn(verdictMessage(verdict), "message", message(result))
	}
}

// verdictMessage says what follows from an answer that is not as wished.
func verdictMessage(verdict held.Verdict) string {
	switch verdict {
	case held.Verdict(held.LeaseLost):
		return "another worker holds the attempt; disowning it"
	case held.Verdict(held.DuplicateRefused):
		return "the attempt has another job; deleting ours"
	case held.Verdict(held.EndedAtServer):
		return "the attempt ended at the server; ending its job"
	case held.Verdict(held.UnknownAtServer):
		return "the server does not know the attempt; disowning it until it is looked up"
	case held.ManifestRefused:
		return "server refuses the manifest; ending the attempt"
	case held.ManifestDropped:
		return "server refuses the manifest of a Job that exists; going on without it"
	}
	return "server calls the report invalid"
}

func message(result api.ReportResult) string {
	if result.Message == nil {
		return ""
	}
	return *result.Message
}

func categoryOf(r api.Report) string {
	if r.Category == nil {
		return ""
	}
	return string(*r.Category)
}
