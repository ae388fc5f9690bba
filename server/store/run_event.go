package store

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

type eventRow struct {
	RunID     uuid.UUID           `json:"run_id" db:"run_id"`
	Seq       int64               `json:"seq" db:"seq"`
	At        database.Time       `json:"at" db:"at"`
	Actor     string              `json:"actor" db:"actor"`
	Attempt   int32               `json:"attempt" db:"attempt"`
	StateType lifecycle.StateType `json:"state_type" db:"state_type"`
	StateName string              `json:"state_name" db:"state_name"`
	Message   string              `json:"message" db:"message"`
}

// listEventsMax bounds one answer; who wants more asks again from the last.
const listEventsMax = 1000

// listEventsSQL begins with the creation, which the run itself tells.
const listEventsSQL = `
SELECT 1 AS seq, created_at AS at, created_by AS actor, 0 AS attempt, 'SCHEDULED' AS state_type, 'Scheduled' AS state_name,
	'' AS message
FROM runs
WHERE id = ?
	AND CAST(1 AS BIGINT) > ?
UNION ALL
SELECT seq, at, actor, attempt, state_type, state_name, message
FROM events
WHERE run_id = ?
	AND seq > ?
ORDER BY 1
LIMIT ?`

const (
	// pageEventsSQL ends with the creation.
	pageEventsSQL = `
SELECT 1 AS seq, created_at AS at, created_by AS actor, 0 AS attempt, 'SCHEDULED' AS state_type, 'Scheduled' AS state_name,
	'' AS message
FROM runs
WHERE id = ?
	AND CAST(1 AS BIGINT) < ?
UNION ALL
SELECT seq, at, actor, attempt, state_type, state_name, message
FROM events
WHERE run_id = ?
	AND seq < ?
ORDER BY 1 DESC
LIMIT ?`
	eventsCursor = "event"
)

// PageEvents lists the events of a run, newest first.
func (q Reader) PageEvents(ctx context.Context, runID uuid.UUID, page Page) ([]Event, string, error) {
	before := int64(math.MaxInt64)
	key, err := page.After(eventsCursor)
	if err != nil {
		return nil, "", err
	}
	if key != "" {
		if before, err = strconv.ParseInt(key, 10, 64); err != nil {
			return nil, "", database.ForeignCursor()
		}
	}
	var rows []eventRow
	if err := q.db.All(ctx, &rows, pageEventsSQL, runID, before, runID, before, page.Size()+1); err != nil {
		return nil, "", fmt.Errorf("list the events of run %s: %w", runID, err)
	}
	rows, next := database.CutPage(rows, page, eventsCursor, func(r eventRow) string {
		return strconv.FormatInt(r.Seq, 10)
	})
	return eventsOf(rows), next, nil
}

// ListEvents lists the events of a run after a sequence number, a thousand at most. Events are numbered
// without gaps under the lock of the run's row, so a reader that continues after the last number misses none.
func (q Reader) ListEvents(ctx context.Context, runID uuid.UUID, afterSeq int64) ([]Event, error) {
	var rows []eventRow
	if err := q.db.All(ctx, &rows, listEventsSQL, runID, afterSeq, runID, afterSeq, listEventsMax); err != nil {
		return nil, fmt.Errorf("list the events of run %s: %w", runID, err)
	}
	return eventsOf(rows), nil
}

func eventsOf(rows []eventRow) []Event {
	events := make([]Event, len(rows))
	for i, r := range rows {
		events[i] = Event{
			Seq: r.Seq, At: r.At.Time(), Actor: r.Actor, Attempt: r.Attempt, Message: r.Message,
			State: lifecycle.State{Type: r.StateType, Name: r.StateName, Message: r.Message, At: r.At.Time()},
		}
	}
	return events
}
