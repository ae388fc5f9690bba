package handler

import (
	"context"
	"fmt"
	"math"
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
	run, attempt, err := h.attemptOf(ctx, r.Run, r.Params.Attempt)
	if err != nil {
		return nil, err
	}
	logs := &logsResponse{
		ctx: ctx, store: h.store, run: run.ID, attempt: attempt, offset: wire.Or(r.Params.FromByte, 0), end: math.MaxInt64,
	}
	if attempt == 0 {
		return logs, nil // not claimed yet, so that there is no output
	}
	if r.Params.Bytes != nil {
		logs.end = logs.offset + *r.Params.Bytes
	}

	// The size comes first: all output up to it is found by the reads that follow.
	if logs.size, err = h.store.GetLogSize(ctx, run.ID, attempt); err != nil {
		return nil, err
	}
	if logs.first, err = h.store.ListLogChunks(ctx, run.ID, attempt, logs.offset, logBatch); err != nil {
		return nil, err
	}
	return logs, nil
}

// attemptOf returns a run and the attempt that a request is about: the newest, 0 for none, if it does not say.
func (h *Handler) attemptOf(ctx context.Context, id uuid.UUID, wanted *int32) (*store.Run, int32, error) {
	run, err := h.store.GetRun(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	attempt := wire.Or(wanted, run.Attempt)
	if attempt > run.Attempt {
		return nil, 0, problem.Newf(problem.NotFound, "run %s has %d attempts", run.ID, run.Attempt)
	}
	return run, attempt, nil
}

// logsResponse writes output in batches.
type logsResponse struct {
	ctx     context.Context
	store   *store.Store
	run     uuid.UUID
	attempt int32
	offset  int64 // of the first byte to write
	end     int64 // the offset before which to end
	size    int64 // of all output so far, expired output included
	first   []store.LogChunk
}

func (l *logsResponse) VisitGetRunLogsResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	connection := http.NewResponseController(w)

	chunks, offset := l.first, l.offset
	for len(chunks) > 0 && offset < l.end {
		if err := extend(connection); err != nil {
			return err
		}
		for _, chunk := range chunks {
			if err := l.writeExpired(w, min(chunk.Offset, l.end)-offset); err != nil {
				return err
			}
			text := textAfter(chunk, offset)
			text = text[:max(0, min(int64(len(text)), l.end-max(offset, chunk.Offset)))]
			if _, err := w.Write([]byte(text)); err != nil {
				return err
			}
			if offset = max(offset, chunk.Offset+int64(len(chunk.Text))); offset >= l.end {
				return nil
			}
		}
		var err error
		if chunks, err = l.store.ListLogChunks(l.ctx, l.run, l.attempt, offset, logBatch); err != nil {
			// The status was sent. Only a broken connection can tell the reader that this is not all.
			panic(http.ErrAbortHandler)
		}
	}
	return l.writeExpired(w, min(l.size, l.end)-offset)
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
