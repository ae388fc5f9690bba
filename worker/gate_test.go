package worker

import (
	"context"
	"testing"
	"time"

	"github.com/berth-dev/berth/worker/job"
)

// gatedRuntime creates gated Jobs at once.
type gatedRuntime struct {
	*waitingRuntime
	granted, deleted chan job.Object
}

func newGatedRuntime() gatedRuntime {
	return gatedRuntime{newWaitingRuntime(), make(chan job.Object, 10), make(chan job.Object, 10)}
}

func (g gatedRuntime) Launch(_ context.Context, a job.Attempt) (job.Launched, error) {
	return job.Launched{
		Namespace: "jobs", Name: a.Manifest.Name, UID: "u-" + a.Ref.String(), Gated: true,
	}, nil
}

func (g gatedRuntime) Adopt(_ context.Context, a job.Attempt) error { return nil }

func (g gatedRuntime) Grant(_ context.Context, found job.Object) error {
	g.granted <- found
	return nil
}

func (g gatedRuntime) DeleteDuplicate(_ context.Context, found job.Object) error {
	g.deleted <- found
	return nil
}

func (g gatedRuntime) with(o *Options) { o.Runtime = g }

func TestAGatedJobIsGrantedOnceTheServerHasRecordedIt(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	runtime := newGatedRuntime()
	startWorker(t, p, runtime.with)
	s := p.offer(script("true"))
	found := <-runtime.granted
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.uid == "" || s.uid != found.UID {
		t.Errorf("granted %q when the server had %q", found.UID, s.uid)
	}
}

func TestAGatedJobThatTheServerRefusesIsNeverGranted(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	runtime := newGatedRuntime()
	w := startWorker(t, p, runtime.with)
	p.offer(script("true"), func(s *servedAttempt) { s.ledger = "of another" })
	<-runtime.deleted
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if len(runtime.granted) > 0 {
		t.Errorf("granted %v", <-runtime.granted)
	}
}

func TestATakenOverJobThatWasNotGrantedIsGranted(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	runtime := newGatedRuntime()
	startWorker(t, p, runtime.with)
	s := p.offer(script("true"), func(s *servedAttempt) { // its first holder has reported the Job, and died
		s.epoch, s.uid = 1, "u-of-the-first"
		s.manifest = []byte(`{"metadata":{"name":"a-1","namespace":"jobs"}}`)
	})
	select {
	case found := <-runtime.granted:
		if found.UID != "u-of-the-first" {
			t.Errorf("granted %+v", found)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("not granted; reported %v", s.kinds())
	}
}
