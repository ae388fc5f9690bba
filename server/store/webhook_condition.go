package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// WebhookCondition is what a webhook knows of something that is not well.
type WebhookCondition struct {
	WebhookID uuid.UUID `db:"webhook_id" json:"webhook_id"`
	Kind      string    `db:"kind" json:"kind"`
	Subject   string    `db:"subject" json:"subject"`
	// Count is how often it was seen in a row; Firing: it was told.
	Count  int32  `db:"count" json:"count"`
	Firing bool   `db:"firing" json:"firing"`
	Event  string `db:"event" json:"event"` // what was told, JSON; empty: nothing yet
	Since  time.Time
}

type conditionRow struct {
	WebhookID uuid.UUID     `db:"webhook_id" json:"webhook_id"`
	Kind      string        `db:"kind" json:"kind"`
	Subject   string        `db:"subject" json:"subject"`
	Count     int32         `db:"count" json:"count"`
	Firing    bool          `db:"firing" json:"firing"`
	Event     string        `db:"event" json:"event"`
	Since     database.Time `db:"since" json:"since"`
}

const listConditionsSQL = `
SELECT webhook_id, kind, subject, count, firing, event, since
FROM webhook_conditions
ORDER BY webhook_id, kind, subject`

// ListWebhookConditions lists what all webhooks know to be not well.
func (q Reader) ListWebhookConditions(ctx context.Context) ([]WebhookCondition, error) {
	var rows []conditionRow
	if err := q.db.All(ctx, &rows, listConditionsSQL); err != nil {
		return nil, fmt.Errorf("list the conditions of webhooks: %w", err)
	}
	list := make([]WebhookCondition, len(rows))
	for i, r := range rows {
		list[i] = WebhookCondition{r.WebhookID, r.Kind, r.Subject, r.Count, r.Firing, r.Event, r.Since.Time()}
	}
	return list, nil
}

type conditionKey struct {
	WebhookID uuid.UUID `json:"webhook_id"`
	Kind      string    `json:"kind"`
	Subject   string    `json:"subject"`
}

// UpdateWebhookConditions saves conditions, and removes those with a count of 0.
func (tx *Tx) UpdateWebhookConditions(ctx context.Context, list []WebhookCondition) error {
	d := tx.db.Dialect()
	var saved []conditionRow
	var over []conditionKey
	for _, c := range list {
		if c.Count == 0 {
			over = append(over, conditionKey{c.WebhookID, c.Kind, c.Subject})
			continue
		}
		saved = append(saved, conditionRow{
			c.WebhookID, c.Kind, c.Subject, c.Count, c.Firing, c.Event, database.Time(truncated(c.Since)),
		})
	}
	// A webhook may have been deleted since it was read.
	err := database.ExecList(ctx, tx.db, `
INSERT INTO webhook_conditions (webhook_id, kind, subject, count, firing, event, since)
SELECT n.webhook_id, n.kind, n.subject, n.count, n.firing, n.event, n.since
FROM `+database.RecordsOf[conditionRow](d)+` AS n
JOIN webhooks h ON h.id = n.webhook_id
WHERE TRUE
ON CONFLICT (webhook_id, kind, subject) DO UPDATE
SET count = excluded.count,
	firing = excluded.firing,
	event = excluded.event,
	since = excluded.since`, saved)
	if err != nil {
		return fmt.Errorf("save the conditions of webhooks: %w", err)
	}
	err = database.ExecList(ctx, tx.db, `
DELETE FROM webhook_conditions
WHERE (webhook_id, kind, subject) IN (SELECT webhook_id, kind, subject FROM `+
		database.RecordsOf[conditionKey](d)+` AS n)`, over)
	if err != nil {
		return fmt.Errorf("remove the conditions of webhooks: %w", err)
	}
	return nil
}
