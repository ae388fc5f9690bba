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
	// lookAgain is how often a stream looks without having been told to: hints may be lost.
	lookAgain = 3 * time.Second
	// tailGrace is how long a stream waits for the last output after the run has ended: the outcome never
	// waits for it.
	tailGrace = time.Second
)

// StreamRun sends what happens to a run, and what it writes, as it happens.
func (h *Handler) StreamRun(
	ctx context.Context, r apiserver.StreamRunRequestObject,
) (apiserver.StreamRunResponseObject, error) {
	run, err := h.store.GetRun(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	from := streamPosition{Attempt: 1}
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
	// progress is when the progress was said that was sent last.
	progress time.Time
	// tail is the end of what was sent of the newest attempt, to know its last lines by.
	tail string
}

// VisitStreamRunResponse writes the stream until the run has ended, the reader has gone or the server stops.
func (s *streamResponse) VisitStreamRunResponse(w http.ResponseWriter) error {
	topic := s.h.store.Subscribe(store.RunTopic(s.run))
	defer topic.Close()
	s.out = newEventWriter(w)
	defer func() { _ = extend(s.out.out) }() // for the last bytes, which are written after this returns
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		if access.CheckStillAllowed(s.ctx) != nil {
			return nil // the reader comes back, and is told why not
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
			return nil // the reader comes back, to another server, with the last id
		case <-s.ctx.Done():
			again.Stop()
			return nil
		}
		again.Stop()
		if err != nil {
			return nil // the reader has gone
		}
	}
}

// closeWith ends the stream. The status is out, so all that can be done about an error is to log it and to
// hang up; the reader comes back with the last id.
func (s *streamResponse) closeWith(err error) error {
	if err != nil && s.ctx.Err() == nil {
		s.h.Logger.Warn("stream of a run broke off", "run", s.run, "error", err)
	}
	return nil
}

// send writes what is new. It says whether that was the end, else how long to wait before looking again.
func (s *streamResponse) send() (ended bool, wait time.Duration, err error) {
	// The run is read first: what is true of its events and output afterwards includes all up to its end.
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
		return false, lookAgain, nil
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

// sendProgress sends how far the run is, where it has said something since.
func (s *streamResponse) sendProgress() error {
	told, err := s.h.store.GetResultAndProgress(s.ctx, s.run)
	if err != nil || told.Progress == nil || told.Progress.At.Equal(s.progress) {
		return err
	}
	s.progress = told.Progress.At
	return s.out.event("progress", s.at.String(), wire.RunProgress(told.Progress))
}

// sendLogs sends the output of the attempts, one after the other, up to the newest.
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
		chunks, err := s.h.store.ListLogChunks(s.ctx, s.run, s.at.Attempt, s.at.Offset, logPart)
		if err != nil {
			return err
		}
		if len(chunks) == 0 {
			if err := s.sayMissing(size); err != nil {
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

// sayMissing stands for output up to an offset that was removed, as in the log.
func (s *streamResponse) sayMissing(until int64) error {
	if until <= s.at.Offset {
		return nil
	}
	missing := store.LogChunk{
		Number: s.at.Attempt,
		Offset: s.at.Offset,
		Text:   fmt.Sprintf(noLongerKept, until-s.at.Offset),
	}
	s.at.Offset = until
	return s.out.event("log", s.at.String(), wire.LogChunk(missing))
}

func (s *streamResponse) sendChunk(chunk store.LogChunk) error {
	if err := s.sayMissing(chunk.Offset); err != nil {
		return err
	}
	text := after(chunk, s.at.Offset)
	if text == "" {
		return nil
	}
	start := chunk.Offset + int64(len(chunk.Text)-len(text))
	s.at.Offset = start + int64(len(text))
	const enough = 16 << 10
	s.tail += text
	s.tail = s.tail[max(0, len(s.tail)-enough):]
	return s.out.event(
		"log",
		s.at.String(),
		wire.LogChunk(store.LogChunk{Number: s.at.Attempt, Offset: start, Text: text}),
	)
}

// awaitTail says how long to wait for output that may still come after the end of the run: not at all where
// the last lines, which the worker reports with the end, have been sent.
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
