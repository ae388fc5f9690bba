package handler

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/apply"
	"github.com/berth-dev/berth/server/approval"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/dryrun"
	"github.com/berth-dev/berth/server/identity"
	"github.com/berth-dev/berth/server/impact"
	"github.com/berth-dev/berth/server/issuer"
	"github.com/berth-dev/berth/server/logline"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/poolguard"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/trust"
	"github.com/berth-dev/berth/server/webhook"
	"github.com/berth-dev/berth/server/wire"
)

// Options are what a Handler works with.
type Options struct {
	Store        *store.Store
	Templates    *catalog.Catalog
	Rules        *rulebook.Book
	Runs         *newrun.Creator
	Guard        *poolguard.Guard
	Approvals    *approval.Gate
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
	// People signs people in; nil if no provider is configured.
	People *identity.Service
	// Retention says for how long deleted objects can be restored.
	Retention store.Retention
	// Trust exchanges tokens of other issuers for keys.
	Trust *trust.Service
	// Webhooks tells others what happened.
	Webhooks *webhook.Service
	// PublicURL is where clients reach the server; empty if that is not configured.
	PublicURL string
	// KeysChanged is called after keys were created, revoked, or changed with a pool.
	KeysChanged func()
	// Issuer signs run tokens; nil if they are off, and then IssuerOff says why.
	Issuer    *issuer.Issuer
	IssuerOff string
	// Stopping ends long polls and streams when the server stops.
	Stopping <-chan struct{}
}

// Handler implements api.StrictServerInterface.
type Handler struct {
	Options
	store   *store.Store
	runs    *newrun.Creator
	guard   *poolguard.Guard
	applier *apply.Applier
	impact  *impact.Analyzer
	feeds   *runFeeds
	dryRuns *dryrun.Asker
	lines   *logline.Reader
}

var _ apiserver.StrictServerInterface = (*Handler)(nil)

// New makes a Handler.
func New(o Options) *Handler {
	h := &Handler{
		Options: o,
		store:   o.Store,
		runs:    o.Runs,
		guard:   o.Guard,
		impact: impact.New(impact.Options{
			Store: o.Store, Templates: o.Templates, Rules: o.Rules, Installation: o.Installation, Now: o.Now,
		}),
	}
	h.applier = apply.New(apply.Options{
		Store: o.Store, Templates: o.Templates, Rules: o.Rules, Approvals: o.Approvals, Breakage: h.breakage,
		Installation: o.Installation, Now: o.Now, Retention: o.Retention,
	})
	h.dryRuns = dryrun.New(dryrun.Options{Store: o.Store, Preview: h.impact, Now: o.Now, Stopping: o.Stopping})
	h.lines = logline.New(o.Store, o.Now)
	h.feeds = newRunFeeds(o.Store, h.readRunList)
	return h
}

// breakage is what a template that is applied breaks.
func (h *Handler) breakage(ctx context.Context, c apply.TemplateChange) (apply.Breakage, error) {
	b, err := h.impact.Breakage(ctx, impact.BreakageRequest{
		Pool: c.Pool, Caller: c.Caller, Current: c.Current, New: c.New, Wanted: c.Wanted,
	})
	if err != nil {
		return apply.Breakage{}, err
	}
	return apply.Breakage{Deployments: b.Names(), Warnings: b.Warnings()}, nil
}

func actor(ctx context.Context) string { return access.From(ctx).Name }

func page(limit *api.LimitParam, cursor *api.CursorParam) store.Page {
	const defaultLimit = 50
	return store.Page{Limit: int(wire.Or(limit, defaultLimit)), Cursor: wire.Or(cursor, "")}
}
