package worker

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// lastAsked is the newest claim.
func (p *fakeServer) lastAsked() api.ClaimRequest {
	if len(p.asked) == 0 {
		return api.ClaimRequest{Max: -1}
	}
	return p.asked[len(p.asked)-1]
}

func TestAWorkerWithoutAccessToItsClusterClaimsNothingAndIsNotReady(t *testing.T) {
	p, runtime := newFakeServer(t, shellTemplate), newWaitingRuntime()
	address := make(chan string, 1)
	startWorker(t, p, runtime.with, func(o *Options) {
		o.MetricsListen, o.Listening = "127.0.0.1:0", func(a string) { address <- a }
		o.tuning.claimWait = 20 * time.Millisecond
	})
	url := "http://" + <-address
	p.wait(t, "a claim for runs", func() bool { return p.lastAsked().Max > 0 })

	lost := errors.New("jobs are forbidden")
	runtime.changeAccess(job.Access{Err: lost, Lost: map[string]error{"jobs": lost}})
	p.wait(t, "a poll that claims nothing", func() bool { return p.lastAsked().Max == 0 })
	if status, text := get(t, url+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, lost.Error()) {
		t.Errorf("readyz answers %d %q", status, text)
	}
	if status, text := get(t, url+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz answers %d %q: a restart would not bring the access back", status, text)
	}

	runtime.changeAccess(job.Access{Lost: map[string]error{"other": lost}})
	p.wait(t, "a claim for runs", func() bool { return p.lastAsked().Max > 0 })
	if status, text := get(t, url+"/readyz"); status != http.StatusOK || !strings.Contains(text, `namespace "other" is not served`) {
		t.Errorf("with one namespace lost, readyz answers %d %q", status, text)
	}
}

func (s *waitingRuntime) changeAccess(access job.Access) {
	s.mu.Lock()
	handler := s.handler
	s.mu.Unlock()
	handler.AccessChanged(access)
}

func TestALaunchThatTheRuntimeDeclinesIsHandedBackWithTheReason(t *testing.T) {
	p, runtime := newFakeServer(t, shellTemplate), newWaitingRuntime()
	runtime.decline = &job.Declined{Message: "no access", Namespace: "elsewhere"}
	startWorker(t, p, runtime.with)
	s := p.offer(script("true"))
	p.wait(t, "the hand-back", func() bool { return s.back })
	p.change(func() {
		r := s.reports[len(s.reports)-1]
		if value(r.Diagnosis) != "no access" || value(r.JobNamespace) != "elsewhere" {
			t.Errorf("handed back as %+v", r)
		}
	})
}

func TestAnAttemptThatCannotBeObservedIsLeftToOtherWorkersWithoutForgettingIt(t *testing.T) {
	p, runtime := newFakeServer(t, shellTemplate), newWaitingRuntime()
	startWorker(t, p, runtime.with, func(o *Options) { o.tuning.unobservedPatience = time.Nanosecond })
	s := p.offer(script("true"))
	<-runtime.launched
	runtime.blind.Store(int64(time.Minute))
	p.wait(t, "the release of its lease", func() bool { return len(p.released) > 0 })
	p.change(func() {
		if p.released[0].AttemptID != s.claim.AttemptID || len(p.released) > 1 {
			t.Errorf("released %v", p.released)
		}
		p.renewed = nil
	})
	runtime.blind.Store(0)
	p.wait(t, "its renewal", func() bool { return len(p.renewed) > 0 })
}

func TestWhatWasReleasedIsRenewedBeforeAnythingIsClaimedAgain(t *testing.T) {
	p, runtime := newFakeServer(t, shellTemplate), newWaitingRuntime()
	startWorker(t, p, runtime.with, func(o *Options) {
		o.tuning.unobservedPatience, o.tuning.claimWait = time.Nanosecond, 20*time.Millisecond
		o.tuning.renewEvery = time.Hour // but for what the access brings
	})
	p.offer(script("true"))
	<-runtime.launched
	runtime.blind.Store(int64(time.Minute))
	lost := errors.New("no route to host")
	runtime.changeAccess(job.Access{Err: lost, Lost: map[string]error{"jobs": lost}})
	p.wait(t, "the release of its lease", func() bool { return len(p.released) > 0 })
	p.wait(t, "a poll that claims nothing", func() bool { return p.lastAsked().Max == 0 })
	claimed := false
	p.change(func() { p.renewed, p.asked = nil, nil; p.onRenew = func() { claimed = p.lastAsked().Max > 0 } })
	runtime.blind.Store(0)
	runtime.changeAccess(job.Access{})
	p.wait(t, "a claim for runs", func() bool { return p.lastAsked().Max > 0 })
	p.change(func() {
		if len(p.renewed) != 1 || claimed {
			t.Errorf("renewed %v, after a claim: %v", p.renewed, claimed)
		}
	})
}
