package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// maxDeliveryWait bounds how far ahead an attempt, a rest or a reservation can be. A time beyond it was stored while the
// database's clock was ahead, and counts as reached.
const maxDeliveryWait = 2 * time.Hour

// dueWebhooksSQL is served by webhook_deliveries_pending.
const dueWebhooksSQL = `
SELECT h.id
FROM webhooks h
WHERE NOT h.paused
	AND (h.rest_until IS NULL OR h.rest_until <= ? OR h.rest_until > ?)
	AND EXISTS (
		SELECT 1
		FROM webhook_deliveries d
		WHERE d.webhook_id = h.id AND d.state = 'pending'
			AND (d.next_at <= ? OR d.next_at > ?)
			AND (d.held_until IS NULL OR d.held_until <= ? OR d.held_until > ?)
	)`

// ListDueWebhooks lists the webhooks that have something to send now.
func (q Reader) ListDueWebhooks(ctx context.Context) ([]uuid.UUID, error) {
	now, err := q.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	far := now.Add(maxDeliveryWait)
	var ids []uuid.UUID
	if err := q.db.All(ctx, &ids, dueWebhooksSQL, now, far, now, far, now, far); err != nil {
		return nil, fmt.Errorf("find webhooks with something to send: %w", err)
	}
	return ids, nil
}

const (
	lockDueWebhookSQL = webhookSQL + `
WHERE h.id = ?
	AND NOT h.paused
	AND (h.rest_until IS NULL OR h.rest_until <= ? OR h.rest_until > ?)`
	heldOfWebhookSQL = `
SELECT COUNT(*)
FROM webhook_deliveries
WHERE webhook_id = ? AND state = 'pending' AND held_until > ? AND held_until <= ?`
	// dueDeliveriesSQL leaves out what has something before it about the same subject.
	dueDeliveriesSQL = deliverySQL + `
WHERE d.webhook_id = ? AND d.state = 'pending'
	AND (d.next_at <= ? OR d.next_at > ?)
	AND (d.held_until IS NULL OR d.held_until <= ? OR d.held_until > ?)
	AND NOT EXISTS (
		SELECT 1
		FROM webhook_deliveries e
		WHERE e.webhook_id = d.webhook_id AND e.subject = d.subject AND e.seq < d.seq AND e.state = 'pending'
	)
ORDER BY d.seq
LIMIT ?`
)

func holdDeliveriesSQL(d database.Dialect) string {
	return `
UPDATE webhook_deliveries
SET held_until = ?,
	attempts = attempts + 1
WHERE id IN ` + d.List("uuid")
}

// AcquireWebhookDeliveries takes deliveries of a webhook to send for the duration hold, after which another server takes
// them. All servers together have most of one webhook at a time, and one while its receiver does not answer. It returns
// nil where there is nothing to send; now is the database's time.
func (s *Store) AcquireWebhookDeliveries(
	ctx context.Context, webhook uuid.UUID, most int, hold time.Duration,
) (h *Webhook, list []WebhookDelivery, now time.Time, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		h, list = nil, nil
		if now, err = tx.db.Now(ctx); err != nil {
			return err
		}
		far := now.Add(maxDeliveryWait)
		lock := tx.db.Dialect().Lock("FOR NO KEY UPDATE OF h SKIP LOCKED")
		hooks, err := tx.webhooks(ctx, lockDueWebhookSQL+lock, webhook, now, far)
		if err != nil || len(hooks) == 0 {
			return err
		}
		h = &hooks[0]
		var held int
		if err := tx.db.Get(ctx, &held, heldOfWebhookSQL, webhook, now, far); err != nil {
			return err
		}
		room := most
		if h.Unanswered > 0 {
			room = 1
		}
		if room -= held; room <= 0 {
			return nil
		}
		var rows []deliveryRow
		if err := tx.db.All(ctx, &rows, dueDeliveriesSQL, webhook, now, far, now, far, room); err != nil {
			return err
		}
		ids := make([]uuid.UUID, len(rows))
		for i, r := range rows {
			r.Attempts++
			ids[i], list = r.ID, append(list, r.delivery())
		}
		if len(ids) == 0 {
			return nil
		}
		_, err = tx.db.Exec(ctx, holdDeliveriesSQL(tx.db.Dialect()), now.Add(hold), database.ListOf(ids))
		return err
	})
	if err != nil {
		return nil, nil, now, fmt.Errorf("acquire the deliveries of a webhook: %w", err)
	}
	return h, list, now, nil
}

// DeliveryResult is what became of an attempt.
type DeliveryResult struct {
	State  DeliveryState // pending: it is tried again
	Status int32         // of the answer; 0: there was none
	Error  string
	Wait   time.Duration // until the next attempt
	// Rest is how long the receiver is left alone; 0: it has answered.
	Rest time.Duration
	// PausedReason pauses the webhook; empty: it goes on.
	PausedReason string
}

const (
	recordDeliverySQL = `
UPDATE webhook_deliveries
SET state = ?,
	next_at = ?,
	held_until = NULL,
	last_status = ?,
	last_error = ?,
	tried_at = ?,
	ended_at = ?
WHERE id = ?
	AND state = 'pending'
	AND (attempts = ? OR ? = 'delivered')`
	answeredSQL = `
UPDATE webhooks
SET unanswered = 0,
	rest_until = NULL
WHERE id = ?
	AND unanswered <> 0`
	unansweredSQL = `
UPDATE webhooks
SET unanswered = unanswered + 1,
	rest_until = ?
WHERE id = ?`
)

// UpdateWebhookDelivery records what became of an attempt. It does nothing where another server has tried since, unless
// the receiver has it now.
func (s *Store) UpdateWebhookDelivery(ctx context.Context, d WebhookDelivery, r DeliveryResult) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		var status *int32
		if r.Status != 0 {
			status = &r.Status
		}
		var ended *time.Time
		if r.State != DeliveryPending {
			ended = &now
		}
		n, err := tx.db.Exec(ctx, recordDeliverySQL, r.State, now.Add(r.Wait), status, database.CleanText(r.Error), now,
			database.TimeOf(ended), d.ID, d.Attempts, string(r.State))
		if err != nil || n == 0 {
			return err
		}
		if r.Rest > 0 {
			_, err = tx.db.Exec(ctx, unansweredSQL, now.Add(r.Rest), d.WebhookID)
		} else {
			_, err = tx.db.Exec(ctx, answeredSQL, d.WebhookID)
		}
		if err != nil || r.PausedReason == "" {
			return err
		}
		return tx.pauseByID(ctx, d.WebhookID, r.PausedReason)
	})
	if err != nil {
		return fmt.Errorf("record delivery %s: %w", d.ID, err)
	}
	return nil
}

func (tx *Tx) pauseByID(ctx context.Context, id uuid.UUID, reason string) error {
	hooks, err := tx.webhooks(ctx, webhookSQL+" WHERE h.id = ?"+tx.db.Dialect().Lock("FOR UPDATE OF h"), id)
	if err != nil || len(hooks) == 0 || hooks[0].Paused {
		return err
	}
	_, err = tx.pauseWebhook(ctx, hooks[0], true, reason, sweepActor)
	return err
}
