package impact

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/rule"
)

const (
	// testedRuns is how many recent runs of a pool a rule is tried on.
	testedRuns = 50
	// shownResults bounds how many results other than pass are listed.
	shownResults = 100
	// testCost bounds what one test may cost, in CEL's units: a second or so of one core.
	testCost = 20 * rule.MaxCost
	// testTime bounds how long one test makes Jobs and evaluates the rule on them. What is left then is unknown.
	testTime = 5 * time.Second
	// testWait bounds how long a test waits for others.
	testWait = 10 * time.Second
	// parallelTests bounds how many tests a server does at the same time, so that they leave cores to the rest.
	parallelTests = 2
)

// RuleTest is a rule to try.
type RuleTest struct {
	Pool       string // empty: all pools
	Rule       rule.Rule
	Deployment string         // only this one
	Job        map[string]any // only this Job
	Queue      string         // of Job
	Caller     rule.Caller
}

// TestRule evaluates a rule, which need not be stored, on the Jobs of deployments and of recent runs.
func (a *Analyzer) TestRule(ctx context.Context, t RuleTest) (*api.RuleTest, error) {
	compiled, err := rule.Compile(rule.Set{Pool: t.Pool, Rules: []rule.Rule{t.Rule}})
	if err != nil {
		return nil, err
	}
	done, err := a.startTest(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	trial := &ruleTrial{
		Analyzer: a, test: t, set: compiled, answer: &api.RuleTest{Items: []api.RuleTestResult{}},
		until: time.Now().Add(testTime),
	}
	switch {
	case t.Job != nil:
		err = trial.job(ctx)
	case t.Deployment != "":
		err = trial.deployment(ctx)
	default:
		err = trial.pools(ctx)
	}
	return trial.answer, err
}

// startTest waits until a test may begin. The returned function ends it.
func (a *Analyzer) startTest(ctx context.Context) (done func(), err error) {
	waiting := time.NewTimer(testWait)
	defer waiting.Stop()
	select {
	case a.tests <- struct{}{}:
		return func() { <-a.tests }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-waiting.C:
		busy := problem.Newf(problem.RateLimited, "this server tests other rules just now: try again")
		busy.RetryAfter = testTime
		return nil, busy
	}
}

// ruleTrial is one test of a rule.
type ruleTrial struct {
	*Analyzer
	test   RuleTest
	set    *rule.Compiled
	cost   uint64
	until  time.Time // of the processor's clock, whatever the server's says
	answer *api.RuleTest
}

func (t *ruleTrial) job(ctx context.Context) error {
	id := manifest.SampleIdentity()
	id.Pool, id.Queue = t.test.Pool, t.test.Queue
	if id.Queue == "" {
		id.Queue = wire.DefaultQueue
	}
	subject := preview.Subject{Identity: id}
	subject.Input.Context.Run.ScheduledTime = t.now().UTC()
	about := rulebook.About{Subject: subject, Caller: t.test.Caller}
	result, err := t.evaluate(ctx, about.InputOf(t.test.Job))
	if err == nil {
		t.answer.Items = append(t.answer.Items, result)
	}
	return err
}

func (t *ruleTrial) deployment(ctx context.Context) error {
	d, err := t.store.GetDeployment(ctx, t.test.Deployment)
	if err != nil {
		return err
	}
	if t.test.Pool != "" && d.Pool != t.test.Pool {
		return problem.Newf(problem.InvalidBody, "deployment %q belongs to work pool %q", d.Name, d.Pool).
			At("/deployment", "belongs to work pool %q, not %q", d.Pool, t.test.Pool)
	}
	template, err := t.current(ctx, d.Pool)
	if err != nil {
		return err
	}
	result, err := t.deploymentResult(ctx, template, t.sampler(template), d)
	if err == nil {
		t.answer.Items = append(t.answer.Items, result)
		t.answer.Summary.Deployments = 1
		countResult(&t.answer.Summary.RefusedDeployments, &t.answer.Summary.Unknown, result)
	}
	return err
}

func (t *ruleTrial) pools(ctx context.Context) error {
	if t.test.Pool != "" {
		return t.pool(ctx, t.test.Pool)
	}
	for cursor := ""; ; {
		pools, next, err := t.store.ListPools(ctx, nil, store.Page{Limit: 100, Cursor: cursor})
		if err != nil {
			return err
		}
		for _, p := range pools {
			if err := t.pool(ctx, p.Name); err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

func (t *ruleTrial) pool(ctx context.Context, pool string) error {
	template, err := t.current(ctx, pool)
	if err != nil {
		return err
	}
	sampler := t.sampler(template)
	for cursor := ""; ; {
		deployments, next, err := t.store.ListDeployments(
			ctx, store.DeploymentFilter{Pool: pool, WithValues: true}, store.Page{Limit: deploymentsRead, Cursor: cursor})
		if err != nil {
			return err
		}
		for i := range deployments {
			result, err := t.deploymentResult(ctx, template, sampler, &deployments[i])
			if err != nil {
				return err
			}
			t.answer.Summary.Deployments++
			countResult(&t.answer.Summary.RefusedDeployments, &t.answer.Summary.Unknown, result)
			t.show(result)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return t.runs(ctx, pool)
}

func countResult(refused, unknown *int32, r api.RuleTestResult) {
	switch r.Verdict {
	case api.RuleVerdictDeny:
		*refused++
	case api.RuleVerdictUnknown:
		*unknown++
	}
}

func (t *ruleTrial) show(r api.RuleTestResult) {
	if r.Verdict != api.RuleVerdictPass && len(t.answer.Items) < shownResults {
		t.answer.Items = append(t.answer.Items, r)
	}
}

func (t *ruleTrial) current(ctx context.Context, pool string) (*templating.Compiled, error) {
	version, err := t.store.GetTemplateVersion(ctx, pool, 0)
	if err != nil {
		return nil, err
	}
	return t.templates.Compiled(ctx, version)
}

// deploymentResult evaluates the rule on the Job of a run that sets no values. Required values that only runs
// give are invented, and the result says so.
func (t *ruleTrial) deploymentResult(
	ctx context.Context, template *templating.Compiled, s *sampler, d *store.Deployment,
) (api.RuleTestResult, error) {
	unknown := api.RuleTestResult{Deployment: &d.Name, Verdict: api.RuleVerdictUnknown}
	if text := t.exhausted(); text != "" {
		unknown.Message = &text
		return unknown, nil
	}
	subject, err := s.defaultRun(ctx, d)
	if err != nil {
		return unknown, err
	}
	finished, samples, err := preview.Job(ctx, template, subject)
	if ctx.Err() != nil {
		return unknown, context.Cause(ctx)
	}
	if err != nil {
		text := "the Job cannot be made: " + templating.AsProblems(err)[0].Message
		unknown.Message = &text
		return unknown, nil
	}
	in, err := rulebook.AboutDeployment(subject, d, t.test.Caller).Input(finished)
	if err != nil {
		return unknown, err
	}
	result, err := t.evaluate(ctx, in)
	result.Deployment = &d.Name
	if result.Message != nil && len(samples) > 0 {
		text := *result.Message + rulebook.Invented(samples)
		result.Message = &text
	}
	return result, err
}

// runs evaluates the rule on the Jobs that recent runs had.
func (t *ruleTrial) runs(ctx context.Context, pool string) error {
	runs, _, err := t.store.ListRuns(ctx, store.RunFilter{Pool: pool}, store.Page{Limit: testedRuns})
	if err != nil {
		return err
	}
	ids := make([]uuid.UUID, len(runs))
	for i, r := range runs {
		ids[i] = r.ID
	}
	facts, err := t.store.ListRuleFacts(ctx, ids)
	if err != nil {
		return err
	}
	for _, listed := range runs {
		if t.exhausted() != "" {
			t.answer.Summary.Runs++
			t.answer.Summary.Unknown++
			continue
		}
		r, err := t.store.GetRun(ctx, listed.ID) // with its parameters
		if store.IsCode(err, store.NotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		raw, err := t.store.GetManifest(ctx, r.ID, r.Attempt)
		if store.IsCode(err, store.NotFound) {
			continue // it never had a Job
		}
		if err != nil {
			return err
		}
		job, err := jsondoc.Object(raw)
		if err != nil {
			return err
		}
		result, err := t.evaluate(ctx, aboutRun(*r, facts[r.ID]).InputOf(job))
		if err != nil {
			return err
		}
		result.Deployment, result.RunID, result.RunName = &r.Deployment, &r.ID, &r.Name
		t.answer.Summary.Runs++
		countResult(&t.answer.Summary.RefusedRuns, &t.answer.Summary.Unknown, result)
		t.show(result)
	}
	return nil
}

func aboutRun(r store.Run, f store.RuleFacts) rulebook.About {
	id := manifest.Identity{
		RunID: r.ID, RunName: r.Name, Attempt: int(r.Attempt), Pool: r.Pool, Queue: r.Queue,
		Deployment: r.Deployment, Parameters: r.Parameters,
	}
	subject := preview.Subject{Deployment: r.Deployment, Identity: id}
	subject.Input.Context.Run = templating.RunContext{ScheduledTime: r.ScheduledTime, Tags: r.Tags}
	return rulebook.About{
		Subject: subject, Retries: f.Retries,
		Caller: rule.Caller{Name: f.CallerName, Kind: f.CallerKind, Role: f.CallerRole},
	}
}

// exhausted says why no more Jobs are tried; empty where they are.
func (t *ruleTrial) exhausted() string {
	switch {
	case t.cost > testCost:
		return "not evaluated: the rule costs too much to be tried on more Jobs"
	case time.Now().After(t.until):
		return fmt.Sprintf("not evaluated: a test ends after %s", testTime)
	}
	return ""
}

func (t *ruleTrial) evaluate(ctx context.Context, in rule.Input) (api.RuleTestResult, error) {
	if text := t.exhausted(); text != "" {
		return api.RuleTestResult{Verdict: api.RuleVerdictUnknown, Message: &text}, nil
	}
	outcome, err := rule.Evaluate(ctx, []*rule.Compiled{t.set}, in)
	t.cost += outcome.Cost
	result := api.RuleTestResult{Verdict: api.RuleVerdictPass}
	for _, f := range append(outcome.Denials, outcome.Warnings...) {
		result.Verdict, result.Message = api.RuleVerdict(f.Action), &f.Message
	}
	for _, f := range outcome.Undecided {
		result.Verdict, result.Message = api.RuleVerdictUnknown, &f.Message
	}
	return result, err
}

// checkRules evaluates the rules of a pool on a sample Job. With invented values, a denial is a warning: the
// runs give other values. So is a rule that only a worker can decide.
func (a *Analyzer) checkRules(
	ctx context.Context, finished *manifest.Finished, samples map[string]any, about rulebook.About,
) (denials, warnings []api.Finding, err error) {
	rules, err := a.rules.Rules(ctx, a.store, about.Subject.Identity.Pool)
	if err != nil {
		return nil, nil, err
	}
	outcome, err := rules.Evaluate(ctx, finished, about)
	if err != nil {
		return nil, nil, err
	}
	denials, warnings = rulebook.Sampled(outcome, samples)
	return denials, append(warnings, rulebook.Findings(outcome.Undecided)...), nil
}

// Lint lints a template that is not saved, and warns of rules that its Job with sample values does not comply
// with.
func (a *Analyzer) Lint(
	ctx context.Context, pool string, document []byte, caller rule.Caller,
) (*api.LintReport, error) {
	if _, err := a.store.GetPool(ctx, pool); err != nil {
		return nil, err
	}
	report := a.templates.Lint(document)
	if len(report.Errors) > 0 {
		return &report, nil
	}
	checked, err := a.templates.Check(document)
	if err != nil {
		return nil, err
	}
	d, err := a.previewedDeployment(ctx, pool, "")
	if err != nil {
		return nil, err
	}
	subject, err := a.sampler(checked.Compiled).defaultRun(ctx, d)
	if err != nil {
		return nil, err
	}
	finished, samples, err := preview.Job(ctx, checked.Compiled, subject)
	if err != nil {
		return &report, context.Cause(ctx) // the lint has said what is wrong with its sample
	}
	denials, warnings, err := a.checkRules(ctx, finished, samples, rulebook.AboutDeployment(subject, d, caller))
	report.Warnings = append(append(report.Warnings, denials...), warnings...)
	return &report, err
}

// ruleCheck is the check of rules for a comparison of templates: what a rule denies is broken.
func (a *Analyzer) ruleCheck(
	ctx context.Context, pool string, caller rule.Caller,
) (func(context.Context, preview.Subject, *manifest.Finished) error, error) {
	rules, err := a.rules.Rules(ctx, a.store, pool)
	if err != nil || rules.None() {
		return nil, err
	}
	return func(ctx context.Context, s preview.Subject, finished *manifest.Finished) error {
		outcome, err := rules.Evaluate(ctx, finished, rulebook.About{Subject: s, Caller: caller})
		if err != nil || !outcome.Denied() {
			return err
		}
		var problems templating.Problems
		for _, d := range outcome.Denials {
			problems = append(problems, templating.Problem{
				Severity: templating.SeverityError, Code: string(problem.RuleDenied), Message: d.String(),
			})
		}
		return problems
	}, nil
}
