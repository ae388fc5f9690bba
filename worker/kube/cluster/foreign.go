package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ForeignError is a refusal that does not come from the API server: a proxy, a load balancer or a sign-in page
// has answered in its place. It says nothing about the object that was asked for, nor whether the API server
// has carried out the request.
type ForeignError struct {
	Status int // of HTTP
	Host   string
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s answered with HTTP status %d and no Status of Kubernetes", e.Host, e.Status)
}

// foreignTransport turns refusals that are not the API server's into errors. client-go would take the 404 of a
// proxy for a missing object, and a Job that is missing has been deleted.
type foreignTransport struct{ next http.RoundTripper }

// WrappedRoundTripper lets client-go find the transport below, to close and to upgrade its connections.
func (t *foreignTransport) WrappedRoundTripper() http.RoundTripper { return t.next }

// RoundTrip implements http.RoundTripper. It leaves alone the codes that are repeated in any case: the API server
// itself answers 429 in plain text.
func (t *foreignTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	switch {
	case err != nil, response.StatusCode == http.StatusTooManyRequests,
		response.StatusCode >= http.StatusInternalServerError:
		return response, err
	case strings.HasPrefix(response.Header.Get("Content-Type"), "text/html"): // such as a page to sign in
		response.Body.Close()
		return nil, &ForeignError{Status: response.StatusCode, Host: r.URL.Host}
	case response.StatusCode < http.StatusBadRequest:
		return response, nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	response.Body.Close()
	if err != nil || !isStatus(body) {
		return nil, &ForeignError{Status: response.StatusCode, Host: r.URL.Host}
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// maxRefusal bounds what is read of a refusal, in bytes. The API server quotes at most the refused manifest.
const maxRefusal = 4 << 20

// protobufMagic begins every protobuf of the Kubernetes API.
var protobufMagic = []byte("k8s\x00")

func isStatus(body []byte) bool {
	if bytes.HasPrefix(body, protobufMagic) {
		return true
	}
	var kind metav1.TypeMeta
	return json.Unmarshal(body, &kind) == nil && kind.Kind == "Status" && kind.APIVersion == "v1"
}

// IsForeign reports whether something else has answered in the place of the API server.
func IsForeign(err error) bool { return errors.As(err, new(*ForeignError)) }

// Judged reports whether the API server has considered a request on its merits: it accepted it, or refused it for
// what it asks for. Otherwise the worker's access is the problem: nothing answered, something else did, the
// credentials or the permissions are missing, or the API server cannot do its work.
func Judged(err error) bool {
	if err == nil {
		return true
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch code := status.Status().Code; {
	case code == http.StatusUnauthorized, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests:
		return false
	case code >= http.StatusInternalServerError:
		// A webhook that is away concerns the objects that it is for, not all.
		return strings.Contains(err.Error(), "failed calling webhook")
	case code == http.StatusForbidden:
		return !IsUnpermitted(err)
	}
	return true
}

// IsUnpermitted reports whether the worker lacks a permission. An admission plugin or a webhook that rejects an object
// answers 403 as well.
func IsUnpermitted(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), `User "`) &&
		strings.Contains(err.Error(), `" cannot `)
}
