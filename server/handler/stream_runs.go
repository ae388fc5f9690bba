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

const (
	// listPause is the least time between two looks at a list, however much happens to its runs.
	listPause = 500 * time.Millisecond
	// listOverlap is how much of what was sent before a reconnect may be sent again: what was being committed
	// then was not seen.
	listOverlap = 10 * time.Second
)

// StreamRuns sends a list of runs as it changes.
func (h *Handler) StreamRuns(
	ctx context.Context, r apiserver.StreamRunsRequestObject,
) (apiserver.StreamRunsResponseObject, error) {
	p := r.Params
	filter := runFilter(ctx, runQuery{
		Pool: p.Pool, Queue: p.Queue, Deployment: p.Deployment, State: p.State, Tag: p.Tag, Text: p.Text,
		Created:   store.TimeRange{After: p.CreatedAfter, Before: p.CreatedBefore},
		Scheduled: store.TimeRange{After: p.ScheduledAfter, Before: p.ScheduledBefore},
		Ended:     store.TimeRange{After: p.EndedAfter, Before: p.EndedBefore},
	})
	s := &listStream{h: h, ctx: ctx, filter: filter, page: page(p.Limit, nil), sent: map[uuid.UUID]string{}}
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
	if _, _, err := h.store.ListRuns(ctx, filter, store.Page{Limit: 1}); err != nil { // while it can still be refused
		return nil, err
	}
	return s, nil
}

// listStream is one stream of a list.
type listStream struct {
	h      *Handler
	ctx    context.Context
	filter store.RunFilter
	page   store.Page
	since  time.Time // the reader knows what is older
	newest int64     // milliseconds since 1970, by the database: the clocks of servers decide nothing about what a reader knows
	out    *eventWriter
	sent   map[uuid.UUID]string // what a run looked like when it was sent
	ids    []uuid.UUID          // nil before the first look
}

// VisitStreamRunsResponse writes the stream until the reader has gone or the server stops.
func (s *listStream) VisitStreamRunsResponse(w http.ResponseWriter) error {
	topic := s.h.store.Subscribe(store.RunsTopic())
	defer topic.Close()
	s.out = newEventWriter(w)
	defer func() { _ = extend(s.out.out) }() // for the last bytes, which are written after this returns
	beat, again := time.NewTicker(heartbeat), time.NewTicker(lookAgain)
	defer beat.Stop()
	defer again.Stop()
	for {
		if access.CheckStillAllowed(s.ctx) != nil {
			return nil // the reader comes back, and is told why not
		}
		if err := s.look(); err != nil {
			if s.ctx.Err() == nil {
				s.h.Logger.Warn("stream of runs broke off", "error", err)
			}
			return nil // the reader comes back with the last id
		}
		pause := time.NewTimer(listPause)
		select {
		case <-pause.C:
		case <-s.h.Stopping:
		case <-s.ctx.Done():
		}
		pause.Stop()
		for waiting := true; waiting; {
			select {
			case <-topic.C():
				waiting = false
			case <-again.C:
				waiting = false
			case <-beat.C:
				if s.out.comment("alive") != nil {
					return nil // the reader has gone
				}
			case <-s.h.Stopping:
				return nil // the reader comes back, to another server, with the last id
			case <-s.ctx.Done():
				return nil
			}
		}
	}
}

// look reads the list and sends what is new.
func (s *listStream) look() error {
	runs, _, err := s.h.store.ListRuns(s.ctx, s.filter, s.page)
	if err != nil {
		return err
	}
	items, err := s.h.withDerivedStates(s.ctx, runs)
	if err != nil {
		return err
	}
	ids := make([]uuid.UUID, len(runs))
	known := make(map[uuid.UUID]string, len(runs))
	var news []api.Run
	before := s.newest
	for i, run := range runs {
		shown := items[i]
		ids[i], known[run.ID] = run.ID, fmt.Sprint(shown.State, shown.Attempt, run.DueAt)
		s.newest = max(s.newest, run.State.At.UnixMilli())
		byTime := shown.State.Name != run.State.Name // as Late is: nothing says since when
		old := s.ids == nil && run.State.At.Before(s.since) && !byTime
		if s.sent[run.ID] != known[run.ID] && !old {
			news = append(news, shown)
		}
	}
	moved := s.ids == nil || !slices.Equal(s.ids, ids)
	s.sent, s.ids = known, ids
	return s.tell(news, moved, before)
}

// tell sends what is new. Only with the last of it does the reader know all: one who leaves before begins
// where this did.
func (s *listStream) tell(news []api.Run, moved bool, before int64) error {
	for i, run := range news {
		at := before
		if i == len(news)-1 && !moved {
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
