package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/berth-dev/berth/server/api"
)

// CreateFailure says what an error of the API server means for the creation of a Job.
type CreateFailure struct {
	// Final is true if the creation can never succeed; otherwise it may succeed later.
	Final    bool
	Category api.Category
	Hint     string // what to do about it
}

// ClassifyCreateError tells final errors from temporary ones. Only the API server's own Status can be final. An
// error that is not known to be final is retried until the attempt's start deadline.
func ClassifyCreateError(err error) CreateFailure {
	var status apierrors.APIStatus
	if IsForeign(err) {
		return temporary("a proxy or load balancer answers in the place of the API server: " +
			"check it, and the cluster's address")
	}
	if !errors.As(err, &status) {
		var network net.Error
		if errors.As(err, &network) {
			return temporary("the API server is unreachable: check the network and the cluster's address")
		}
		return CreateFailure{Category: api.CategoryUnknown}
	}

	switch code := status.Status().Code; {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return final("the namespace is being deleted: use another one")
	case code == http.StatusNotFound:
		// Only the namespace can be missing when a Job is created; other requests get no hint.
		if details := status.Status().Details; details != nil && details.Kind != "namespaces" {
			return final("")
		}
		return final("create the namespace, or name another one in the template")
	case code == http.StatusRequestEntityTooLarge:
		return final("the manifest is too large: move large values to a ConfigMap or a file")
	case code == http.StatusBadRequest, code == http.StatusUnprocessableEntity:
		return final("correct the pool's template or the job variables")
	case code == http.StatusUnauthorized:
		return temporary("the API server rejects the worker's credentials: renew its token or kubeconfig")
	case code == http.StatusForbidden && strings.Contains(err.Error(), "exceeded quota"):
		return CreateFailure{
			Category: api.CategoryQuota,
			Hint:     "wait until the namespace's resource quota has room, or raise it",
		}
	case IsUnpermitted(err):
		return temporary("grant the worker's ServiceAccount the Role it needs in the namespace")
	case code == http.StatusForbidden:
		return CreateFailure{
			Category: api.CategoryInvalid,
			Hint:     "correct what the admission plugin or webhook rejects",
		}
	case isWebhookAway(err):
		return temporary("the controller that this webhook belongs to does not answer: check its pods")
	case code == http.StatusTooManyRequests, code >= http.StatusInternalServerError,
		code == http.StatusConflict, code == http.StatusRequestTimeout:
		return temporary("the API server is overloaded or failing")
	}
	return final("the API server does not accept the manifest")
}

// isWebhookAway reports whether the API server could not ask an admission webhook whose failurePolicy is Fail.
func isWebhookAway(err error) bool {
	return apierrors.IsInternalError(err) && strings.Contains(err.Error(), "failed calling webhook")
}

func final(hint string) CreateFailure {
	return CreateFailure{Final: true, Category: api.CategoryInvalid, Hint: hint}
}

func temporary(hint string) CreateFailure {
	return CreateFailure{Category: api.CategoryUnknown, Hint: hint}
}

// WithHint appends to an error what to do about it.
func WithHint(err error) error {
	if hint := ClassifyCreateError(err).Hint; hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}
