package held

import (
	"cmp"
	"fmt"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// Verdict is what the server's answer to a report means for its attempt.
type Verdict string

// Verdicts that change no stage. All others are the events of that name.
const (
	// Accepted: the report need not be repeated.
	Accepted Verdict = "accepted"
	// Ignored: the server does not want the report; it is not repeated.
	Ignored Verdict = "ignored"
	// Shortened: the outcome is reported again, without details.
	Shortened Verdict = "shortened"
	// ManifestRefused: the attempt ends as invalid.
	ManifestRefused Verdict = "manifest refused"
	// ManifestDropped: there is a Job already; the report is repeated without its manifest.
	ManifestDropped Verdict = "manifest dropped"
)

// noReason stands for the message that the server did not send with a refusal.
const noReason = "no reason was given"

// judge says what an answer means. shortened is true if the outcome was reported without details.
func judge(r api.Report, status api.ReportResultStatus, shortened bool) Verdict {
	kind := r.Kind
	switch status {
	case api.ReportResultStatusAccepted:
		switch kind {
		case api.ReportKindEnded:
			return Verdict(OutcomeRecorded)
		case api.ReportKindHandedBack:
			return Verdict(HandBackRecorded)
		}
		return Accepted
	case api.ReportResultStatusStale:
		return Verdict(LeaseLost)
	case api.ReportResultStatusEnded:
		if kind == api.ReportKindEnded {
			return Verdict(OutcomeRecorded)
		}
		return Verdict(EndedAtServer)
	case api.ReportResultStatusDuplicateJob:
		return Verdict(DuplicateRefused)
	case api.ReportResultStatusUnknown:
		return Verdict(UnknownAtServer)
	}
	return judgeInvalid(r, shortened)
}

// judgeInvalid covers invalid reports, and any status that only a newer server knows.
func judgeInvalid(r api.Report, shortened bool) Verdict {
	kind := r.Kind
	switch {
	case kind == api.ReportKindManifest:
		return ManifestRefused
	case r.Manifest != nil:
		return ManifestDropped
	case kind == api.ReportKindEnded && !shortened:
		return Shortened
	case kind == api.ReportKindEnded:
		return Verdict(OutcomeRefused)
	case kind == api.ReportKindHandedBack:
		return Verdict(HandBackRecorded)
	}
	return Ignored
}

// Answer records the server's answer to a report. It returns false if the attempt is no longer held.
func (t *Table) Answer(a *Attempt, r api.Report, result api.ReportResult) (Verdict, Action, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.stage == Released {
		return "", Nothing, false
	}

	verdict := judge(r, result.Status, a.facts.refusal != "")
	switch verdict {
	case Accepted, Ignored:
		a.accepted = a.accepted.with(r)
		if a.accepted.manifest {
			a.facts.manifest = nil
		}
		t.changedLocked(a)
		return verdict, Nothing, true
	case ManifestDropped:
		a.facts.manifest = nil
		t.changedLocked(a)
		return verdict, Nothing, true
	case Shortened:
		// Never empty: the refusal is what makes the next report the short one.
		a.facts.refusal = cmp.Or(value(result.Message), noReason)
		t.changedLocked(a)
		return verdict, Nothing, true
	case ManifestRefused:
		at := t.now()
		message := fmt.Sprintf("the server refuses the manifest: %s", value(result.Message))
		a.facts.manifest = nil
		a.observe(job.Observation{
			Phase:    job.Ended,
			Category: api.CategoryInvalid,
			Message:  message,
			EndedAt:  &at,
		})
		return verdict, t.applyLocked(a, EndDecided), true
	}
	return verdict, t.applyLocked(a, Event(verdict)), true
}
