package kueue

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

const (
	workloads = `{"kind":"WorkloadList","apiVersion":"kueue.x-k8s.io/%[1]s","metadata":{"resourceVersion":"1"},"items":[{` +
		`"metadata":{"name":"job-j-12345","namespace":"n","uid":"w","labels":{"kueue.x-k8s.io/job-uid":"j"}},` +
		`"spec":{"queueName":"batch","podSets":[{"name":"main","template":{"spec":{"containers":[]}}}]},` +
		`"status":{"conditions":[{"type":"QuotaReserved","status":"False","reason":"Pending","message":"no quota",` +
		`"lastTransitionTime":"2026-01-01T00:00:00Z"}],"admissionChecks":[{"name":"budget","state":"Pending","message":"soon"}]}}]}`
	queues = `{"kind":"LocalQueueList","apiVersion":"kueue.x-k8s.io/%[1]s","metadata":{"resourceVersion":"1"},"items":[{` +
		`"metadata":{"name":"batch","namespace":"n","uid":"q"},"spec":{"clusterQueue":"small"}}]}`
)

// apiServer answers as an API server that has Kueue in one version, or none, and refuses one resource.
func apiServer(version, refused string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		status := func(code int, reason string) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(code)
			fmt.Fprintf(rw, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, code)
		}
		at, resource, known := strings.Cut(r.URL.Path, "/namespaces/n/")
		switch {
		case !known || at != "/apis/kueue.x-k8s.io/"+version:
			status(http.StatusNotFound, "NotFound")
		case resource == refused:
			status(http.StatusForbidden, "Forbidden")
		case r.URL.Query().Get("sendInitialEvents") == "true":
			status(http.StatusUnprocessableEntity, "Invalid") // it cannot stream lists
		case r.URL.Query().Get("watch") != "":
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusOK)
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(rw, map[string]string{"workloads": workloads, "localqueues": queues}[resource], version)
		}
	}
}

func TestAWorkloadIsReadAsFarAsItMayBe(t *testing.T) {
	for name, test := range map[string]struct {
		version, refused string
		readable         bool
		clusterQueue     string
	}{
		"the current version":              {version: "v1beta2", readable: true, clusterQueue: "small"},
		"the version before":               {version: "v1beta1", readable: true, clusterQueue: "small"},
		"without the right to LocalQueues": {version: "v1beta2", refused: "localqueues", readable: true},
		"without the right to Workloads":   {version: "v1beta2", refused: "workloads"},
		"without Kueue":                    {version: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan string, 1000)
			handler := apiServer(test.version, test.refused)
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				handler(rw, r)
				asked <- r.URL.Path
			}))
			t.Cleanup(server.Close) // after what follows it has ended
			changed := make(chan types.UID, 1000)
			w := &Watch{
				REST: &rest.Config{Host: server.URL}, Namespace: "n", Log: slog.New(slog.DiscardHandler),
				Changed: func(job types.UID) { changed <- job },
			}
			ended := make(chan struct{})
			go func() { defer close(ended); w.Run(t.Context()) }()
			t.Cleanup(func() { <-ended })

			if !test.readable {
				<-asked
				<-asked // both versions
				if got := w.Of("j"); got.Readable || got.Found != nil {
					t.Errorf("read %+v", got)
				}
				return
			}
			deadline := time.After(30 * time.Second)
			for got := w.Of("j"); got.Found == nil || got.Found.ClusterQueue != test.clusterQueue; got = w.Of("j") {
				select {
				case <-changed:
				case <-deadline:
					t.Fatalf("read %+v", got)
				}
			}
			got := w.Of("j").Found
			if got.Name != "job-j-12345" || got.Queue != "batch" || len(got.Conditions) != 1 ||
				got.Conditions[0].Message != "no quota" || len(got.Checks) != 1 || got.Checks[0].Name != "budget" {
				t.Errorf("read %+v", got)
			}
			if other := w.Of("another"); !other.Readable || other.Found != nil {
				t.Errorf("of another Job: %+v", other)
			}
		})
	}
}
