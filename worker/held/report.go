package held

import "github.com/berth-dev/berth/server/api"

// maxReportBytes bounds the manifests and texts of one batch; a single report may be larger.
const maxReportBytes = 512 << 10

// reportOverhead is about what a report takes besides its texts.
const reportOverhead = 256

// DueReport is a report with the attempt that it is about.
type DueReport struct {
	Attempt *Attempt
	Report  api.Report
}

// Due is notified when a report may be due.
func (t *Table) Due() <-chan struct{} { return t.due }

// Collect takes up to limit reports from the queue, oldest attempts first. An end that waits for the last
// output is left out; its attempt comes back when the delay is over.
func (t *Table) Collect(limit int) []DueReport {
	t.mu.Lock()
	defer t.mu.Unlock()

	var batch []DueReport
	size := 0
	queue := t.queue
	t.queue = nil
	for i, a := range queue {
		if len(batch) >= limit || (size > maxReportBytes && len(batch) > 0) {
			t.queue = append(t.queue, queue[i:]...)
			break
		}

		a.queued = false
		for _, r := range t.dueNowLocked(a) {
			if len(batch) >= limit {
				// The rest of its reports go first the next time.
				a.queued = true
				t.queue = append(t.queue, a)
				break
			}
			batch = append(batch, DueReport{a, r})
			size += len(r.Manifest) + len(value(r.LastLines)) + len(value(r.Message)) + reportOverhead
		}
	}
	return batch
}

func (t *Table) dueNowLocked(a *Attempt) []api.Report {
	reports := a.due()
	last := len(reports) - 1
	delayed := t.now().Before(a.endDelayedUntil)
	if delayed && last >= 0 && reports[last].Kind == api.ReportKindEnded {
		return reports[:last]
	}
	return reports
}

// Requeue puts back reports that were not delivered.
func (t *Table) Requeue(batch []DueReport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range batch {
		if d.Attempt.stage != Released {
			t.changedLocked(d.Attempt)
		}
	}
}

// Unreported reports whether anything is due, delayed ends included.
func (t *Table) Unreported() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.byID {
		if len(a.due()) > 0 {
			return true
		}
	}
	return false
}

// Unrecorded reports whether there is an outcome that the server has not recorded yet.
func (t *Table) Unrecorded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.byID {
		if a.stage == Ended {
			return true
		}
	}
	return false
}
