package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/client"
	"github.com/berth-dev/berth/worker/health"
	"github.com/berth-dev/berth/worker/held"
	"github.com/berth-dev/berth/worker/retry"
)

const (
	// maxClaims bounds what one claim asks for.
	maxClaims = 200
	// maxUnlaunched bounds the attempts that are claimed and not launched yet. More would only wait here,
	// where another worker could have had them, and would be taken over late if this worker died.
	maxUnlaunched = 2 * maxClaims
	// claimBelow is how few of them there must be before more are claimed: one at a time would be many calls.
	claimBelow = maxUnlaunched - maxClaims/2
	// lastClaimTimeout bounds the question about a claim that was under way when the worker stopped.
	lastClaimTimeout = 2 * time.Second
)

// claimer is the state of the claim loop.
type claimer struct {
	calls retry.Calls
	pulse *health.Pulse
	pause retry.Backoff // between claims that were answered at once with nothing
	// cancelsAt is when the newest cancel was requested that is known.
	cancelsAt *time.Time
}

func (w *worker) newClaimer() *claimer {
	return &claimer{
		calls: w.calls("claim"),
		pulse: w.health.Loop("claim", maxSilence),
		pause: w.backoff(),
	}
}

// claimLoop claims attempts until ctx ends. Its long poll is the worker's heartbeat, and how cancels arrive.
func (w *worker) claimLoop(ctx context.Context) error {
	c := w.newClaimer()
	for ctx.Err() == nil {
		asked := w.now()
		request := w.claimRequest(c)
		response, err := w.claim(ctx, c, request)
		if err != nil {
			return err
		}
		if response == nil { // the worker stops, the claim was refused, or there is room for more
			continue
		}

		w.take(ctx, response, asked)
		if response.CancelsAt != nil {
			c.cancelsAt = response.CancelsAt
		}
		news := len(response.Claims)+len(response.Cancels) > 0 || response.DryRuns != nil
		if news || w.now().Sub(asked) > time.Second {
			c.pause.Reset()
		} else {
			// A server that does not let us wait is not asked again at once.
			c.pause.Wait(ctx, 0)
		}
	}
	return nil
}

// claimRequest makes the next claim.
func (w *worker) claimRequest(c *claimer) api.ClaimRequest {
	request := api.ClaimRequest{
		RequestID:    uuid.New(),
		Pool:         w.Pool,
		Worker:       w.Name,
		ClusterID:    w.runtime.ClusterID(),
		Max:          w.freeSlots(),
		WaitSeconds:  int32(w.tuning.claimWait / time.Second),
		CancelsAfter: c.cancelsAt,
	}
	if jobKeys := w.jobKeys(); jobKeys {
		request.JobKeys = &jobKeys
	}
	if answers := w.dryRunner() != nil; answers {
		request.DryRuns = &answers
	}
	if lost := w.lostNamespaces(); len(lost) > 0 {
		request.LostNamespaces = &lost
	}
	return request
}

// freeSlots is how many attempts may be claimed now.
func (w *worker) freeSlots() int32 {
	if w.reachesNothing() || w.renewFirst.Load() {
		return 0
	}
	unlaunched := int(w.unlaunched.Load())
	if unlaunched > claimBelow {
		return 0
	}
	free := min(maxClaims, maxUnlaunched-unlaunched)
	if w.Limit > 0 {
		free = min(free, w.Limit-w.table.Len())
	}
	return int32(max(0, free))
}

// countUnlaunched counts an attempt as not launched yet until the returned function is called, which may be
// repeated.
func (w *worker) countUnlaunched() (launched func()) {
	w.unlaunched.Add(1)
	return sync.OnceFunc(func() {
		if w.unlaunched.Add(-1) == claimBelow {
			w.table.NotifyFreed()
		}
	})
}

// claim repeats a claim with the same request ID until there is an answer, because a claim whose answer was
// lost is answered again. It returns nil if the claim was refused, if ctx ends, and if there is room while
// only cancels were asked for.
func (w *worker) claim(
	ctx context.Context,
	c *claimer,
	request api.ClaimRequest,
) (*api.ClaimResponse, error) {
	for {
		c.pulse.Beat()
		response, err := w.poll(ctx, request)
		if err == nil {
			c.calls.Reset()
			return response, nil
		}

		// Failures count on from one claim to the next.
		waited := c.calls.Failed(ctx, err)
		switch {
		case errors.Is(waited, retry.ErrStopped):
			return w.lastClaim(request), nil
		case waited != nil:
			return nil, waited
		case !client.AsError(err).Temporary():
			// Nothing was claimed by it, and the same claim would be refused again.
			return nil, nil
		}
	}
}

// poll is one long poll. If it asks for cancels only, it ends without an answer as soon as there is room for
// more attempts.
func (w *worker) poll(ctx context.Context, request api.ClaimRequest) (*api.ClaimResponse, error) {
	if request.Max > 0 {
		return w.client.Claim(ctx, request)
	}

	polling, cancel := context.WithCancel(ctx)
	watched := make(chan bool, 1)
	go func() {
		watched <- w.waitForFreeSlot(polling)
		cancel()
	}()
	response, err := w.client.Claim(polling, request)
	cancel()
	if freed := <-watched; freed && err != nil && ctx.Err() == nil {
		return nil, nil
	}
	return response, err
}

// waitForFreeSlot returns false if ctx ends before there is room for more attempts.
func (w *worker) waitForFreeSlot(ctx context.Context) bool {
	for w.freeSlots() == 0 {
		select {
		case <-w.table.Freed():
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// lastClaim asks what the claim that was under way when the worker stopped has claimed: with the same request
// ID, and room for nothing more. These attempts are then handed back.
func (w *worker) lastClaim(request api.ClaimRequest) *api.ClaimResponse {
	if request.Max == 0 {
		return nil
	}
	request.Max, request.WaitSeconds, request.DryRuns = 0, 0, nil
	ctx, cancel := context.WithTimeout(w.alive, min(lastClaimTimeout, w.tuning.stopPatience))
	defer cancel()
	response, err := w.client.Claim(ctx, request)
	if err != nil {
		w.log.Warn("last claim not answered; its attempts are taken over when their leases expire",
			"error", err)
		return nil
	}
	return response
}

// take launches what was claimed and cancels what shall end.
func (w *worker) take(ctx context.Context, response *api.ClaimResponse, asked time.Time) {
	w.health.Reached()
	for _, claim := range response.Claims {
		if claim.LeaseSeconds <= 0 {
			claim.LeaseSeconds = int32(w.leaseTime / time.Second)
		}
		attempt := w.table.Add(claim, asked)
		if attempt == nil {
			continue
		}
		w.output.Open(attempt.ID, attempt.Ref, attempt.Epoch, held.StoredOutput(claim))
		w.logFor(attempt).Info("claimed attempt", "name", claim.RunName, "deployment", claim.Deployment,
			"epoch", attempt.Epoch, "takeover", claim.Takeover)

		launched := w.countUnlaunched()
		w.launches.Go(func() {
			defer launched()
			w.launchClaim(ctx, attempt, claim, launched)
		})
	}
	w.cancelAll(response.Cancels)
	w.answerDryRuns(ctx, response.DryRuns)
}

func (w *worker) cancelAll(ids []uuid.UUID) {
	for _, id := range ids {
		if attempt := w.table.Get(id); attempt != nil {
			w.cancel(attempt)
		}
	}
}
