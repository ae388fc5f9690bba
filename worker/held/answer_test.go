package held

import (
	"encoding/json"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestEachAnswerHasOneVerdict(t *testing.T) {
	tests := map[string]struct {
		kind      api.ReportKind
		status    api.ReportResultStatus
		shortened bool
		want      Verdict
	}{
		"an accepted report goes on": {
			api.ReportKindRunning, api.ReportResultStatusAccepted, false, Accepted,
		},
		"an accepted outcome is recorded": {
			api.ReportKindEnded, api.ReportResultStatusAccepted, false, Verdict(OutcomeRecorded),
		},
		"an accepted hand back is recorded": {
			api.ReportKindHandedBack, api.ReportResultStatusAccepted, false, Verdict(HandBackRecorded),
		},
		"a stale epoch loses the lease": {
			api.ReportKindEnded, api.ReportResultStatusStale, false, Verdict(LeaseLost),
		},
		"an attempt that ended otherwise ended at server": {
			api.ReportKindRunning, api.ReportResultStatusEnded, false, Verdict(EndedAtServer),
		},
		"a second outcome counts as recorded": {
			api.ReportKindEnded, api.ReportResultStatusEnded, false, Verdict(OutcomeRecorded),
		},
		"a second Job is a duplicate": {
			api.ReportKindSubmitted, api.ReportResultStatusDuplicateJob, false, Verdict(DuplicateRefused),
		},
		"an unknown attempt is unknown": {
			api.ReportKindRunning, api.ReportResultStatusUnknown, false, Verdict(UnknownAtServer),
		},
		"an invalid manifest ends the attempt": {
			api.ReportKindManifest, api.ReportResultStatusInvalid, false, ManifestRefused,
		},
		"an invalid outcome is shortened": {
			api.ReportKindEnded, api.ReportResultStatusInvalid, false, Shortened,
		},
		"an outcome that stays invalid is refused": {
			api.ReportKindEnded, api.ReportResultStatusInvalid, true, Verdict(OutcomeRefused),
		},
		"an invalid diagnosis is not repeated": {
			api.ReportKindPending, api.ReportResultStatusInvalid, false, Ignored,
		},
		"an invalid hand back is not repeated": {
			api.ReportKindHandedBack, api.ReportResultStatusInvalid, false, Verdict(HandBackRecorded),
		},
		"a status of a newer server is treated as invalid": {
			api.ReportKindPending, "postponed", false, Ignored,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := judge(api.Report{Kind: test.kind}, test.status, test.shortened); got != test.want {
				t.Errorf("judged %q, want %q", got, test.want)
			}
		})
	}
}

func TestAnInvalidReportWithAManifestIsRepeatedWithoutIt(t *testing.T) {
	w := newWorld()
	w.Prepare(w.attempt, Prepared{Manifest: json.RawMessage(`{}`)})
	w.launched("u1")
	invalid := api.ReportResult{Status: api.ReportResultStatusInvalid}
	first := w.attempt.due()
	if len(first) != 1 || first[0].Kind != api.ReportKindSubmitted || first[0].Manifest == nil {
		t.Fatalf("due are %+v", first)
	}
	if verdict, action, _ := w.Answer(w.attempt, first[0], invalid); verdict != ManifestDropped || action != Nothing {
		t.Errorf("the answer is %q and asks for %q", verdict, action)
	}
	again := w.attempt.due()
	if len(again) != 1 || again[0].Kind != api.ReportKindSubmitted || again[0].Manifest != nil {
		t.Errorf("due are then %+v", again)
	}
}
