package worker

import (
	"context"

	"github.com/berth-dev/berth/worker/client"
	"github.com/berth-dev/berth/worker/output"
	"github.com/berth-dev/berth/worker/retry"
)

// oneChunk limits a batch to a single chunk.
const oneChunk = 1

// outputLoop sends output, one call at a time.
func (w *worker) outputLoop() *retry.Loop {
	loop := w.newLoop("output")
	loop.Wake, loop.Every = w.output.Due(), idleBeat

	limit := output.MaxBatchBytes
	loop.Send = func(ctx context.Context) (more bool, err error) {
		batch := w.output.Collect(limit)
		if len(batch.Chunks) == 0 {
			return false, nil
		}
		err = w.client.AppendOutput(ctx, batch.Chunks)
		if err == nil {
			w.metrics.logBytes.Add(float64(batch.Bytes))
			w.output.Sent(batch)
			limit = output.MaxBatchBytes
			return true, nil
		}

		failed := client.AsError(err)
		switch {
		case ctx.Err() != nil, failed.Denied(), failed.Temporary():
			return false, err
		case len(batch.Chunks) > 1:
			// Either less passes, or the server refuses one of them.
			limit = oneChunk
		default:
			w.log.Error("server refuses output; it is lost",
				"attempt", batch.Chunks[0].AttemptID, "bytes", batch.Bytes, "error", err)
			w.output.Sent(batch)
		}
		return true, nil
	}
	return loop
}
