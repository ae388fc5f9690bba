package worker

import (
	"context"
	"errors"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/client"
	"github.com/berth-dev/berth/worker/job"
)

// maxDryRuns bounds how many dry runs are made at once. They take no slot of an attempt.
const maxDryRuns = 2

// dryRunner is the runtime, if it can answer dry runs.
func (w *worker) dryRunner() job.DryRunner {
	runner, _ := w.runtime.(job.DryRunner)
	return runner
}

// answerDryRuns answers questions that came with a claim, each within its time.
func (w *worker) answerDryRuns(ctx context.Context, questions *[]api.DryRunQuestion) {
	if questions == nil || w.dryRunner() == nil {
		return
	}
	for _, q := range *questions {
		w.launches.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(q.WaitSeconds)*time.Second)
			defer cancel()
			select {
			case w.dryRuns <- struct{}{}:
				defer func() { <-w.dryRuns }()
			case <-ctx.Done():
				return
			}
			answer := w.dryRun(ctx, q)
			answer.ID = q.ID
			if ctx.Err() == nil { // else the asker has stopped waiting, or asks another worker when this one stops
				w.sendDryRun(ctx, answer)
			}
		})
	}
}

// dryRun makes the Job of a question on the way of every attempt, and asks the runtime about it.
func (w *worker) dryRun(ctx context.Context, q api.DryRunQuestion) api.DryRunAnswer {
	prepared, err := w.preparer.PrepareDryRun(ctx, q)
	if err != nil {
		return notAsked(err)
	}
	result, err := w.dryRunner().DryRun(ctx, prepared.Attempt)
	if err != nil {
		return notAsked(err)
	}
	return api.DryRunAnswer{
		Namespace: &result.Namespace, Outcome: outcomeOfDryRun(result.Objects), Objects: result.Objects,
	}
}

// notAsked is the answer where the Job did not get as far as the cluster.
func notAsked(err error) api.DryRunAnswer {
	text := err.Error()
	answer := api.DryRunAnswer{
		Outcome: api.DryRunOutcomeFailed, Message: &text, Objects: []api.ObjectDryRun{},
	}
	if errors.As(err, new(*job.Refused)) {
		answer.Outcome = api.DryRunOutcomeRefused
	}
	return answer
}

// outcomeOfDryRun is refused where one object is, and else what became of the Job and of what comes with it. That the worker
// may not create pods says nothing against the Job.
func outcomeOfDryRun(objects []api.ObjectDryRun) api.DryRunOutcome {
	outcome := api.DryRunOutcomeAccepted
	for _, o := range objects {
		switch {
		case o.Outcome == api.DryRunOutcomeRefused:
			return api.DryRunOutcomeRefused
		case o.Outcome == api.DryRunOutcomeAccepted, outcome != api.DryRunOutcomeAccepted:
		case o.Kind == api.DryRunPod && o.Outcome == api.DryRunOutcomeForbidden:
		default:
			outcome = o.Outcome
		}
	}
	return outcome
}

// sendDryRun sends an answer for as long as it is of use.
func (w *worker) sendDryRun(ctx context.Context, answer api.DryRunAnswer) {
	backoff := w.backoff()
	for {
		err := w.client.AnswerDryRun(ctx, answer)
		switch {
		case err == nil:
			w.log.Info("answered a dry run", "id", answer.ID, "outcome", answer.Outcome)
			return
		case !client.AsError(err).Temporary() || !backoff.Wait(ctx, 0):
			w.log.Warn("dry run not answered", "id", answer.ID, "error", err)
			return
		}
	}
}
