package worker

import (
	"context"
	"time"
)

// outputLoop sends output until ctx ends.
func (w *worker) outputLoop(ctx context.Context) error {
	pulse := w.health.loop("output", time.Minute+callTimeout)
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	retry := backoff{least: w.tuning.retryMin, most: w.tuning.retryMax}
	most := maxAppend
	for {
		pulse.beat()
		t := w.output.collect(most)
		if len(t.chunks) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-w.output.wake:
			case <-tick.C:
			}
			continue
		}
		err := w.client.appendLogs(ctx, t.chunks)
		call := asCallError(err)
		switch {
		case err == nil:
			w.metrics.logBytes.Add(float64(t.bytes))
			w.output.sent(t)
			retry.reset()
			most = maxAppend
		case ctx.Err() != nil:
			return nil
		case call.denied():
			return deniedError(err)
		case !call.temporary() && len(t.chunks) > 1:
			most = 1 // a chunk at a time: either less passes, or one of them is not taken
		case !call.temporary():
			w.log.Error(
				"output refused by the server: dropped",
				"attempt",
				t.chunks[0].AttemptID,
				"bytes",
				t.bytes,
				"error",
				err,
			)
			w.output.sent(t)
		default:
			w.log.Warn("output not delivered, trying again", "error", err)
			if !retry.wait(ctx, call.retryAfter) {
				return nil
			}
		}
	}
}
