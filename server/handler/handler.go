package handler

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/template"
)

// Options are what a Handler works with.
type Options struct {
	Store        *store.Store
	Templates    *template.Library
	Logger       *slog.Logger
	Metrics      *metric.Protocol
	Installation uuid.UUID
	Version      string
	// Authenticated is false where the server runs without keys.
	Authenticated bool
	// Lease is how long a claim or a renewal holds.
	Lease time.Duration
	// Now tells the time.
	Now func() time.Time
	// KeysChanged is called after a key was made or revoked.
	KeysChanged func()
	// Stopping ends long polls and streams when the server stops.
	Stopping <-chan struct{}
}

// Handler implements api.StrictServerInterface.
type Handler struct {
	Options
	store *store.Store
}

var _ api.StrictServerInterface = (*Handler)(nil)

// New makes a Handler.
func New(o Options) *Handler { return &Handler{Options: o, store: o.Store} }

func actor(ctx context.Context) string { return access.From(ctx).Name }

func page(limit *api.LimitParam, cursor *api.CursorParam) store.Page {
	const usual = 50
	return store.Page{Limit: int(value(limit, usual)), Cursor: value(cursor, "")}
}

func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// optional is nil for the zero value.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// each converts a list; never nil, so that it is never null in JSON.
func each[From, To any](items []From, convert func(From) To) []To {
	converted := make([]To, len(items))
	for i, item := range items {
		converted[i] = convert(item)
	}
	return converted
}
