package worker

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

func (p *fakeServer) AnswerDryRun(
	_ context.Context, r apiserver.AnswerDryRunRequestObject,
) (apiserver.AnswerDryRunResponseObject, error) {
	p.change(func() {
		if p.dryRuns == nil {
			p.dryRuns = map[uuid.UUID]api.DryRunAnswer{}
		}
		p.dryRuns[r.Body.ID] = *r.Body
	})
	return apiserver.AnswerDryRun204Response{}, nil
}

// asks puts a question to the worker and returns its answer.
func (p *fakeServer) asks(t *testing.T, edit ...func(*api.DryRunQuestion)) api.DryRunAnswer {
	t.Helper()
	s := p.offer(script("echo never"))
	q := api.DryRunQuestion{ID: uuid.New(), WaitSeconds: 20, Claim: s.claim}
	for _, e := range edit {
		e(&q)
	}
	var answer api.DryRunAnswer
	p.change(func() {
		p.waiting = nil // no run has the claim
		delete(p.served, s.claim.AttemptID)
		p.questions = append(p.questions, q)
	})
	p.wait(t, "the answer", func() bool {
		found, ok := p.dryRuns[q.ID]
		answer = found
		return ok
	})
	return answer
}

// asking is a runtime that answers dry runs.
type asking struct {
	job.Runtime
	asked  atomic.Pointer[job.Attempt]
	answer []api.ObjectDryRun
	err    error
}

func (a *asking) DryRun(_ context.Context, attempt job.Attempt) (job.DryRun, error) {
	a.asked.Store(&attempt)
	return job.DryRun{Namespace: "jobs", Objects: a.answer}, a.err
}

func object(kind api.ObjectDryRunKind, outcome api.DryRunOutcome) api.ObjectDryRun {
	return api.ObjectDryRun{Kind: kind, Outcome: outcome, Warnings: []string{}, Changes: []api.DocumentChange{}}
}

// startAsking starts a worker whose runtime answers.
func startAsking(t *testing.T, p *fakeServer, edit ...func(*Options)) *asking {
	t.Helper()
	runtime := &asking{answer: []api.ObjectDryRun{object(api.DryRunJob, api.DryRunOutcomeAccepted)}}
	startWorker(t, p, append(edit, func(o *Options) {
		runtime.Runtime = o.Runtime
		o.Runtime = runtime
	})...)
	return runtime
}

func TestAWorkerMakesTheJobOfADryRunAsThatOfARun(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	runtime := startAsking(t, p, func(o *Options) {
		o.Limit, o.EnvAsSecret = 1, true
		o.JobAPI = &JobAPI{URL: "http://server", OwnKey: true}
	})
	running := p.offer(script("while true; do sleep 0.05; done"))
	p.wait(t, "the only slot is taken", func() bool { return len(running.reports) > 0 })
	answer := p.asks(t)
	if answer.Outcome != api.DryRunOutcomeAccepted || *answer.Namespace != "jobs" || len(answer.Objects) != 1 ||
		answer.Worker != "w1" || answer.Pool != "local" {
		t.Errorf("the answer is %+v", answer)
	}
	asked := runtime.asked.Load()
	if asked.Manifest.Labels[manifest.LabelPool] != "local" || len(asked.Manifest.Finalizers) != 1 || asked.Secret == nil ||
		asked.Manifest.Spec.Template.Spec.Containers[0].Command[2] != "echo never" {
		t.Errorf("the runtime was asked about %+v", asked.Manifest)
	}
	p.change(func() { running.cancel = true })
	p.wait(t, "the end of the run", func() bool { return running.ended != nil })
	if len(p.served) != 1 {
		t.Errorf("the dry run was reported as an attempt: %d", len(p.served))
	}
}

func TestADryRunOfATemplateThatIsNotSavedUsesIt(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	runtime := startAsking(t, p)
	p.asks(t, func(q *api.DryRunQuestion) {
		q.Document = json.RawMessage(strings.Replace(shellTemplate, "busybox:1.36", "alpine:3.20", 1))
		q.Claim.TemplateVersionID = uuid.Nil
	})
	if image := runtime.asked.Load().Manifest.Spec.Template.Spec.Containers[0].Image; image != "alpine:3.20" {
		t.Errorf("the image is %q", image)
	}
}

func TestADryRunSaysWhatPreventsTheJobBeforeTheClusterIsAsked(t *testing.T) {
	tests := map[string]struct {
		edit func(*api.DryRunQuestion)
		err  error
		want api.DryRunOutcome
		says string
	}{
		"a value that the template does not take": {
			edit: func(q *api.DryRunQuestion) { q.Claim.RenderInput.Run = json.RawMessage(`{"script": 1}`) },
			want: api.DryRunOutcomeRefused, says: "script",
		},
		"a document that does not compile": {
			edit: func(q *api.DryRunQuestion) { q.Document = json.RawMessage(`{"job_configuration": "{{ nothing }"}`) },
			want: api.DryRunOutcomeRefused, says: "template",
		},
		"a guard of the runtime": {
			err: &job.Refused{Category: api.CategoryInvalid, Message: "holds Secrets"}, want: api.DryRunOutcomeRefused,
			says: "holds Secrets",
		},
		"a namespace that the worker does not serve": {
			err: &job.Declined{Message: "does not serve"}, want: api.DryRunOutcomeFailed, says: "does not serve",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newFakeServer(t, shellTemplate)
			runtime := startAsking(t, p)
			runtime.err = test.err
			var edit []func(*api.DryRunQuestion)
			if test.edit != nil {
				edit = append(edit, test.edit)
			}
			answer := p.asks(t, edit...)
			if answer.Outcome != test.want || answer.Message == nil || !strings.Contains(*answer.Message, test.says) {
				t.Errorf("the answer is %+v, want %s with %q", answer, test.want, test.says)
			}
			if test.err == nil && runtime.asked.Load() != nil {
				t.Error("the cluster was asked")
			}
		})
	}
}

func TestTheOutcomeOfADryRunIsThatOfItsObjects(t *testing.T) {
	const (
		accepted, refused   = api.DryRunOutcomeAccepted, api.DryRunOutcomeRefused
		forbidden, failed   = api.DryRunOutcomeForbidden, api.DryRunOutcomeFailed
		skipped             = api.DryRunOutcomeSkipped
		theJob, secret, pod = api.DryRunJob, api.DryRunSecret, api.DryRunPod
	)
	tests := map[string]struct {
		objects []api.ObjectDryRun
		want    api.DryRunOutcome
	}{
		"all accepted":            {[]api.ObjectDryRun{object(theJob, accepted), object(pod, accepted)}, accepted},
		"the pod refused":         {[]api.ObjectDryRun{object(theJob, accepted), object(pod, refused)}, refused},
		"the Job refused":         {[]api.ObjectDryRun{object(theJob, refused), object(pod, skipped)}, refused},
		"pods may not be tried":   {[]api.ObjectDryRun{object(theJob, accepted), object(pod, forbidden)}, accepted},
		"Jobs may not be created": {[]api.ObjectDryRun{object(theJob, forbidden), object(pod, skipped)}, forbidden},
		"Secrets may not be created": {
			[]api.ObjectDryRun{object(theJob, accepted), object(secret, forbidden), object(pod, accepted)}, forbidden,
		},
		"the API server is away": {[]api.ObjectDryRun{object(theJob, failed), object(pod, skipped)}, failed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := outcomeOfDryRun(test.objects); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestAWorkerOfProcessesTakesNoDryRuns(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	startWorker(t, p)
	p.wait(t, "a claim", func() bool { return len(p.asked) > 0 })
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked[0].DryRuns != nil {
		t.Error("it says that it answers dry runs")
	}
}
