package cluster

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

	"github.com/berth-dev/berth/server/api"
)

func TestCreateErrorsAreFinalOrTemporary(t *testing.T) {
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	status := func(code int32) error { return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code}} }
	terminating := apierrors.NewForbidden(
		jobs,
		"x",
		errors.New("unable to create new content in namespace y because it is being terminated"),
	)
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for _, test := range []struct {
		name     string
		err      error
		final    bool
		category api.Category
	}{
		{"invalid", apierrors.NewInvalid(batchv1.SchemeGroupVersion.WithKind("Job").GroupKind(), "x", nil), true, api.CategoryInvalid},
		{"bad request", apierrors.NewBadRequest("no"), true, api.CategoryInvalid},
		{"namespace not found", apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "y"), true, api.CategoryInvalid},
		{"too large", apierrors.NewRequestEntityTooLargeError("limit is 3145728"), true, api.CategoryInvalid},
		{"namespace terminating", terminating, true, api.CategoryInvalid},
		{"method not allowed", status(http.StatusMethodNotAllowed), true, api.CategoryInvalid},
		{"quota", apierrors.NewForbidden(jobs, "x", errors.New("exceeded quota: jobs")), false, api.CategoryQuota},
		{"not permitted", apierrors.NewForbidden(jobs, "", errors.New(`User "w" cannot create resource "jobs"`)), false, api.CategoryUnknown},
		{"rejected by a webhook", apierrors.NewForbidden(jobs, "x", errors.New(`admission webhook "w" denied the request`)), false, api.CategoryInvalid},
		{"unauthorized", apierrors.NewUnauthorized("expired"), false, api.CategoryUnknown},
		{"too many requests", apierrors.NewTooManyRequests("slow down", 7), false, api.CategoryUnknown},
		{"internal", apierrors.NewInternalError(errors.New("etcd")), false, api.CategoryUnknown},
		{"unavailable", status(http.StatusServiceUnavailable), false, api.CategoryUnknown},
		{"timeout", apierrors.NewTimeoutError("slow", 1), false, api.CategoryUnknown},
		{"conflict", apierrors.NewConflict(jobs, "x", errors.New("other")), false, api.CategoryUnknown},
		{"network", &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}, false, api.CategoryUnknown},
		{"anything else", errors.New("?"), false, api.CategoryUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ClassifyCreateError(fmt.Errorf("create: %w", test.err))
			if got.Final != test.final || got.Category != test.category {
				t.Errorf("classified as %+v, want final %v and %s", got, test.final, test.category)
			}
			if got.Hint == "" && test.name != "anything else" {
				t.Error("no hint says what to do")
			}
			if hinted := WithHint(test.err); !errors.Is(hinted, test.err) {
				t.Errorf("the hint hides the error: %v", hinted)
			}
		})
	}
}
