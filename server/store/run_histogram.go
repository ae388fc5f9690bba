package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
)

// RunHistogram counts runs by when they ended.
type RunHistogram struct {
	// From and To are the range that was asked for, widened to whole buckets.
	From, To time.Time
	Bucket   time.Duration
	Counts   []HistogramCount // in the order of their buckets, states and categories; none is 0
}

// HistogramCount is how many runs ended in a bucket, with a state and a cause.
type HistogramCount struct {
	At       time.Time // the begin of the bucket
	State    lifecycle.StateType
	Category lifecycle.Category // empty where the run completed
	Count    int64
	Removed  int64 // how many of them retention has removed since
}

// HistogramQuery says which runs to count.
type HistogramQuery struct {
	Filter   RunFilter // by pools, queue, deployment and states
	From, To time.Time
	Bucket   time.Duration // an hour or a day
}

// GetRunHistogram counts ended runs by hour or day, in UTC, by reading counts only. What retention has not removed is
// as much as CountRuns finds in the same range of the end.
func (q Reader) GetRunHistogram(ctx context.Context, h HistogramQuery) (RunHistogram, error) {
	from, to := h.From.UTC().Truncate(h.Bucket), h.To.UTC().Truncate(h.Bucket)
	if to.Before(h.To) {
		to = to.Add(h.Bucket)
	}
	answer := RunHistogram{From: from, To: to, Bucket: h.Bucket}
	s, err := q.runSearch(ctx, h.Filter)
	if err != nil {
		return answer, err
	}
	size := int64(h.Bucket / time.Hour)
	query := endedQuery{countQuery{s: s, queue: h.Filter.Queue}, "t.ended, t.state_type, t.category"}
	query.addRange(hoursBetween(from, to), size)

	var rows []struct {
		Ended    int64               `db:"ended"`
		State    lifecycle.StateType `db:"state_type"`
		Category lifecycle.Category  `db:"category"`
		N        int64               `db:"n"`
		Kept     int64               `db:"kept"`
	}
	err = q.db.All(ctx, &rows, fmt.Sprintf(histogramSQL, size, strings.Join(query.parts, "\nUNION ALL\n")), query.args...)
	if err != nil {
		return answer, fmt.Errorf("count ended runs by the hour: %w", err)
	}
	wanted := map[lifecycle.StateType]bool{}
	for _, state := range h.Filter.States {
		wanted[state] = true
	}
	for _, row := range rows {
		if len(wanted) == 0 || wanted[row.State] {
			answer.Counts = append(answer.Counts, HistogramCount{
				At: time.Unix(row.Ended*secondsPerHour, 0).UTC(), State: row.State, Category: row.Category,
				Count: row.N + row.Kept, Removed: row.Kept,
			})
		}
	}
	return answer, nil
}

// histogramSQL adds up parts with the columns ended, state_type, category, n and kept.
const histogramSQL = `
SELECT ended, state_type, category, CAST(SUM(n) AS BIGINT) AS n, CAST(SUM(kept) AS BIGINT) AS kept
FROM (
	SELECT ended - ended %% %d AS ended, state_type, category, n, kept
	FROM (
%s
	) AS parts
) AS c
GROUP BY ended, state_type, category
HAVING SUM(n) <> 0 OR SUM(kept) <> 0
ORDER BY ended, state_type, category`

// hoursBetween are the hours from a time on, before another.
func hoursBetween(from, to time.Time) hourRange {
	first, before := from.Unix()/secondsPerHour, to.Unix()/secondsPerHour
	return hourRange{&first, &before}
}

// endedQuery reads counts by the hour of the end: some columns, then how many runs there are, n, and how many were
// removed, kept.
type endedQuery struct {
	countQuery
	columns string
}

// addRange adds a range of whole hours, in which days may be read as a whole if a bucket has as many hours.
func (c *endedQuery) addRange(hours hourRange, bucket int64) {
	span := spanHour
	if bucket == spanDay && c.s.deployment == nil {
		span = spanDay
	}
	c.addSpan(span, "t.n, 0 AS kept", hours.where("t.ended"))
	kept := hours.where("t.ended")
	if c.s.deployment != nil { // served by the primary key
		kept = kept.with(hours.where("t.created"))
	}
	c.addSpan(spanKept, "0 AS n, t.n AS kept", kept)
	where := hours.where("t.ended").with(c.where())
	c.add("SELECT "+c.columns+", t.n, t.kept FROM run_count_changes t"+where.sql(), where)
}

func (c *endedQuery) addSpan(span int, counts string, hours conditions) {
	where := c.ofSpan(span, hours)
	c.add("SELECT "+c.columns+", "+counts+" FROM run_counts t"+where.sql(), where)
}
