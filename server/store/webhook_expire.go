package store

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

// keepDeliveries is for how long deliveries are kept that are over.
const keepDeliveries = 7 * 24 * time.Hour

const (
	// giveUpSQL is for receivers that take nothing: one delivery after the other would be tried until each has failed.
	giveUpSQL = `
UPDATE webhook_deliveries
SET state = 'failed',
	ended_at = ?,
	last_error = 'given up after 72 hours: the webhook is paused, or its receiver does not answer'
WHERE id IN (
		SELECT d.id
		FROM webhooks h
		JOIN webhook_deliveries d ON d.webhook_id = h.id
		WHERE d.state = 'pending'
			AND d.queued_at < ?
			AND (h.paused OR h.unanswered >= ?)
		LIMIT ?
	)`
	// oldDeliveriesSQL is served by webhook_deliveries_ended.
	oldDeliveriesSQL = `
DELETE FROM webhook_deliveries
WHERE id IN (SELECT id FROM webhook_deliveries WHERE ended_at < ? ORDER BY ended_at LIMIT ?)`

	giveUpAfter      = 72 * time.Hour
	giveUpUnanswered = 8
)

func (s *Store) retainDeliveries(ctx context.Context, _ Retention, removed *Expired) error {
	var givenUp int64 // nothing is removed yet
	err := s.batches(ctx, retainRows, &givenUp, func(tx *Tx) (int64, error) {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return 0, err
		}
		return tx.db.Exec(ctx, giveUpSQL, now, now.Add(-giveUpAfter), giveUpUnanswered, retainRows)
	})
	if err != nil {
		return err
	}
	return s.batches(ctx, retainRows, &removed.Deliveries, func(tx *Tx) (int64, error) {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return 0, err
		}
		return tx.db.Exec(ctx, oldDeliveriesSQL, now.Add(-keepDeliveries), retainRows)
	})
}

// oldestDeliverySQL leaves out webhooks that are paused: a person has decided that they wait.
const oldestDeliverySQL = `
SELECT COUNT(*) AS pending, MIN(d.queued_at) AS oldest
FROM webhook_deliveries d
JOIN webhooks h ON h.id = d.webhook_id
WHERE d.state = 'pending'
	AND NOT h.paused`

// DeliveryStats are what waits to be sent.
type DeliveryStats struct {
	Pending int64
	Oldest  time.Duration // how long the oldest has waited; 0: none waits
}

func (q Reader) deliveryStats(ctx context.Context, now time.Time) (DeliveryStats, error) {
	var row struct {
		Pending int64          `db:"pending"`
		Oldest  *database.Time `db:"oldest"`
	}
	if err := q.db.Get(ctx, &row, oldestDeliverySQL); err != nil {
		return DeliveryStats{}, fmt.Errorf("count deliveries of webhooks: %w", err)
	}
	st := DeliveryStats{Pending: row.Pending}
	if row.Oldest != nil {
		st.Oldest = max(now.Sub(row.Oldest.Time()), 0)
	}
	return st, nil
}
