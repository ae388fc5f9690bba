package worker

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestForeignAnswersAreRetried(t *testing.T) {
	for _, path := range []string{"hello", "claim", "reports", "logs", "leases"} {
		for _, status := range []int{http.StatusOK, http.StatusFound, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed} {
			t.Run(fmt.Sprintf("%d at %s", status, path), func(t *testing.T) {
				t.Parallel()
				p := newFakeServer(t, shellTemplate)
				p.change(
					func() { p.foreign = foreignAnswer{path: "/api/v1/worker/" + path, status: status, left: 3} })
				startWorker(t, p)
				s := p.offer(script("echo out; sleep 0.3"))
				p.wait(t, "the run to end well", func() bool { return s.ended != nil && *s.ended.Succeeded })
				p.wait(t, "the output", func() bool { return string(s.output) == "out\n" })
				p.wait(t, "the strange answers to be over", func() bool { return p.foreign.left == 0 })
			})
		}
	}
}

func TestAReportTooLargeForAProxyEndsTheAttemptAsInvalid(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	p.change(func() {
		p.foreign = foreignAnswer{
			path: "/api/v1/worker/reports", status: http.StatusRequestEntityTooLarge, left: 1,
		}
	})
	startWorker(t, p)
	s := p.offer(script("true"), manifestFirst)
	p.wait(t, "the end", func() bool { return s.ended != nil })
	if category := categoryOf(*s.ended); category != string(api.CategoryInvalid) {
		t.Errorf("ended as %q, want invalid: it would be too large the next time, too", category)
	}
}

func TestAManifestTooLargeForAProxyDoesNotEndAJobThatRuns(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	p.change(func() {
		p.foreign = foreignAnswer{
			path: "/api/v1/worker/reports", status: http.StatusRequestEntityTooLarge, left: 2,
		}
	})
	startWorker(t, p)
	s := p.offer(script("true"))
	p.wait(t, "the end", func() bool { return s.ended != nil })
	if !*s.ended.Succeeded || s.uid == "" {
		t.Errorf("Job %q ended as %+v", s.uid, s.ended)
	}
}
