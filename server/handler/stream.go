package handler

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

const (
	// heartbeat keeps proxies from closing a stream on which nothing happens.
	heartbeat = 15 * time.Second
	// pollInterval is how often a stream reads without a hint: hints may be lost.
	pollInterval = 3 * time.Second
	// tailGrace is how long a stream waits for the last output after the run has ended. The outcome is
	// recorded without waiting for it.
	tailGrace = time.Second
)

// StreamRun sends the events and the output of a run as they come.
func (h *Handler) StreamRun(
	ctx context.Context, r apiserver.StreamRunRequestObject,
) (apiserver.StreamRunResponseObject, error) {
	run, err := h.store.GetRun(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	from := streamPosition{Attempt: 1}
	from.Seq = wire.Or(r.Params.After, 0)
	if r.Params.LastBytes != nil && run.Attempt > 0 {
		size, err := h.store.GetLogSize(ctx, run.ID, run.Attempt)
		if err != nil {
			return nil, err
		}
		from.Attempt, from.Offset = run.Attempt, max(0, size-*r.Params.LastBytes)
	}
	if last := wire.Or(r.Params.LastEventID, ""); last != "" {
		if from, err = parsePosition(last); err != nil {
			return nil, &problem.Error{
				Code:   problem.InvalidParameter,
				Detail: "Last-Event-ID was not made by this server",
				Err:    err,
			}
		}
	}
	return &streamResponse{h: h, ctx: ctx, run: run.ID, at: from, logs: wire.Or(r.Params.Logs, true)}, nil
}

// streamResponse is one stream.
type streamResponse struct {
	h    *Handler
	ctx  context.Context
	run  uuid.UUID
	at   streamPosition
	logs bool
	out  *eventWriter
	// progress is the time of the progress that was sent last.
	progress time.Time
	// tail is the end of the output sent of the newest attempt, to recognize its last lines.
	tail string
}

// VisitStreamRunResponse writes the stream until the run has ended, the reader disconnects or the server
// stops.
func (s *streamResponse) VisitStreamRunResponse(w http.ResponseWriter) error {
	topic := s.h.store.Subscribe(store.RunTopic(s.run))
	defer topic.Close()
	out, err := newEventWriter(w)
	if err != nil {
		return nil // the reader is gone
	}
	s.out = out
	defer func() { _ = extend(s.out.out) }() // the last bytes are written after this returns
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		if access.CheckStillAllowed(s.ctx) != nil {
			return nil // the reader reconnects and is refused with the reason
		}
		ended, wait, err := s.send()
		if err != nil || ended {
			return s.closeWith(err)
		}
		again := time.NewTimer(wait)
		select {
		case <-topic.C():
		case <-again.C:
		case <-beat.C:
			err = s.out.comment("alive")
		case <-s.h.Stopping:
			again.Stop()
			return nil // the reader reconnects, to another server, with the last id
		case <-s.ctx.Done():
			again.Stop()
			return nil
		}
		again.Stop()
		if err != nil {
			return nil // the reader has disconnected
		}
	}
}

// closeWith ends the stream. The status was sent, so that an error can only be logged; the reader reconnects
// with the last id.
func (s *streamResponse) closeWith(err error) error {
	if err != nil && s.ctx.Err() == nil {
		s.h.Logger.Warn("run stream failed", "run", s.run, "error", err)
	}
	return nil
}

// send writes what is new. It returns whether that was the end, and otherwise how long to wait for a hint.
func (s *streamResponse) send() (ended bool, wait time.Duration, err error) {
	// The run is read first: if it has ended, the reads that follow find all its events.
	run, err := s.h.store.GetRun(s.ctx, s.run)
	if err != nil {
		return false, 0, err
	}
	if err := s.sendEvents(); err != nil {
		return false, 0, err
	}
	if s.logs {
		if err := s.sendLogs(run.Attempt); err != nil {
			return false, 0, err
		}
	}
	if err := s.sendProgress(); err != nil {
		return false, 0, err
	}
	if !run.State.Type.Terminal() {
		return false, pollInterval, nil
	}
	if wait, err = s.awaitTail(run); err != nil || wait > 0 {
		return false, wait, err
	}
	return true, 0, s.out.event("end", s.at.String(), wire.Run(*run))
}

func (s *streamResponse) sendEvents() error {
	events, err := s.h.store.ListEvents(s.ctx, s.run, s.at.Seq)
	if err != nil {
		return err
	}
	for _, event := range events {
		s.at.Seq = event.Seq
		if err := s.out.event("event", s.at.String(), wire.RunEvent(event)); err != nil {
			return err
		}
	}
	return nil
}

// sendProgress sends the progress of the run if it has changed.
func (s *streamResponse) sendProgress() error {
	told, err := s.h.store.GetResultAndProgress(s.ctx, s.run)
	if err != nil || told.Progress == nil || told.Progress.At.Equal(s.progress) {
		return err
	}
	s.progress = told.Progress.At
	return s.out.event("progress", s.at.String(), wire.RunProgress(told.Progress))
}

// sendLogs sends the output of the attempts in order, up to the newest.
func (s *streamResponse) sendLogs(newest int32) error {
	for s.at.Attempt <= newest {
		size, err := s.h.store.GetLogSize(
			s.ctx,
			s.run,
			s.at.Attempt,
		) // first: what is there by then is found after
		if err != nil {
			return err
		}
		chunks, err := s.h.store.ListLogChunks(s.ctx, s.run, s.at.Attempt, s.at.Offset, logBatch)
		if store.IsCode(err, store.ArchiveUnavailable) {
			if err := s.skipArchived(err); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if len(chunks) == 0 {
			if err := s.sendExpired(size); err != nil {
				return err
			}
			if s.at.Attempt == newest {
				return nil
			}
			s.at, s.tail = streamPosition{Seq: s.at.Seq, Attempt: s.at.Attempt + 1}, ""
			continue
		}
		for _, chunk := range chunks {
			if err := s.sendChunk(chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// skipArchived sends the line that stands for output that the archive does not return, and goes on with what is in
// the database.
func (s *streamResponse) skipArchived(cause error) error {
	outputs, err := s.h.store.ListOutputs(s.ctx, s.run)
	if err != nil {
		return err
	}
	for _, o := range outputs {
		if o.Number == s.at.Attempt && o.ArchivedSize > s.at.Offset {
			s.h.Logger.Warn("output left out of a stream", "run", s.run, "attempt", o.Number, "error", cause)
			return s.sendMissing(o.ArchivedSize, unavailableOutput)
		}
	}
	return cause
}

// sendExpired sends the line that stands for expired output up to an offset.
func (s *streamResponse) sendExpired(until int64) error { return s.sendMissing(until, expiredOutput) }

// sendMissing sends a line that stands for the output up to an offset.
func (s *streamResponse) sendMissing(until int64, line string) error {
	if until <= s.at.Offset {
		return nil
	}
	missing := store.LogChunk{
		Number: s.at.Attempt,
		Offset: s.at.Offset,
		Text:   fmt.Sprintf(line, until-s.at.Offset),
	}
	s.at.Offset = until
	return s.out.event("log", s.at.String(), wire.LogChunk(missing))
}

func (s *streamResponse) sendChunk(chunk store.LogChunk) error {
	if err := s.sendExpired(chunk.Offset); err != nil {
		return err
	}
	text := textAfter(chunk, s.at.Offset)
	if text == "" {
		return nil
	}
	start := chunk.Offset + int64(len(chunk.Text)-len(text))
	s.at.Offset = start + int64(len(text))
	const tailSize = 16 << 10
	s.tail += text
	s.tail = s.tail[max(0, len(s.tail)-tailSize):]
	return s.out.event(
		"log",
		s.at.String(),
		wire.LogChunk(store.LogChunk{Number: s.at.Attempt, Offset: start, Text: text}),
	)
}

// awaitTail returns how long to wait for output that may still come after the end of the run. It is 0 when
// the last lines, which the worker reports with the outcome, have been sent.
func (s *streamResponse) awaitTail(run *store.Run) (time.Duration, error) {
	if !s.logs || run.Attempt == 0 || run.EndedAt == nil {
		return 0, nil
	}
	left := min(tailGrace-s.h.Now().Sub(*run.EndedAt), tailGrace)
	if left <= 0 {
		return 0, nil
	}
	attempts, err := s.h.store.ListAttempts(s.ctx, s.run)
	if err != nil {
		return 0, err
	}
	for _, attempt := range attempts {
		last := strings.TrimSpace(attempt.LastLines)
		if attempt.Number == run.Attempt && last != "" && strings.HasSuffix(strings.TrimSpace(s.tail), last) {
			return 0, nil
		}
	}
	return left, nil
}
