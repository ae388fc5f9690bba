package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

func resendSQL(d database.Dialect, ids []uuid.UUID) string {
	condition := "state = 'failed'"
	if ids != nil {
		condition = "state <> 'pending' AND id IN " + d.List("uuid")
	}
	return `
UPDATE webhook_deliveries
SET state = 'pending',
	attempts = 0,
	queued_at = ?,
	next_at = ?,
	ended_at = NULL
WHERE webhook_id = ?
	AND ` + condition
}

// ResendWebhookDeliveries sends deliveries of a webhook again, with the same IDs: these, or for nil all that failed. It
// returns how many; a delivery that waits is not counted.
func (s *Store) ResendWebhookDeliveries(ctx context.Context, name string, ids []uuid.UUID, actor string) (int64, error) {
	return inTx(ctx, s, func(tx *Tx) (int64, error) {
		h, err := tx.LockWebhook(ctx, name)
		if err != nil {
			return 0, err
		}
		if h == nil {
			return 0, noWebhook(name)
		}
		if err := tx.checkDeliveries(ctx, *h, ids); err != nil {
			return 0, err
		}
		now, err := tx.db.Now(ctx)
		if err != nil {
			return 0, err
		}
		args := []any{now, now, h.ID}
		if ids != nil {
			args = append(args, database.ListOf(ids))
		}
		n, err := tx.db.Exec(ctx, resendSQL(tx.db.Dialect(), ids), args...)
		if err != nil {
			return 0, fmt.Errorf("send deliveries of webhook %q again: %w", name, err)
		}
		tx.db.Hint(WebhooksTopic())
		return n, tx.audit(ctx, AuditEntry{
			Actor: actor, Action: AuditUpdate, Kind: AuditWebhook, Name: name, Pool: h.pool(),
			Detail: fmt.Sprintf("sent %d deliveries again", n),
		})
	})
}

// checkDeliveries refuses deliveries that are not those of a webhook.
func (tx *Tx) checkDeliveries(ctx context.Context, h Webhook, ids []uuid.UUID) error {
	var found []uuid.UUID
	query := "SELECT id FROM webhook_deliveries WHERE webhook_id = ? AND id IN " + tx.db.Dialect().List("uuid")
	if err := tx.db.All(ctx, &found, query, h.ID, database.ListOf(ids)); err != nil {
		return fmt.Errorf("look up deliveries of webhook %q: %w", h.Name, err)
	}
	known := map[uuid.UUID]bool{}
	for _, id := range found {
		known[id] = true
	}
	for _, id := range ids {
		if !known[id] {
			return &Error{Code: NotFound, Message: fmt.Sprintf("webhook %q has no delivery %s", h.Name, id)}
		}
	}
	return nil
}
