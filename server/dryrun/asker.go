package dryrun

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/impact"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating/rule"
)

const (
	// defaultWait is how long answers are waited for.
	defaultWait = 10 * time.Second
	// lookEvery is how often a wait looks without a hint: hints may be lost.
	lookEvery = time.Second
	// askedPerCaller and askedAtOnce bound the dry runs that are under way at one server, and with maxClusters the rows.
	askedPerCaller = 3
	askedAtOnce    = 20
	maxClusters    = 20
	// maxQuestion bounds a template with its values, in bytes.
	maxQuestion = 2 << 20
	// cleanUp bounds the deletion of the rows of an asker that has gone away.
	cleanUp = 5 * time.Second
)

// Options are what an Asker works with.
type Options struct {
	Store   *store.Store
	Preview *impact.Analyzer
	Now     func() time.Time
	// Stopping ends waits when the server stops.
	Stopping <-chan struct{}
}

// Asker asks clusters.
type Asker struct {
	Options
	open *access.OpenLimit
}

// New makes an Asker.
func New(o Options) *Asker {
	return &Asker{Options: o, open: access.NewOpenLimit(askedPerCaller, askedAtOnce)}
}

// Request is what to ask.
type Request struct {
	Pool string
	Body *api.TemplateDryRunRequest
	// Caller is who asks, as rules see it; Key is who asks, for the bounds.
	Caller rule.Caller
	Key    string
}

// Ask previews the Job of a run and, where the preview has no errors, asks one live worker of each cluster of the pool.
// That there was no worker to ask is an answer and no error.
func (a *Asker) Ask(ctx context.Context, r Request) (*api.TemplateDryRun, error) {
	leave, entry := a.open.Enter(r.Key)
	if entry != access.Entered {
		busy := problem.Newf(problem.RateLimited, "too many dry runs are under way: wait for one to end")
		busy.RetryAfter = lookEvery
		return nil, busy
	}
	defer leave()

	seen, err := a.Preview.Previewed(ctx, r.Pool, &api.TemplatePreviewRequest{
		Document: r.Body.Document, Version: r.Body.Version, Deployment: r.Body.Deployment,
		JobVariables: r.Body.JobVariables, Parameters: r.Body.Parameters,
	}, r.Caller)
	if err != nil {
		return nil, err
	}
	answer := &api.TemplateDryRun{Preview: *seen.Shown, Clusters: []api.ClusterDryRun{}}
	if len(seen.Shown.Errors) > 0 {
		answer.Outcome = api.TemplateDryRunOutcomeRefused
		return answer, nil
	}

	targets, why, err := a.targets(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	if why != "" {
		answer.Outcome, answer.Message = api.TemplateDryRunOutcomeUnanswered, &why
		return answer, nil
	}
	wait := defaultWait
	if s := wire.Or(r.Body.TimeoutSeconds, 0); s > 0 {
		wait = time.Duration(s) * time.Second
	}
	if err := a.ask(ctx, r, seen, targets, wait); err != nil {
		return nil, err
	}
	for _, t := range targets {
		answer.Clusters = append(answer.Clusters, t.answer)
	}
	answer.Outcome = outcomeOf(answer.Clusters)
	return answer, nil
}

// outcomeOf is what the clusters say together.
func outcomeOf(clusters []api.ClusterDryRun) api.TemplateDryRunOutcome {
	outcome := api.TemplateDryRunOutcomeAccepted
	for _, c := range clusters {
		switch c.Outcome {
		case api.DryRunOutcomeRefused:
			return api.TemplateDryRunOutcomeRefused
		case api.DryRunOutcomeAccepted:
		default:
			outcome = api.TemplateDryRunOutcomeUnanswered
		}
	}
	return outcome
}

// target is one cluster to ask.
type target struct {
	id      uuid.UUID // of the question
	workers []string  // alive
	answer  api.ClusterDryRun
	done    bool
}

// targets are the clusters of a pool that have a live worker, or why there are none.
func (a *Asker) targets(ctx context.Context, pool string) (targets []*target, why string, err error) {
	record, err := a.Store.GetPool(ctx, pool)
	if err != nil {
		return nil, "", err
	}
	if record.Type != string(api.Kubernetes) {
		return nil, fmt.Sprintf("work pool %q is of type %s: its workers run the job on their own host, and there is no "+
			"cluster to ask", pool, record.Type), nil
	}
	workers, err := a.Store.ListWorkers(ctx, pool)
	if err != nil {
		return nil, "", err
	}
	byCluster := map[string]*target{}
	var last *store.Worker
	for i, w := range workers {
		if last == nil || w.LastSeenAt.After(last.LastSeenAt) {
			last = &workers[i]
		}
		if !wire.Worker(w, a.Now()).Alive {
			continue
		}
		t := byCluster[w.ClusterID]
		if t == nil {
			t = &target{id: uuid.New(), answer: api.ClusterDryRun{ClusterID: w.ClusterID, Objects: []api.ObjectDryRun{}}}
			byCluster[w.ClusterID] = t
		}
		t.workers = append(t.workers, w.Name)
	}
	switch {
	case len(byCluster) > maxClusters:
		return nil, fmt.Sprintf("work pool %q has workers in %d clusters; at most %d are asked",
			pool, len(byCluster), maxClusters), nil
	case last == nil:
		return nil, fmt.Sprintf("work pool %q has no worker: start one", pool), nil
	case len(byCluster) == 0:
		return nil, fmt.Sprintf("no worker of work pool %q is alive; the last one heard of is %q, at %s", pool, last.Name,
			last.LastSeenAt.UTC().Format(time.RFC3339)), nil
	}
	for _, id := range slices.Sorted(maps.Keys(byCluster)) {
		targets = append(targets, byCluster[id])
	}
	return targets, "", nil
}

// ask stores the questions, waits for the answers and removes the rows.
func (a *Asker) ask(
	ctx context.Context, r Request, seen *impact.Previewed, targets []*target, wait time.Duration,
) error {
	asked := make([]store.NewDryRun, len(targets))
	ids, topics := make([]uuid.UUID, len(targets)), make([]string, len(targets))
	for i, t := range targets {
		question, err := a.question(ctx, r, seen, t.id, wait)
		if err != nil {
			return err
		}
		asked[i] = store.NewDryRun{ID: t.id, Pool: r.Pool, ClusterID: t.answer.ClusterID, Question: question}
		ids[i], topics[i] = t.id, store.DryRunTopic(t.id)
	}
	hints := a.Store.Subscribe(topics...)
	defer hints.Close()
	if err := a.Store.CreateDryRuns(ctx, asked, wait); err != nil {
		return err
	}
	waited := a.wait(ctx, hints, ids, targets, wait)
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	if err := a.Store.DeleteDryRuns(rest, ids); waited == nil {
		waited = err
	}
	return waited
}

// wait waits until all have answered, the time is over, the server stops or the asker goes away.
func (a *Asker) wait(
	ctx context.Context, hints *store.Subscription, ids []uuid.UUID, targets []*target, wait time.Duration,
) error {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for over := false; ; {
		open, err := a.read(ctx, ids, targets)
		if err != nil || open == 0 || over {
			return err
		}
		select {
		case <-hints.C():
			hints.Next()
		case <-look.C:
		case <-timeout.C:
			over = true // and a last look
		case <-a.Stopping:
			over = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// read takes over what has become of the questions, and returns how many are open.
func (a *Asker) read(ctx context.Context, ids []uuid.UUID, targets []*target) (open int, err error) {
	found, err := a.Store.ListDryRuns(ctx, ids)
	if err != nil {
		return 0, err
	}
	for _, t := range targets {
		if t.done {
			continue
		}
		if err := t.read(found); err != nil {
			return 0, err
		}
		if !t.done {
			open++
		}
	}
	return open, nil
}

func (t *target) read(found []store.DryRun) error {
	i := slices.IndexFunc(found, func(d store.DryRun) bool { return d.ID == t.id })
	if i < 0 {
		return t.unanswered("the question was deleted before it was answered")
	}
	d := found[i]
	t.answer.Worker = d.Worker
	if d.Answer == nil {
		if d.Worker == "" {
			return t.unanswered("no worker of this cluster has taken the question in time (alive: %s)",
				strings.Join(t.workers, ", "))
		}
		return t.unanswered("worker %q has taken the question and not answered in time", d.Worker)
	}
	var answer api.DryRunAnswer
	if err := json.Unmarshal(d.Answer, &answer); err != nil {
		return fmt.Errorf("read the answer of worker %q: %w", d.Worker, err)
	}
	t.answer.Outcome, t.answer.Message = answer.Outcome, answer.Message
	t.answer.Namespace, t.answer.Objects, t.done = answer.Namespace, wire.NonNil(answer.Objects), true
	return nil
}

// unanswered is what is to be said if the wait ends now.
func (t *target) unanswered(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	t.answer.Outcome, t.answer.Message = api.DryRunOutcomeUnanswered, &text
	return nil
}
