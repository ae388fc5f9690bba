package handler

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// listOverlap is how long before the last event changes are sent again after a reconnect: they may have been
// committed later than that event.
const listOverlap = 10 * time.Second

// StreamRuns sends a list of runs, and its changes as they come.
func (h *Handler) StreamRuns(
	ctx context.Context, r apiserver.StreamRunsRequestObject,
) (apiserver.StreamRunsResponseObject, error) {
	p := r.Params
	filter := runFilter(ctx, runQuery{
		Pool: p.Pool, Queue: p.Queue, Deployment: p.Deployment, State: p.State, Tag: p.Tag, Text: p.Text,
		AnyTag: p.AnyTag, Cause: p.Cause, CreatedBy: p.CreatedBy, Schedule: p.Schedule,
		Created:   store.TimeRange{After: p.CreatedAfter, Before: p.CreatedBefore},
		Scheduled: store.TimeRange{After: p.ScheduledAfter, Before: p.ScheduledBefore},
		Ended:     store.TimeRange{After: p.EndedAfter, Before: p.EndedBefore},
	})
	s := &listStream{h: h, ctx: ctx, sent: map[uuid.UUID]string{}}
	if last := wire.Or(p.LastEventID, ""); last != "" {
		ms, err := strconv.ParseInt(last, 10, 64)
		if err != nil {
			return nil, &problem.Error{
				Code:   problem.InvalidParameter,
				Detail: "Last-Event-ID was not made by this server",
				Err:    err,
			}
		}
		s.since, s.newest = time.UnixMilli(ms).Add(-listOverlap), ms
	}
	var err error
	if s.feed, s.leave, err = h.feeds.follow(ctx, filter, page(p.Limit, nil)); err != nil {
		return nil, err
	}
	if err := s.feed.first(ctx); err != nil { // before the status is sent
		s.leave()
		return nil, err
	}
	return s, nil
}

// listStream is one stream of a list.
type listStream struct {
	h      *Handler
	ctx    context.Context
	feed   *runFeed
	leave  func()
	since  time.Time // the reader has what is older
	newest int64     // milliseconds since 1970, by the database: the clocks of servers decide nothing about what a reader knows
	out    *eventWriter
	sent   map[uuid.UUID]string // the version of each run that was sent
	ids    []uuid.UUID          // nil before the first read
}

// VisitStreamRunsResponse writes the stream until the reader disconnects or the server stops.
func (s *listStream) VisitStreamRunsResponse(w http.ResponseWriter) error {
	defer s.leave()
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
		list, next, err := s.feed.latest()
		if err == nil {
			err = s.sendChanges(list)
		}
		if err != nil {
			if s.ctx.Err() == nil {
				s.h.Logger.Warn("runs stream failed", "error", err)
			}
			return nil // the reader reconnects with the last id
		}
		for waiting := true; waiting; {
			select {
			case <-next:
				waiting = false
			case <-beat.C:
				if s.out.comment("alive") != nil {
					return nil // the reader has disconnected
				}
			case <-s.h.Stopping:
				return nil // the reader reconnects, to another server, with the last id
			case <-s.ctx.Done():
				return nil
			}
		}
	}
}

// readRunList reads a list for the streams that follow it.
func (h *Handler) readRunList(ctx context.Context, f store.RunFilter, p store.Page) (*runList, error) {
	runs, _, err := h.store.ListRuns(ctx, f, p)
	if err != nil {
		return nil, err
	}
	items, err := h.withDerivedStates(ctx, runs, wire.ListedRun)
	if err != nil {
		return nil, err
	}
	return &runList{runs: runs, items: items}, nil
}

// sendChanges sends what is new in the list.
func (s *listStream) sendChanges(list *runList) error {
	runs, items := list.runs, list.items
	ids := make([]uuid.UUID, len(runs))
	known := make(map[uuid.UUID]string, len(runs))
	var changed []api.Run
	before := s.newest
	for i, run := range runs {
		shown := items[i]
		ids[i], known[run.ID] = run.ID, fmt.Sprint(shown.State, shown.Attempt, run.DueAt)
		s.newest = max(s.newest, run.State.At.UnixMilli())
		byTime := shown.State.Name != run.State.Name // as with Late: the time of such a change is not stored
		old := s.ids == nil && run.State.At.Before(s.since) && !byTime
		if s.sent[run.ID] != known[run.ID] && !old {
			changed = append(changed, shown)
		}
	}
	moved := s.ids == nil || !slices.Equal(s.ids, ids)
	s.sent, s.ids = known, ids
	return s.sendBatch(changed, moved, before)
}

// sendBatch sends changed runs, and the order of the list if it moved. Only the last event of the batch has
// the new id: a reader that disconnects before it gets the whole batch again.
func (s *listStream) sendBatch(changed []api.Run, moved bool, before int64) error {
	for i, run := range changed {
		at := before
		if i == len(changed)-1 && !moved {
			at = s.newest
		}
		if err := s.out.event("run", strconv.FormatInt(at, 10), run); err != nil {
			return err
		}
	}
	if !moved {
		return nil
	}
	return s.out.event("list", strconv.FormatInt(s.newest, 10), api.RunIDList{Ids: s.ids})
}
