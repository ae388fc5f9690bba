package handler

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/store"
)

const (
	// changesPause is the least time between two events of a stream of changes.
	changesPause = 250 * time.Millisecond
	// runPoolsMax bounds the pools of runs that a stream of a limited caller remembers.
	runPoolsMax = 1000
	// topicsMax bounds the topics of one event; beyond that it says "everything".
	topicsMax = 500
)

// StreamChanges sends the topics of what changes.
func (h *Handler) StreamChanges(
	ctx context.Context, _ apiserver.StreamChangesRequestObject,
) (apiserver.StreamChangesResponseObject, error) {
	return &changesStream{h: h, ctx: ctx, who: access.From(ctx), pools: map[string]string{}}, nil
}

// changesStream is one stream.
type changesStream struct {
	h     *Handler
	ctx   context.Context
	who   access.Principal
	pools map[string]string // of runs by ID, for a limited caller
	sent  int64
}

// VisitStreamChangesResponse writes the stream until the reader disconnects or the server stops.
func (s *changesStream) VisitStreamChangesResponse(w http.ResponseWriter) error {
	changes := s.h.store.WatchChanges()
	defer changes.Close()
	out, err := newEventWriter(w)
	if err != nil {
		return nil // the reader is gone
	}
	defer func() { _ = extend(out.out) }() // the last bytes are written after this returns
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	err = out.event("changed", "0", api.ChangedTopics{Topics: []string{}}) // the reader knows now that it misses nothing
	for err == nil {
		if access.CheckStillAllowed(s.ctx) != nil {
			return nil // the reader reconnects and is refused with the reason
		}
		select {
		case <-changes.C():
			err = s.send(out, changes.Take())
			if err == nil {
				s.pause()
			}
		case <-beat.C:
			err = out.comment("alive")
		case <-s.h.Stopping:
			return nil // the reader reconnects, to another server
		case <-s.ctx.Done():
			return nil
		}
	}
	return nil // the reader has disconnected
}

func (s *changesStream) pause() {
	pause := time.NewTimer(changesPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-s.h.Stopping:
	case <-s.ctx.Done():
	}
}

func (s *changesStream) send(out *eventWriter, changes []store.Change) error {
	var topics []string
	for _, c := range changes {
		if s.tells(c) {
			topics = append(topics, c.Kind)
			if c.Name != "" {
				topics = append(topics, c.Kind+":"+c.Name)
			}
		}
	}
	if len(topics) == 0 {
		return nil
	}
	slices.Sort(topics)
	if topics = slices.Compact(topics); len(topics) > topicsMax {
		topics = []string{store.Everything}
	}
	s.sent++
	return out.event("changed", strconv.FormatInt(s.sent, 10), api.ChangedTopics{Topics: topics})
}

// tells reports whether the caller may know of a change: a limited one of those in its pools, and of those in no pool.
func (s *changesStream) tells(c store.Change) bool {
	if !s.who.IsLimited() {
		return true
	}
	pool := c.Pool
	if c.Kind == "run" {
		pool = s.poolOf(c.Name)
	} else if pool == "" {
		return c.Name == ""
	}
	return s.who.RoleIn(pool) != ""
}

// poolOf returns the pool of a run, or no pool where it cannot be read.
func (s *changesStream) poolOf(id string) string {
	if pool, known := s.pools[id]; known {
		return pool
	}
	if len(s.pools) >= runPoolsMax {
		clear(s.pools)
	}
	parsed, err := uuid.Parse(id)
	if err != nil {
		return ""
	}
	run, err := s.h.store.GetRun(s.ctx, parsed)
	if err != nil {
		return ""
	}
	s.pools[id] = run.Pool
	return run.Pool
}
