package worker

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
)

const (
	// maxClaims bounds what one claim asks for.
	maxClaims = 200
	// maxBeginning bounds what is claimed and not launched yet: more would only wait here, where another
	// worker could have had it, and would be taken over late if this one died.
	maxBeginning = 2 * maxClaims
	// beginAgain is how few there have to be before more is claimed: one at a time would be many calls.
	beginAgain = maxBeginning - maxClaims/2
	// listEvery is how often a claim lists what is held while work comes in one answer after the other.
	listEvery = time.Second
)

// claimLoop claims work until ctx ends. It is the worker's heartbeat, and how cancels arrive.
func (w *worker) claimLoop(ctx context.Context) error {
	pulse := w.health.loop("claim", w.tuning.claimWait+2*callTimeout+w.tuning.retryMax)
	retry := backoff{least: w.tuning.retryMin, most: w.tuning.retryMax}
	failing := retry
	more := false // work is waiting, as far as we know
	var listed time.Time
	for ctx.Err() == nil {
		pulse.beat()
		request := api.ClaimRequest{
			RequestID:   uuid.New(),
			Pool:        w.pool,
			Worker:      w.name,
			ClusterID:   w.runtime.ClusterID(),
			Max:         w.free(),
			WaitSeconds: int32(w.tuning.claimWait / time.Second),
		}
		if w.jobKeys {
			request.JobKeys = &w.jobKeys
		}
		asked := w.now()
		// What lists nothing hears of no cancel, so it must not wait.
		list := !more || request.Max == 0 || asked.Sub(listed) >= listEvery
		if list {
			listed = asked
		} else {
			request.WaitSeconds = 0
		}
		response, err := w.claimSurely(ctx, request, list, pulse, &failing)
		if err != nil {
			return err
		}
		if response == nil { // the worker stops, or there is room
			continue
		}
		w.take(ctx, response, asked)
		if request.Max > 0 {
			more = len(response.Claims) >= int(request.Max)
		}
		if len(response.Claims)+len(response.Cancels) > 0 || !list || w.now().Sub(asked) > time.Second {
			retry.reset()
		} else if !retry.wait(ctx, 0) { // a server that does not let us wait is not asked again at once
			break
		}
	}
	return nil
}

// free is how many attempts may be claimed now.
func (w *worker) free() int32 {
	beginning := int(w.beginning.Load())
	if beginning > beginAgain {
		return 0
	}
	room := min(maxClaims, maxBeginning-beginning)
	if w.limit > 0 {
		room = min(room, w.limit-w.table.size())
	}
	return int32(max(0, room))
}

// counted notes that an attempt is to be launched, until the returned function is called; that may be done
// twice.
func (w *worker) counted() (done func()) {
	w.beginning.Add(1)
	return sync.OnceFunc(func() {
		if w.beginning.Add(-1) == beginAgain {
			poke(w.table.freed)
		}
	})
}

// claimSurely asks with the same request id until there is an answer: a claim whose answer was lost is
// answered again. Failures count on from one question to the next. It returns nothing when ctx ends, or when
// there is room while only cancels were asked for.
func (w *worker) claimSurely(
	ctx context.Context,
	request api.ClaimRequest,
	list bool,
	pulse *pulse,
	retry *backoff,
) (*api.ClaimResponse, error) {
	for {
		pulse.beat()
		if list {
			held := w.table.leases(false)
			request.Held = &held
		}
		response, err := w.poll(ctx, request)
		if err == nil {
			retry.reset()
			return response, nil
		}
		if ctx.Err() != nil {
			return w.lastClaim(request), nil
		}
		call := asCallError(err)
		if call.denied() {
			return nil, deniedError(err)
		}
		w.health.away(err)
		w.log.Warn("claim not answered, trying again", "error", err)
		if !retry.wait(ctx, call.retryAfter) {
			return w.lastClaim(request), nil
		}
		if !call.temporary() { // this question has been refused: nothing was claimed by it
			return nil, nil
		}
	}
}

// poll is one long poll. One for cancels alone ends, without an answer, when there is room.
func (w *worker) poll(ctx context.Context, request api.ClaimRequest) (*api.ClaimResponse, error) {
	if request.Max > 0 {
		return w.client.claim(ctx, request)
	}
	polling, cancel := context.WithCancel(ctx)
	watched := make(chan bool, 1)
	go func() {
		watched <- w.roomBefore(polling.Done())
		cancel()
	}()
	response, err := w.client.claim(polling, request)
	cancel()
	if freed := <-watched; freed && err != nil && ctx.Err() == nil {
		return nil, nil
	}
	return response, err
}

// roomBefore waits for room for more attempts, or until done.
func (w *worker) roomBefore(done <-chan struct{}) bool {
	for w.free() == 0 {
		select {
		case <-w.table.freed:
		case <-done:
			return false
		}
	}
	return true
}

// lastClaim asks, when the worker stops, what the claim that was under way has given us: with the same
// request id and room for nothing more. What it gave is handed back.
func (w *worker) lastClaim(request api.ClaimRequest) *api.ClaimResponse {
	if request.Max == 0 {
		return nil
	}
	request.Max, request.WaitSeconds = 0, 0
	ctx, cancel := context.WithTimeout(w.alive, min(2*time.Second, w.tuning.stopPatience))
	defer cancel()
	response, err := w.client.claim(ctx, request)
	if err != nil {
		w.log.Warn(
			"a claim that was under way has no answer: what it gave is taken over when its lease runs out",
			"error",
			err,
		)
		return nil
	}
	return response
}

// take begins what was claimed and cancels what shall end.
func (w *worker) take(ctx context.Context, response *api.ClaimResponse, asked time.Time) {
	w.health.reached()
	for _, c := range response.Claims {
		if c.LeaseSeconds <= 0 {
			c.LeaseSeconds = w.leaseSeconds
		}
		a := w.table.add(c, asked)
		if a == nil {
			continue
		}
		w.output.open(a.id, a.ref, a.epoch)
		w.log.Info("claimed attempt", "run", a.ref.RunID, "attempt", a.ref.Attempt, "name", c.RunName,
			"deployment", c.Deployment, "epoch", a.epoch, "takeover", c.Takeover)
		done := w.counted()
		w.begins.Go(func() {
			defer done()
			w.begin(ctx, a, done)
		})
	}
	for _, id := range response.Cancels {
		if a := w.table.get(id); a != nil {
			w.cancelled(a)
		}
	}
}

func hasManifest(c api.Claim) bool { return len(c.Manifest) > 0 && string(c.Manifest) != "null" }
