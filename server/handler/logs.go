package handler

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// logPart is how much output is held in memory at a time, in bytes.
const logPart = 256 << 10

// noLongerKept stands for so many bytes of output.
const noLongerKept = "[%d bytes of output are no longer kept]\n"

// GetRunLogs writes the output of an attempt, of the newest where none is named.
func (h *Handler) GetRunLogs(
	ctx context.Context, r apiserver.GetRunLogsRequestObject,
) (apiserver.GetRunLogsResponseObject, error) {
	run, err := h.store.GetRun(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	attempt := wire.Or(r.Params.Attempt, run.Attempt)
	if attempt > run.Attempt {
		return nil, problem.Newf(problem.NotFound, "run %s has %d attempts", run.ID, run.Attempt)
	}
	logs := &logsResponse{ctx: ctx, store: h.store, run: run.ID, attempt: attempt}
	if attempt == 0 {
		return logs, nil // not claimed yet: nothing was written
	}
	if logs.size, err = h.store.GetLogSize(ctx, run.ID, attempt); err != nil { // first: what is there by then is found after
		return nil, err
	}
	if logs.first, err = h.store.ListLogChunks(ctx, run.ID, attempt, 0, logPart); err != nil {
		return nil, err
	}
	return logs, nil
}

// logsResponse writes output part by part.
type logsResponse struct {
	ctx     context.Context
	store   *store.Store
	run     uuid.UUID
	attempt int32
	size    int64 // of all that was written until now, kept or not
	first   []store.LogChunk
}

func (l *logsResponse) VisitGetRunLogsResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	connection := http.NewResponseController(w)
	chunks := l.first
	var offset int64
	for len(chunks) > 0 {
		if err := extend(connection); err != nil {
			return err
		}
		for _, chunk := range chunks {
			if err := l.sayMissing(w, chunk.Offset-offset); err != nil {
				return err
			}
			text := after(chunk, offset)
			if _, err := w.Write([]byte(text)); err != nil {
				return err
			}
			offset = max(offset, chunk.Offset+int64(len(chunk.Text)))
		}
		var err error
		if chunks, err = l.store.ListLogChunks(l.ctx, l.run, l.attempt, offset, logPart); err != nil {
			// The status is out. A broken connection says that this is not all; a clean end would lie.
			panic(http.ErrAbortHandler)
		}
	}
	return l.sayMissing(w, l.size-offset)
}

// sayMissing stands for output that was removed, so that nobody takes what is left for all there was.
func (l *logsResponse) sayMissing(w http.ResponseWriter, bytes int64) error {
	if bytes <= 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, noLongerKept, bytes)
	return err
}

// after is the part of a chunk that begins at offset or later.
func after(chunk store.LogChunk, offset int64) string {
	skip := max(0, min(offset-chunk.Offset, int64(len(chunk.Text))))
	return chunk.Text[skip:]
}
