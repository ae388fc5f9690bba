package worker

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
)

func (p *fakeServer) GetRuleSetForWorker(
	_ context.Context, r apiserver.GetRuleSetForWorkerRequestObject,
) (apiserver.GetRuleSetForWorkerResponseObject, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set, ok := p.rules[r.Set]
	if !ok {
		return apiserver.GetRuleSetForWorkerdefaultApplicationProblemPlusJSONResponse{
			StatusCode: http.StatusNotFound,
			Body: api.Problem{
				Code: "not-found", Title: "no such rule set", Status: http.StatusNotFound, Type: "about:blank",
			},
		}, nil
	}
	return apiserver.GetRuleSetForWorker200JSONResponse(set), nil
}

func TestAJobThatARuleDeniesIsNeverCreated(t *testing.T) {
	text := func(s string) *string { return &s }
	tests := map[string]struct {
		rule    api.Rule
		unknown bool   // the server does not know the set
		want    string // in the message of the end; empty: the run succeeds
	}{
		"a rule that denies": {
			rule: api.Rule{Name: "no-ci", Action: api.RuleDeny, Expression: `caller.name != "ci"`, Message: text("not by ci")},
			want: `the Job is refused: rule "no-ci" of work pool "local" refuses this: not by ci`,
		},
		"a rule that fails": {
			rule: api.Rule{Name: "net", Action: api.RuleDeny, Expression: `pod.hostNetwork`, Message: text("x")},
			want: `could not be evaluated: the Job has no field "hostNetwork"`,
		},
		"a rule that this worker does not understand": {
			rule: api.Rule{Name: "new", Action: api.RuleDeny, Expression: `newFunction(job)`, Message: text("x")},
			want: "perhaps because it is older than the server",
		},
		"rules that cannot be fetched": {unknown: true, want: "cannot fetch the rules"},
		"a rule that warns": {
			rule: api.Rule{Name: "no-ci", Action: api.RuleWarn, Expression: `caller.name != "ci"`, Message: text("not by ci")},
		},
		"a rule that is satisfied": {
			rule: api.Rule{Name: "ok", Action: api.RuleDeny, Message: text("x"), Expression: `deployment.retries == 3 && ` +
				`run.parameters.name == "world" && containers.size() == 1`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newFakeServer(t, secretTemplate)
			startWorker(t, p)
			pool, id := "local", uuid.New()
			if !test.unknown {
				p.change(func() {
					p.rules = map[uuid.UUID]api.RuleSet{id: {ID: id, Pool: &pool, Version: 1, Rules: []api.Rule{test.rule}}}
				})
			}
			s := p.offer(`{"token": "x"}`, func(s *servedAttempt) {
				s.claim.Rules = &api.ClaimRules{
					Sets: []uuid.UUID{id}, Caller: api.RuleCaller{Name: "ci", Kind: "api-key", Role: "operator"}, Retries: 3,
				}
			})
			p.wait(t, "the end", func() bool { return s.ended != nil })
			p.mu.Lock()
			defer p.mu.Unlock()
			if test.want == "" {
				if !*s.ended.Succeeded {
					t.Errorf("ended as %+v", s.ended)
				}
				return
			}
			if s.ended.Category == nil || *s.ended.Category != api.CategoryInvalid || s.ended.Message == nil ||
				!strings.Contains(*s.ended.Message, test.want) || len(s.output) > 0 {
				t.Errorf("ended as %+v: %s", s.ended, *s.ended.Message)
			}
		})
	}
}

// ruled makes the rules of a claim: one that denies or warns of everything.
func (p *fakeServer) ruled(action api.RuleAction) func(*servedAttempt) {
	pool, id, message := "local", uuid.New(), "not now"
	rules := []api.Rule{{Name: "never", Action: action, Expression: `run.name == ""`, Message: &message}}
	p.change(func() {
		if p.rules == nil {
			p.rules = map[uuid.UUID]api.RuleSet{}
		}
		p.rules[id] = api.RuleSet{ID: id, Pool: &pool, Version: 1, Rules: rules}
	})
	return func(s *servedAttempt) {
		s.claim.Rules = &api.ClaimRules{Sets: []uuid.UUID{id}, Caller: api.RuleCaller{Name: "ci", Kind: "api-key"}}
	}
}

func TestTheServerLearnsWhatRulesSaidWithTheManifest(t *testing.T) {
	for action, want := range map[api.RuleAction]api.ReportKind{
		api.RuleWarn: api.ReportKindSubmitted, api.RuleDeny: api.ReportKindEnded,
	} {
		t.Run(string(action), func(t *testing.T) {
			p := newFakeServer(t, secretTemplate)
			startWorker(t, p)
			s := p.offer(`{"token": "x"}`, p.ruled(action))
			p.wait(t, "the end", func() bool { return s.ended != nil })
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, r := range s.reports {
				said := r.RuleFindings != nil
				if said != (r.Kind == want) || said && ((*r.RuleFindings)[0].Rule != "never" ||
					(*r.RuleFindings)[0].Action != action || (*r.RuleFindings)[0].Message != "not now") {
					t.Errorf("report %s says %+v", r.Kind, r.RuleFindings)
				}
			}
		})
	}
}

// TestAManifestOfAnEarlierWorkerIsJudgedByWhoCreatesTheJob is a takeover between the manifest and the Job,
// during which a rule is made.
func TestAManifestOfAnEarlierWorkerIsJudgedByWhoCreatesTheJob(t *testing.T) {
	for name, test := range map[string]struct {
		action api.RuleAction
		denied bool
	}{
		"a rule that denies": {api.RuleDeny, true}, "a rule that warns": {api.RuleWarn, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeServer(t, secretTemplate)
			waits := newWaitingRuntime()
			waits.created = true
			first := startWorker(t, p, waits.with)
			s := p.offer(`{"token": "xyzzy-plugh"}`, manifestFirst)
			<-waits.launched
			if err := first.stop(); err != nil {
				t.Fatal(err)
			}
			rule := p.ruled(test.action)
			p.change(func() {
				rule(s)
				p.waiting = append(p.waiting, s)
			})
			startWorker(t, p, func(o *Options) { o.Name = "w2" })
			p.wait(t, "the end", func() bool { return s.ended != nil })
			p.mu.Lock()
			defer p.mu.Unlock()
			if s.epoch != 2 || *s.ended.Succeeded == test.denied || (len(s.output) > 0) == test.denied {
				t.Errorf("epoch %d, output %q, ended as %+v", s.epoch, s.output, s.ended)
			}
			if test.denied && !strings.Contains(*s.ended.Message, `rule "never" of work pool "local" refuses this`) {
				t.Errorf("ended with %q", *s.ended.Message)
			}
		})
	}
}

// TestAManifestThatTheTemplateDoesNotMakeIsNeverCreated is a takeover of an attempt for which the key of a
// worker was used to report another Job.
func TestAManifestThatTheTemplateDoesNotMakeIsNeverCreated(t *testing.T) {
	for name, test := range map[string]struct{ old, new, want string }{
		"another image": {`"image":"busybox:1.36"`, `"image":"evil:1"`, `has image "evil:1"`},
		"a privileged container": {`"image":"busybox:1.36"`,
			`"image":"busybox:1.36","securityContext":{"privileged":true}`, "field securityContext"},
		"the network of the node": {`"restartPolicy":"Never"`, `"restartPolicy":"Never","hostNetwork":true`, "field hostNetwork"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeServer(t, secretTemplate)
			waits := newWaitingRuntime()
			waits.created = true
			first := startWorker(t, p, waits.with)
			s := p.offer(`{"token": "x"}`, manifestFirst)
			<-waits.launched
			if err := first.stop(); err != nil {
				t.Fatal(err)
			}
			p.change(func() {
				changed := strings.Replace(string(s.manifest), test.old, test.new, 1)
				if changed == string(s.manifest) {
					t.Errorf("the manifest has no %s: %s", test.old, s.manifest)
				}
				s.manifest = []byte(changed)
				p.waiting = append(p.waiting, s)
			})
			startWorker(t, p, func(o *Options) { o.Name = "w2" })
			p.wait(t, "the end", func() bool { return s.ended != nil })
			p.mu.Lock()
			defer p.mu.Unlock()
			if *s.ended.Succeeded || len(s.output) > 0 {
				t.Fatalf("output %q, succeeded is %t", s.output, *s.ended.Succeeded)
			}
			if !strings.Contains(*s.ended.Message, test.want) {
				t.Errorf("it ended with %q, want %q", *s.ended.Message, test.want)
			}
		})
	}
}
