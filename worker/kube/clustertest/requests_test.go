package clustertest

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube"
)

// requests counts what a runtime asks the API server for, by method and resource; watches and the checks of its access
// are no requests of a run.
type requests struct {
	mu     sync.Mutex
	counts map[string]int
	whole  []string // changes that are answered with the whole object
}

func (c *requests) note(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Has("watch") || strings.Contains(r.URL.RawQuery, "berth-access-check") {
		return nil, nil
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	what := parts[len(parts)-1]
	for i, part := range parts {
		if part == "namespaces" && i+2 < len(parts) {
			what = strings.Join(append(parts[i+2:i+3], parts[min(i+4, len(parts)):]...), "/")
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[r.Method+" "+what]++
	if r.Method == http.MethodPatch && !strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata") {
		c.whole = append(c.whole, r.URL.Path)
	}
	return nil, nil
}

// take returns the counts and begins anew.
func (c *requests) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	c.counts = map[string]int{}
	return counts
}

// TestARunMakesThreeRequests or four: a log that was followed is asked for once more at its end, as an API server ends the
// stream in the same way where its own connection to the node breaks.
func TestARunMakesThreeRequests(t *testing.T) {
	s := newSite(t, kube.Options{})
	counter := &requests{counts: map[string]int{}}
	s.startBehind(&faulty{before: counter.note})
	first := s.attempt("true") // the labels of the namespace are read once
	of := s.launch(first)
	s.ended(first.Ref)
	s.finalize(first.Ref, of.UID)
	counter.take()

	a := s.attempt("echo out")
	launched := s.launch(a)
	end := s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	if end.LastLines != "out" {
		t.Errorf("the last lines are %q", end.LastLines)
	}
	if text, _ := s.recorder.text(a.Ref); text != "out\n" {
		t.Errorf("the output is %q", text)
	}
	want := map[string]int{"POST jobs": 1, "GET pods/log": 1, "PATCH jobs": 1}
	got := counter.take()
	if got["GET pods/log"] == 2 {
		want["GET pods/log"] = 2
	}
	if !maps.Equal(got, want) {
		t.Errorf("requests %v, want %v", got, want)
	}
	if len(counter.whole) > 0 {
		t.Errorf("answered with whole objects: %v", counter.whole)
	}
	j := s.job(launched.Name)
	if j == nil || len(j.Finalizers) > 0 || j.Labels[manifest.LabelReleased] == "" || *j.Spec.TTLSecondsAfterFinished != 600 {
		t.Errorf("the Job after it was finalized: %+v", j)
	}
	ours := 0
	for label := range s.pods()[0].Labels {
		if strings.HasPrefix(label, manifest.Prefix) || strings.HasPrefix(label, "app.kubernetes.io/") {
			ours++
		}
	}
	if ours != 3 {
		t.Errorf("the pod has the labels %v", s.pods()[0].Labels)
	}
}
