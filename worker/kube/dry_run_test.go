package kube

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

func TestWhatAnErrorMeansForADryRun(t *testing.T) {
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	tests := map[string]struct {
		err  error
		want api.DryRunOutcome
		says string
	}{
		"none": {want: api.DryRunOutcomeAccepted},
		"a permission that the worker lacks": {
			err: apierrors.NewForbidden(jobs, "j", errors.New(
				`User "system:serviceaccount:berth:worker" cannot create resource "jobs" in API group "batch"`)),
			want: api.DryRunOutcomeForbidden, says: "grant the worker",
		},
		"a quota": {
			err:  apierrors.NewForbidden(jobs, "j", errors.New("exceeded quota: team")),
			want: api.DryRunOutcomeRefused, says: "raise it",
		},
		"a policy": {
			err:  apierrors.NewForbidden(jobs, "j", errors.New("needs limits")),
			want: api.DryRunOutcomeRefused, says: "needs limits",
		},
		"a Job that is not valid": {err: apierrors.NewBadRequest("unknown field"), want: api.DryRunOutcomeRefused},
		"a webhook with side effects": {
			err:  apierrors.NewBadRequest(`admission webhook "old.example.com" does not support dry run`),
			want: api.DryRunOutcomeFailed, says: "only a run can tell",
		},
		"an API server that is busy": {err: apierrors.NewTooManyRequests("later", 1), want: api.DryRunOutcomeFailed},
		"credentials that have expired": {
			err: apierrors.NewUnauthorized("expired"), want: api.DryRunOutcomeFailed, says: "renew",
		},
		"no answer": {err: errors.New("connection refused"), want: api.DryRunOutcomeFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, warnings := cluster.CollectWarnings(t.Context())
			got := judged(test.err, warnings)
			message := ""
			if got.Message != nil {
				message = *got.Message
			}
			if got.Outcome != test.want || !strings.Contains(message, test.says) || (message == "") != (test.err == nil) {
				t.Errorf("got %s with %q, want %s with %q", got.Outcome, message, test.want, test.says)
			}
		})
	}
}
