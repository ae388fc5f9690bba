package kube

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

// refusal is what an error of the API server at the creation of a Job means.
type refusal struct {
	final    bool // it will never work; otherwise it may later
	category api.Category
	hint     string
}

// judge tells errors that stay from errors that pass. What is not known to stay is tried again until the
// attempt's start deadline.
func judge(err error) refusal {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		var network net.Error
		if errors.As(err, &network) {
			return refusal{category: api.CategoryUnknown, hint: "the API server can not be reached"}
		}
		return refusal{category: api.CategoryUnknown}
	}
	switch code := status.Status().Code; {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return refusal{final: true, category: api.CategoryInvalid, hint: "the namespace is being deleted"}
	case code == http.StatusNotFound:
		return refusal{
			final:    true,
			category: api.CategoryInvalid,
			hint:     "create the namespace, or name another one in the template",
		}
	case code == http.StatusRequestEntityTooLarge:
		return refusal{
			final:    true,
			category: api.CategoryInvalid,
			hint:     "the manifest is too large; put big values into a ConfigMap or a file",
		}
	case code == http.StatusBadRequest, code == http.StatusUnprocessableEntity:
		return refusal{
			final:    true,
			category: api.CategoryInvalid,
			hint:     "correct the pool's template or the job variables",
		}
	case code == http.StatusUnauthorized:
		return refusal{
			category: api.CategoryUnknown,
			hint:     "the worker's credentials are not accepted; renew its token or kubeconfig",
		}
	case code == http.StatusForbidden && strings.Contains(err.Error(), "exceeded quota"):
		return refusal{category: api.CategoryQuota, hint: "wait until the namespace's quota has room, or raise it"}
	case code == http.StatusForbidden:
		return refusal{
			category: api.CategoryInvalid,
			hint:     "give the worker's ServiceAccount the Role it needs in the namespace, or see what an admission plugin objects to",
		}
	case code == http.StatusTooManyRequests,
		code >= 500,
		code == http.StatusConflict,
		code == http.StatusRequestTimeout:
		return refusal{category: api.CategoryUnknown, hint: "the API server is busy or unwell"}
	default:
		return refusal{final: true, category: api.CategoryInvalid, hint: "the API server does not take the manifest"}
	}
}

// hinted adds to an error what to do about it.
func hinted(err error) error {
	if hint := judge(err).hint; hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}
