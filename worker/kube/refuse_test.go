package kube

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/berth-dev/berth/worker/job"
)

func TestErrorsOfCreateAreFinalOrPass(t *testing.T) {
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	status := func(code int32) error { return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code}} }
	terminating := apierrors.NewForbidden(jobs, "x", errors.New("unable to create new content in namespace y because it is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for _, test := range []struct {
		name     string
		err      error
		final    bool
		category job.Category
	}{
		{"invalid", apierrors.NewInvalid(batchv1.SchemeGroupVersion.WithKind("Job").GroupKind(), "x", nil), true, job.Invalid},
		{"bad request", apierrors.NewBadRequest("no"), true, job.Invalid},
		{"namespace not found", apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "y"), true, job.Invalid},
		{"too large", apierrors.NewRequestEntityTooLargeError("limit is 3145728"), true, job.Invalid},
		{"namespace terminating", terminating, true, job.Invalid},
		{"method not allowed", status(http.StatusMethodNotAllowed), true, job.Invalid},
		{"quota", apierrors.NewForbidden(jobs, "x", errors.New("exceeded quota: jobs")), false, job.Quota},
		{"not permitted", apierrors.NewForbidden(jobs, "x", errors.New("User can not create")), false, job.Invalid},
		{"unauthorized", apierrors.NewUnauthorized("expired"), false, job.Unknown},
		{"too many requests", apierrors.NewTooManyRequests("slow down", 7), false, job.Unknown},
		{"internal", apierrors.NewInternalError(errors.New("etcd")), false, job.Unknown},
		{"unavailable", status(http.StatusServiceUnavailable), false, job.Unknown},
		{"timeout", apierrors.NewTimeoutError("slow", 1), false, job.Unknown},
		{"conflict", apierrors.NewConflict(jobs, "x", errors.New("other")), false, job.Unknown},
		{"network", &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}, false, job.Unknown},
		{"anything else", errors.New("?"), false, job.Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := judge(fmt.Errorf("create: %w", test.err))
			if got.final != test.final || got.category != test.category {
				t.Errorf("judged %+v, want final %v and %s", got, test.final, test.category)
			}
			if got.hint == "" && test.name != "anything else" {
				t.Error("there is no hint what to do")
			}
			if hinted := hinted(test.err); !errors.Is(hinted, test.err) {
				t.Errorf("the hint hides the error: %v", hinted)
			}
		})
	}
}

func TestTheServersDelayIsKept(t *testing.T) {
	if got := retryAfter(fmt.Errorf("create: %w", apierrors.NewTooManyRequests("slow down", 7))); got.Seconds() != 7 {
		t.Errorf("wait %s, want 7s", got)
	}
}
