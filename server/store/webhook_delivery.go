package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// DeliveryState is how far a delivery is.
type DeliveryState string

// The states.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed"
)

// WebhookDelivery is an event for one webhook. Its ID stays the same over all attempts.
type WebhookDelivery struct {
	ID         uuid.UUID
	WebhookID  uuid.UUID
	Seq        int64
	Type       string
	Subject    string // what it is about; deliveries about one subject are sent in their order
	Event      string // JSON
	State      DeliveryState
	Attempts   int32
	CreatedAt  time.Time
	QueuedAt   time.Time // since when it is tried
	NextAt     time.Time // of the next attempt, while it is pending
	LastStatus *int32    // the HTTP status of the last answer
	LastError  string
	TriedAt    *time.Time
	EndedAt    *time.Time
}

type deliveryRow struct {
	ID         uuid.UUID      `db:"id"`
	WebhookID  uuid.UUID      `db:"webhook_id"`
	Seq        int64          `db:"seq"`
	Type       string         `db:"type"`
	Subject    string         `db:"subject"`
	Event      string         `db:"event"`
	State      DeliveryState  `db:"state"`
	Attempts   int32          `db:"attempts"`
	CreatedAt  database.Time  `db:"created_at"`
	QueuedAt   database.Time  `db:"queued_at"`
	NextAt     database.Time  `db:"next_at"`
	LastStatus *int32         `db:"last_status"`
	LastError  string         `db:"last_error"`
	TriedAt    *database.Time `db:"tried_at"`
	EndedAt    *database.Time `db:"ended_at"`
}

func (r deliveryRow) delivery() WebhookDelivery {
	return WebhookDelivery{
		ID: r.ID, WebhookID: r.WebhookID, Seq: r.Seq, Type: r.Type, Subject: r.Subject, Event: r.Event, State: r.State,
		Attempts: r.Attempts, CreatedAt: r.CreatedAt.Time(), QueuedAt: r.QueuedAt.Time(), NextAt: r.NextAt.Time(),
		LastStatus: r.LastStatus, LastError: r.LastError, TriedAt: r.TriedAt.Ptr(), EndedAt: r.EndedAt.Ptr(),
	}
}

const deliverySQL = `
SELECT d.id, d.webhook_id, d.seq, d.type, d.subject, d.event, d.state, d.attempts, d.created_at, d.queued_at, d.next_at,
	d.last_status, d.last_error, d.tried_at, d.ended_at
FROM webhook_deliveries d`

// ListWebhookDeliveries lists the deliveries of a webhook, the newest first; of one state, or of all for "". Served by
// webhook_deliveries_webhook.
func (q Reader) ListWebhookDeliveries(
	ctx context.Context, webhook uuid.UUID, state DeliveryState, page Page,
) ([]WebhookDelivery, string, error) {
	after, more, err := page.AfterID("webhook-deliveries")
	if err != nil {
		return nil, "", err
	}
	c := conditions{}
	c.add("d.webhook_id = ?", webhook)
	if state != "" {
		c.add("d.state = ?", state)
	}
	if more {
		c.add("d.seq < (SELECT l.seq FROM webhook_deliveries l WHERE l.id = ?)", after)
	}
	var rows []deliveryRow
	query := deliverySQL + c.sql() + " ORDER BY d.seq DESC LIMIT ?"
	if err := q.db.All(ctx, &rows, query, append(c.args, page.Size()+1)...); err != nil {
		return nil, "", fmt.Errorf("list the deliveries of a webhook: %w", err)
	}
	rows, next := database.CutPage(rows, page, "webhook-deliveries", func(r deliveryRow) string { return r.ID.String() })
	list := make([]WebhookDelivery, len(rows))
	for i, r := range rows {
		list[i] = r.delivery()
	}
	return list, next, nil
}

// NewDelivery is an event to tell a webhook.
type NewDelivery struct {
	WebhookID uuid.UUID
	Type      string
	Subject   string
	Pool      string
	Event     string
	// Ends: it says that something is over that was told before. It is kept where others are dropped.
	Ends bool
}

const (
	// maxPendingDeliveries bounds what waits for one webhook; deliveries that say that something is over have some room
	// beyond it.
	maxPendingDeliveries, maxPendingEnds = 10_000, 11_000

	pendingOfWebhookSQL = `
SELECT COUNT(*)
FROM (
	SELECT 1 AS one
	FROM webhook_deliveries
	WHERE webhook_id = ? AND state = 'pending'
	LIMIT ?
) AS waiting`
	lockWebhookSeqSQL = `
SELECT last_seq
FROM webhooks
WHERE id = ?`
	countWebhookSQL = `
UPDATE webhooks
SET last_seq = ?,
	dropped = dropped + ?,
	dropped_at = CASE WHEN ? > 0 THEN ? ELSE dropped_at END
WHERE id = ?`
)

type deliveryRecord struct {
	ID        uuid.UUID     `json:"id"`
	WebhookID uuid.UUID     `json:"webhook_id"`
	Seq       int64         `json:"seq"`
	Type      string        `json:"type"`
	Subject   string        `json:"subject"`
	Pool      string        `json:"pool"`
	Event     string        `json:"event"`
	At        database.Time `json:"at"`
}

func insertDeliveriesSQL(d database.Dialect) string {
	return `
INSERT INTO webhook_deliveries (
	id, webhook_id, seq, type, subject, pool, event, state, attempts, created_at, queued_at, next_at, last_error
)
SELECT n.id, n.webhook_id, n.seq, n.type, n.subject, n.pool, n.event, 'pending', 0, n.at, n.at, n.at, ''
FROM ` + database.RecordsOf[deliveryRecord](d) + ` AS n`
}

// CreateWebhookDeliveries stores what is to be sent, in this order for each webhook, and returns how many were dropped
// because too many wait.
func (tx *Tx) CreateWebhookDeliveries(ctx context.Context, list []NewDelivery) (dropped int, err error) {
	byWebhook, order := map[uuid.UUID][]NewDelivery{}, []uuid.UUID{}
	for _, n := range list {
		if _, known := byWebhook[n.WebhookID]; !known {
			order = append(order, n.WebhookID)
		}
		byWebhook[n.WebhookID] = append(byWebhook[n.WebhookID], n)
	}
	for _, id := range order {
		n, err := tx.createDeliveries(ctx, id, byWebhook[id])
		if err != nil {
			return dropped, fmt.Errorf("store the deliveries of a webhook: %w", err)
		}
		dropped += n
	}
	return dropped, nil
}

func (tx *Tx) createDeliveries(ctx context.Context, webhook uuid.UUID, list []NewDelivery) (dropped int, err error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return 0, err
	}
	var seqs []int64
	if err := tx.db.All(ctx, &seqs, lockWebhookSeqSQL+tx.db.Dialect().Lock("FOR UPDATE"), webhook); err != nil {
		return 0, err
	}
	if len(seqs) == 0 {
		return 0, nil // deleted since it was read
	}
	var pending int
	if err := tx.db.Get(ctx, &pending, pendingOfWebhookSQL, webhook, maxPendingEnds); err != nil {
		return 0, err
	}
	seq, records := seqs[0], []deliveryRecord{}
	for _, n := range list {
		room := maxPendingDeliveries
		if n.Ends {
			room = maxPendingEnds
		}
		if pending >= room {
			dropped++
			continue
		}
		id, err := uuid.NewV7()
		if err != nil {
			return 0, fmt.Errorf("generate an ID: %w", err)
		}
		seq, pending = seq+1, pending+1
		records = append(records, deliveryRecord{
			id, webhook, seq, n.Type, n.Subject, n.Pool, database.CleanText(n.Event), database.Time(now),
		})
	}
	if _, err := tx.db.Exec(ctx, countWebhookSQL, seq, dropped, dropped, now, webhook); err != nil {
		return 0, err
	}
	return dropped, database.ExecList(ctx, tx.db, insertDeliveriesSQL(tx.db.Dialect()), records)
}
