package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// answers is a client of a server that gives one answer to everything.
func answers(t *testing.T, status int, contentType, body string) Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	config, err := ConnectOptions{ClusterID: "c"}.config(&rest.Config{Host: server.URL}, "n")
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func ownStatus(t *testing.T, err *apierrors.StatusError) string {
	t.Helper()
	err.ErrStatus.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	text, encodeErr := json.Marshal(err.ErrStatus)
	if encodeErr != nil {
		t.Fatal(encodeErr)
	}
	return string(text)
}

// TestOnlyTheAPIServersOwnStatusIsBelieved: an object is missing, and a manifest is refused for good, only where the API
// server says so itself.
func TestOnlyTheAPIServersOwnStatusIsBelieved(t *testing.T) {
	const html, text, problem = "text/html", "text/plain", "application/problem+json"
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	rbac := errors.New(`User "w" cannot create resource "jobs" in API group "batch" in the namespace "n"`)
	for name, c := range map[string]struct {
		status      int
		contentType string
		body        string
		missing     bool // a get says that there is none
		final       bool // a create is refused for good
		judged      bool // the API server considered the request
	}{
		"a proxy's page: 404":    {status: 404, contentType: html, body: "<h1>Not Found</h1>"},
		"a proxy's page: 400":    {status: 400, contentType: html, body: "<h1>Bad Request</h1>"},
		"a proxy's page: 403":    {status: 403, contentType: html, body: "<h1>Blocked</h1>"},
		"a proxy's page: 413":    {status: 413, contentType: html, body: "<h1>Too large</h1>"},
		"a proxy's page: 422":    {status: 422, contentType: html, body: "<h1>No</h1>"},
		"a proxy's page: 409":    {status: 409, contentType: html, body: "<h1>No</h1>"},
		"a proxy's page: 502":    {status: 502, contentType: html, body: "<h1>Bad gateway</h1>"},
		"a sign-in page":         {status: 200, contentType: html, body: "<form>"},
		"a proxy's JSON: 404":    {status: 404, contentType: problem, body: `{"title":"no route"}`},
		"a proxy's Status":       {status: 404, contentType: "application/json", body: `{"kind":"Status","apiVersion":"mesh/v1"}`},
		"an empty 404":           {status: 404},
		"no such path":           {status: 404, contentType: text, body: "404 page not found"},
		"too many requests":      {status: 429, contentType: text, body: "Too many requests, please try again later."},
		"not found":              {status: 404, body: ownStatus(t, apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "n")), missing: true, final: true, judged: true},
		"invalid":                {status: 422, body: ownStatus(t, apierrors.NewInvalid(batchv1.SchemeGroupVersion.WithKind("Job").GroupKind(), "x", nil)), final: true, judged: true},
		"no permission":          {status: 403, body: ownStatus(t, apierrors.NewForbidden(jobs, "", rbac))},
		"a quota":                {status: 403, body: ownStatus(t, apierrors.NewForbidden(jobs, "x", errors.New("exceeded quota: q"))), judged: true},
		"a webhook refuses":      {status: 403, body: ownStatus(t, apierrors.NewForbidden(jobs, "x", errors.New(`admission webhook "w" denied the request: no`))), judged: true},
		"a webhook is away":      {status: 500, body: ownStatus(t, apierrors.NewInternalError(errors.New(`failed calling webhook "w": connection refused`))), judged: true},
		"the token has expired":  {status: 401, body: ownStatus(t, apierrors.NewUnauthorized("Unauthorized"))},
		"the storage is away":    {status: 500, body: ownStatus(t, apierrors.NewInternalError(errors.New("etcdserver: request timed out")))},
		"it is not ready to act": {status: 503, body: ownStatus(t, apierrors.NewServiceUnavailable("starting"))},
	} {
		t.Run(name, func(t *testing.T) {
			if c.contentType == "" {
				c.contentType = "application/json"
			}
			config := answers(t, c.status, c.contentType, c.body)
			client, err := config.client()
			if err != nil {
				t.Fatal(err)
			}
			list := client.BatchV1().Jobs("n")
			if _, err := list.Get(t.Context(), "x", metav1.GetOptions{}); err == nil || apierrors.IsNotFound(err) != c.missing {
				t.Errorf("get returns %v, want missing %v", err, c.missing)
			}
			_, err = list.Create(t.Context(), &batchv1.Job{}, metav1.CreateOptions{})
			if got := ClassifyCreateError(err); err == nil || got.Final != c.final || apierrors.IsAlreadyExists(err) || got.Hint == "" {
				t.Errorf("create returns %v, which is %+v, want final %v", err, got, c.final)
			}
			if got := Judged(err); got != c.judged {
				t.Errorf("create returns %v, which the API server has judged: %v", err, got)
			}
			if err := list.Delete(t.Context(), "x", metav1.DeleteOptions{}); apierrors.IsNotFound(err) != c.missing || apierrors.IsConflict(err) {
				t.Errorf("delete returns %v", err)
			}
		})
	}
}
