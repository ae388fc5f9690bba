package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// Webhook is a receiver of events. What its format, events and filter mean is up to package webhook.
type Webhook struct {
	ID          uuid.UUID
	Name        string
	Description string
	Format      string
	Events      []string
	Filter      WebhookFilter
	Failures    int32  // in a row, of a deployment that counts as failing
	Target      string // what may be shown of its address
	Secrets     string // its address and its secrets, encrypted
	// RotatedUntil is until when the secret before the last one signs, too; nil: there is none.
	RotatedUntil *time.Time
	Paused       bool
	PausedReason string // why the server has paused it; empty where it has not
	// Unanswered counts the attempts in a row that its receiver has not answered; RestUntil is until when it is left alone.
	Unanswered int32
	RestUntil  *time.Time
	Dropped    int64 // events that were not kept, because too many were waiting
	DroppedAt  *time.Time
	Pending    int64 // deliveries that wait
	Failed     int64 // deliveries that were given up
	CreatedAt  time.Time
	CreatedBy  string
	UpdatedAt  time.Time
	UpdatedBy  string
}

// WebhookFilter narrows the events of a webhook; an empty list does not.
type WebhookFilter struct {
	Pools       []string `json:"pools,omitempty"`
	Deployments []string `json:"deployments,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	States      []string `json:"states,omitempty"`
	Causes      []string `json:"causes,omitempty"`
}

type webhookRow struct {
	ID           uuid.UUID                          `db:"id"`
	Name         string                             `db:"name"`
	Description  string                             `db:"description"`
	Format       string                             `db:"format"`
	Events       database.Strings                   `db:"events"`
	Filter       database.Structured[WebhookFilter] `db:"filter"`
	Failures     int32                              `db:"failures"`
	Target       string                             `db:"target"`
	Secrets      string                             `db:"secrets"`
	RotatedUntil *database.Time                     `db:"rotated_until"`
	Paused       bool                               `db:"paused"`
	PausedReason string                             `db:"paused_reason"`
	Unanswered   int32                              `db:"unanswered"`
	RestUntil    *database.Time                     `db:"rest_until"`
	Dropped      int64                              `db:"dropped"`
	DroppedAt    *database.Time                     `db:"dropped_at"`
	Pending      int64                              `db:"pending"`
	Failed       int64                              `db:"failed"`
	CreatedAt    database.Time                      `db:"created_at"`
	CreatedBy    string                             `db:"created_by"`
	UpdatedAt    database.Time                      `db:"updated_at"`
	UpdatedBy    string                             `db:"updated_by"`
}

func (r webhookRow) webhook() Webhook {
	return Webhook{
		ID: r.ID, Name: r.Name, Description: r.Description, Format: r.Format, Events: r.Events.V, Filter: r.Filter.V,
		Failures: r.Failures, Target: r.Target, Secrets: r.Secrets, RotatedUntil: r.RotatedUntil.Ptr(), Paused: r.Paused,
		PausedReason: r.PausedReason, Unanswered: r.Unanswered, RestUntil: r.RestUntil.Ptr(), Dropped: r.Dropped,
		DroppedAt: r.DroppedAt.Ptr(), Pending: r.Pending, Failed: r.Failed, CreatedAt: r.CreatedAt.Time(),
		CreatedBy: r.CreatedBy, UpdatedAt: r.UpdatedAt.Time(), UpdatedBy: r.UpdatedBy,
	}
}

// The counts are bounded by what is kept of each webhook.
const (
	webhookSQL = `
SELECT h.id, h.name, h.description, h.format, h.events, h.filter, h.failures, h.target, h.secrets, h.rotated_until,
	h.paused, h.paused_reason, h.unanswered, h.rest_until, h.dropped, h.dropped_at, h.created_at, h.created_by,
	h.updated_at, h.updated_by, 0 AS pending, 0 AS failed
FROM webhooks h`
	countedWebhookSQL = `
SELECT h.id, h.name, h.description, h.format, h.events, h.filter, h.failures, h.target, h.secrets, h.rotated_until,
	h.paused, h.paused_reason, h.unanswered, h.rest_until, h.dropped, h.dropped_at, h.created_at, h.created_by,
	h.updated_at, h.updated_by,
	(SELECT COUNT(*) FROM webhook_deliveries d WHERE d.webhook_id = h.id AND d.state = 'pending') AS pending,
	(SELECT COUNT(*) FROM webhook_deliveries d WHERE d.webhook_id = h.id AND d.state = 'failed') AS failed
FROM webhooks h`
)

// WebhooksTopic is where hints arrive that webhooks have changed, or that there is something to tell.
func WebhooksTopic() string { return "webhooks" }

// GetWebhook returns a webhook with its counts.
func (q Reader) GetWebhook(ctx context.Context, name string) (*Webhook, error) {
	var row webhookRow
	if err := q.db.Get(ctx, &row, countedWebhookSQL+" WHERE h.name = ?", name); err != nil {
		return nil, database.NotFoundError(err, "webhook %q", name)
	}
	h := row.webhook()
	return &h, nil
}

// ListWebhooks lists the webhooks by name, with their counts. There are few.
func (q Reader) ListWebhooks(ctx context.Context) ([]Webhook, error) {
	return q.webhooks(ctx, countedWebhookSQL+" ORDER BY h.name")
}

// ListActiveWebhooks lists the webhooks that are not paused by name, without their counts.
func (q Reader) ListActiveWebhooks(ctx context.Context) ([]Webhook, error) {
	return q.webhooks(ctx, webhookSQL+" WHERE NOT h.paused ORDER BY h.name")
}

func (q Reader) webhooks(ctx context.Context, query string, args ...any) ([]Webhook, error) {
	var rows []webhookRow
	if err := q.db.All(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	hooks := make([]Webhook, len(rows))
	for i, r := range rows {
		hooks[i] = r.webhook()
	}
	return hooks, nil
}

// maxWebhooks bounds what each event is compared with.
const maxWebhooks = 200

const (
	upsertWebhookSQL = `
INSERT INTO webhooks (
	id, name, description, format, events, filter, failures, target, secrets, rotated_until, paused, paused_reason,
	last_seq, unanswered, dropped, created_at, created_by, updated_at, updated_by
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, 0, 0, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE
SET description = excluded.description,
	format = excluded.format,
	events = excluded.events,
	filter = excluded.filter,
	failures = excluded.failures,
	target = excluded.target,
	secrets = excluded.secrets,
	rotated_until = excluded.rotated_until,
	paused = excluded.paused,
	paused_reason = '',
	unanswered = 0,
	rest_until = NULL,
	updated_at = excluded.updated_at,
	updated_by = excluded.updated_by`
	countWebhooksSQL = `
SELECT COUNT(*)
FROM webhooks`
)

// LockWebhook excludes other changes of webhooks until the transaction ends, and returns the one of a name; nil: there is
// none.
func (tx *Tx) LockWebhook(ctx context.Context, name string) (*Webhook, error) {
	var id string
	if err := tx.db.Get(ctx, &id, lockInstallationSQL+tx.db.Dialect().Lock("FOR NO KEY UPDATE")); err != nil {
		return nil, fmt.Errorf("lock webhooks: %w", err)
	}
	hooks, err := tx.webhooks(ctx, countedWebhookSQL+" WHERE h.name = ?"+tx.db.Dialect().Lock("FOR UPDATE OF h"), name)
	if err != nil || len(hooks) == 0 {
		return nil, err
	}
	return &hooks[0], nil
}

// UpsertWebhook creates or replaces a webhook after LockWebhook, which returned before. The receiver is tried at once.
func (tx *Tx) UpsertWebhook(ctx context.Context, before *Webhook, h Webhook, actor string) (*Webhook, error) {
	if before == nil {
		var count int
		if err := tx.db.Get(ctx, &count, countWebhooksSQL); err != nil {
			return nil, fmt.Errorf("count webhooks: %w", err)
		}
		if count >= maxWebhooks {
			return nil, &Error{
				Code: Conflict, Message: fmt.Sprintf("there are %d webhooks already; delete some first", count),
			}
		}
		before = &Webhook{}
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	h.Description = database.CleanText(h.Description)
	_, err = tx.db.Exec(ctx, upsertWebhookSQL, h.ID, h.Name, h.Description, h.Format, database.StringsOf(h.Events),
		database.Structured[WebhookFilter]{V: h.Filter}, h.Failures, h.Target, h.Secrets,
		database.TimeOf(h.RotatedUntil), h.Paused, now, actor, now, actor)
	if err != nil {
		return nil, fmt.Errorf("save webhook %q: %w", h.Name, err)
	}
	if err := tx.dropOthers(ctx, h); err != nil {
		return nil, err
	}
	if err := tx.webhookChanged(ctx, *before, h, actor); err != nil {
		return nil, err
	}
	tx.db.Hint(WebhooksTopic())
	return tx.GetWebhook(ctx, h.Name)
}

// dropOthers removes the deliveries of a webhook about pools that it is no longer about. Who may read and send its
// deliveries from now on need not have a role in these.
func (tx *Tx) dropOthers(ctx context.Context, h Webhook) error {
	isPattern := func(pool string) bool { return strings.Contains(pool, "*") }
	if len(h.Filter.Pools) == 0 || slices.ContainsFunc(h.Filter.Pools, isPattern) {
		return nil
	}
	query := "DELETE FROM webhook_deliveries WHERE webhook_id = ? AND pool NOT IN " + tx.db.Dialect().List("text")
	if _, err := tx.db.Exec(ctx, query, h.ID, database.ListOf(h.Filter.Pools)); err != nil {
		return fmt.Errorf("remove deliveries of webhook %q about other pools: %w", h.Name, err)
	}
	return nil
}

const pauseWebhookSQL = `
UPDATE webhooks
SET paused = ?,
	paused_reason = ?,
	unanswered = 0,
	rest_until = NULL,
	updated_at = ?,
	updated_by = ?
WHERE name = ?`

// UpdateWebhookPaused pauses a webhook, which keeps its deliveries, or resumes it.
func (s *Store) UpdateWebhookPaused(ctx context.Context, name string, paused bool, actor string) (*Webhook, error) {
	return inTx(ctx, s, func(tx *Tx) (*Webhook, error) {
		h, err := tx.LockWebhook(ctx, name)
		if err != nil {
			return nil, err
		}
		if h == nil {
			return nil, noWebhook(name)
		}
		if h.Paused == paused {
			return h, nil
		}
		return tx.pauseWebhook(ctx, *h, paused, "", actor)
	})
}

func (tx *Tx) pauseWebhook(ctx context.Context, h Webhook, paused bool, reason, actor string) (*Webhook, error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.db.Exec(ctx, pauseWebhookSQL, paused, reason, now, actor, h.Name); err != nil {
		return nil, fmt.Errorf("pause or resume webhook %q: %w", h.Name, err)
	}
	after := h
	after.Paused, after.PausedReason = paused, reason
	if err := tx.webhookChanged(ctx, h, after, actor); err != nil {
		return nil, err
	}
	tx.db.Hint(WebhooksTopic())
	return tx.GetWebhook(ctx, h.Name)
}

func noWebhook(name string) error {
	return &Error{Code: NotFound, Message: fmt.Sprintf("webhook %q does not exist", name)}
}

const deleteWebhookSQL = `
DELETE FROM webhooks
WHERE id = ?`

// DeleteWebhook deletes a webhook with its deliveries, pending ones included.
func (s *Store) DeleteWebhook(ctx context.Context, name, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		h, err := tx.LockWebhook(ctx, name)
		if err != nil {
			return err
		}
		if h == nil {
			return noWebhook(name)
		}
		if _, err := tx.db.Exec(ctx, deleteWebhookSQL, h.ID); err != nil {
			return fmt.Errorf("delete webhook %q: %w", name, err)
		}
		tx.db.Hint(WebhooksTopic())
		detail := ""
		if h.Pending > 0 {
			detail = fmt.Sprintf("with %d deliveries that waited", h.Pending)
		}
		return tx.audit(ctx, AuditEntry{
			Actor: actor, Action: AuditDelete, Kind: AuditWebhook, Name: name, Pool: h.pool(), Detail: detail,
		})
	})
}

// CreateAuditTest records that a webhook was tested, and what became of it.
func (s *Store) CreateAuditTest(ctx context.Context, h Webhook, result, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		return tx.audit(ctx, AuditEntry{
			Actor: actor, Action: AuditUpdate, Kind: AuditWebhook, Name: h.Name, Pool: h.pool(), Detail: "tested: " + result,
		})
	})
}

// pool is the one pool that a webhook is about; empty: any, or several.
func (h Webhook) pool() string {
	if len(h.Filter.Pools) == 1 && !strings.Contains(h.Filter.Pools[0], "*") {
		return h.Filter.Pools[0]
	}
	return ""
}

// webhookChanged audits a webhook. Of its address, the audit has what may be shown; of its secrets, a digest.
func (tx *Tx) webhookChanged(ctx context.Context, before, after Webhook, actor string) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	action := AuditUpdate
	if before.ID == uuid.Nil {
		action = AuditCreate
	}
	d.field("description", valueOrNil(before.Description), valueOrNil(after.Description)).
		field("format", valueOrNil(before.Format), after.Format).
		field("events", listOrNil(before.Events), after.Events).
		field("pools", listOrNil(before.Filter.Pools), listOrNil(after.Filter.Pools)).
		field("deployments", listOrNil(before.Filter.Deployments), listOrNil(after.Filter.Deployments)).
		field("tags", listOrNil(before.Filter.Tags), listOrNil(after.Filter.Tags)).
		field("states", listOrNil(before.Filter.States), listOrNil(after.Filter.States)).
		field("causes", listOrNil(before.Filter.Causes), listOrNil(after.Filter.Causes)).
		field("failures", valueOrNil(before.Failures), valueOrNil(after.Failures)).
		field("target", valueOrNil(before.Target), after.Target).
		secret("secrets", sealedOrNil(before.Secrets), sealedOrNil(after.Secrets)).
		field("paused", valueOrNil(before.Paused), valueOrNil(after.Paused)).
		field("paused_reason", valueOrNil(before.PausedReason), valueOrNil(after.PausedReason))
	return tx.auditChanges(ctx, d, AuditEntry{
		Actor: actor, Action: action, Kind: AuditWebhook, Name: after.Name, Pool: after.pool(),
	})
}

// sealedOrNil is an encrypted text, which is base64, as JSON; nil for an empty one.
func sealedOrNil(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(`"` + text + `"`)
}
