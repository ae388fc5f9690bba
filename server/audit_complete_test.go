package server_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// unaudited lists the operations that change nothing that the audit is about: they store nothing, or are
// about runs, whose events say who did what. Who adds an operation that is neither lets it be audited.
func unaudited() []string {
	return []string{
		"LintTemplate", "PreviewTemplate", "DryRunTemplate", "CheckTemplate", "DiffTemplate", "ImpactTemplate", "PreviewSchedule", "TestPoolRule", "TestRule",
		"CreateRun", "CreateRuns", "CancelRun", "CancelRuns", "RetryRun", "RetryRuns", "AbandonRun",
		"SetRunResult", "SetRunProgress", "IntrospectRunToken", "TestTokenExchange",
		// The session that comes of it is audited as its person's.
		"StartDeviceSignIn", "FinishDeviceSignIn",
	}
}

func TestEveryWriteIsAudited(t *testing.T) {
	t.Parallel()
	audited := 0
	for _, o := range operations(t) {
		if o.method == http.MethodGet || o.protocol() || slices.Contains(unaudited(), o.OperationID) {
			continue
		}
		audited++
		t.Run(o.OperationID, func(t *testing.T) {
			t.Parallel()
			w := newContractWorld(t)
			entries := func() int {
				return len(read[api.AuditList](w.call(http.MethodGet,
					"/api/v1/audit?limit=500", "").is(http.StatusOK)).Items)
			}
			before := entries()
			if a := w.send(w.validCall(o)); a.status >= http.StatusMultipleChoices {
				t.Fatalf("status %d: %s", a.status, a.body)
			}
			if entries() <= before {
				t.Error("it leaves nothing in the audit")
			}
		})
	}
	if audited < 15 {
		t.Errorf("only %d operations change something", audited)
	}
}
