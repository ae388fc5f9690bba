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

// logBatch is how much output is held in memory at a time, in bytes.
const logBatch = 256 << 10

// expiredOutput stands for output that has expired, so that the rest is not taken for all of it.
const expiredOutput = "[%d bytes of output are no longer kept]\n"

// unavailableOutput stands for output in the archive, which cannot be read at the moment.
const unavailableOutput = "[%d bytes of output cannot be read now: the output archive is not available]\n"

// GetRunLogs writes the output of an attempt, by default of the newest one.
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
		return logs, nil // not claimed yet, so that there is no output
	}

	// The size comes first: all output up to it is found by the reads that follow.
	if logs.size, err = h.store.GetLogSize(ctx, run.ID, attempt); err != nil {
		return nil, err
	}
	if logs.first, err = h.store.ListLogChunks(ctx, run.ID, attempt, 0, logBatch); err != nil {
		return nil, err
	}
	return logs, nil
}

// logsResponse writes output in batches.
type logsResponse struct {
	ctx     context.Context
	store   *store.Store
	run     uuid.UUID
	attempt int32
	size    int64 // of all output so far, expired output included
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
			if err := l.writeExpired(w, chunk.Offset-offset); err != nil {
				return err
			}
			text := textAfter(chunk, offset)
			if _, err := w.Write([]byte(text)); err != nil {
				return err
			}
			offset = max(offset, chunk.Offset+int64(len(chunk.Text)))
		}
		var err error
		if chunks, err = l.store.ListLogChunks(l.ctx, l.run, l.attempt, offset, logBatch); err != nil {
			// The status was sent. Only a broken connection can tell the reader that this is not all.
			panic(http.ErrAbortHandler)
		}
	}
	return l.writeExpired(w, l.size-offset)
}

// writeExpired writes the line that stands for expired output.
func (l *logsResponse) writeExpired(w http.ResponseWriter, bytes int64) error {
	if bytes <= 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, expiredOutput, bytes)
	return err
}

// textAfter is the part of a chunk that begins at offset or later.
func textAfter(chunk store.LogChunk, offset int64) string {
	skip := max(0, min(offset-chunk.Offset, int64(len(chunk.Text))))
	return chunk.Text[skip:]
}
