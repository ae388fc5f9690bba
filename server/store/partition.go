package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// The tables of runs are plain, or partitioned by the ID of the run and so by the time of its creation. doc.go says
// how they get from one layout to the other. Every statement works on both.

// partitionedTable is a table of runs, with its column of the run's ID.
type partitionedTable struct{ name, key string }

// partitionedTables are partitioned together. They are locked in this order.
func partitionedTables() []partitionedTable {
	return []partitionedTable{{"runs", "id"}, {"attempts", "run_id"}, {"manifests", "run_id"}, {"events", "run_id"}}
}

const (
	// partitionEvery is what one partition covers, from a Monday in UTC on.
	partitionEvery = 7 * 24 * time.Hour
	// partitionsAhead is how many partitions there are after the current one.
	partitionsAhead = 4

	// The partitions with no end: of what was there before partitioning, of IDs before the first partition that is
	// left, and of IDs after the last one that was made.
	plainPartition = "_plain"
	pastPartition  = "_past"
	restPartition  = "_rest"
)

// runPartition is a partition of each of the tables: the name of the table, followed by suffix.
type runPartition struct {
	suffix   string
	from, to uuid.UUID // uuid.Nil and uuid.Max where it has no bound
}

func (p runPartition) of(table string) string { return database.QuoteIdentifier(table + p.suffix) }

// span is what the partition covers; 0 where it has no bound.
func (p runPartition) span() time.Duration {
	if p.from == uuid.Nil || p.to == uuid.Max {
		return 0
	}
	return idTime(p.to).Sub(idTime(p.from))
}

// runLayout is how the tables of runs are stored. The partitions are in the order of their IDs; none: the tables are
// plain.
type runLayout []runPartition

// every is what each partition is to cover: as much as the last with an end.
func (l runLayout) every() time.Duration {
	for _, p := range slices.Backward(l) {
		if span := p.span(); span > 0 {
			return span
		}
	}
	return partitionEvery
}

// RunLayout is how the tables of runs are stored.
type RunLayout struct {
	// Partitions is their number; 0: the tables are plain.
	Partitions int
	// Until is the end of the last partition that was made ahead.
	Until time.Time
}

// GetRunLayout returns how the tables of runs are stored.
func (q Reader) GetRunLayout(ctx context.Context) (RunLayout, error) {
	layout, err := q.runLayout(ctx)
	if err != nil || len(layout) == 0 {
		return RunLayout{}, err
	}
	return RunLayout{Partitions: len(layout), Until: idTime(layout[len(layout)-1].from)}, nil
}

const runLayoutSQL = `
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('runs')
	AND NOT i.inhdetachpending`

// runLayout reads the layout from the database's catalog. The other tables have the same partitions as runs.
func (q Reader) runLayout(ctx context.Context) (runLayout, error) {
	if q.db.Dialect() == database.SQLite {
		return nil, nil
	}
	var rows []struct{ Name, Bounds string }
	if err := q.db.All(ctx, &rows, runLayoutSQL); err != nil {
		return nil, fmt.Errorf("list the partitions of runs: %w", err)
	}
	layout := make(runLayout, len(rows))
	for i, r := range rows {
		from, to, err := parseBounds(r.Bounds)
		if err != nil {
			return nil, fmt.Errorf("partition %s: %w", r.Name, err)
		}
		layout[i] = runPartition{strings.TrimPrefix(r.Name, "runs"), from, to}
	}
	slices.SortFunc(layout, func(a, b runPartition) int { return cmp.Compare(a.from.String(), b.from.String()) })
	return layout, nil
}

var boundsPattern = regexp.MustCompile(`^FOR VALUES FROM \((MINVALUE|'([-0-9a-f]+)')\) TO \((MAXVALUE|'([-0-9a-f]+)')\)$`)

// parseBounds reads the bounds of a partition as PostgreSQL writes them.
func parseBounds(bounds string) (from, to uuid.UUID, err error) {
	parts := boundsPattern.FindStringSubmatch(bounds)
	if parts == nil {
		return from, to, fmt.Errorf("it was not made by Berth: %s", bounds)
	}
	from, to = uuid.Nil, uuid.Max
	if parts[2] != "" {
		from, err = uuid.Parse(parts[2])
	}
	if parts[4] != "" && err == nil {
		to, err = uuid.Parse(parts[4])
	}
	return from, to, err
}

// forValues writes the bounds of a partition.
func forValues(from, to uuid.UUID) string {
	low, high := "MINVALUE", "MAXVALUE"
	if from != uuid.Nil {
		low = "'" + from.String() + "'"
	}
	if to != uuid.Max {
		high = "'" + to.String() + "'"
	}
	return "FOR VALUES FROM (" + low + ") TO (" + high + ")"
}

// periodStart returns when the period that has a time began. Weeks begin on Monday in UTC.
func periodStart(t time.Time, every time.Duration) time.Time {
	return t.UTC().Truncate(every) // Go counts from a Monday
}

// partitionSuffix names a partition after its begin.
func partitionSuffix(from time.Time, every time.Duration) string {
	layout := "20060102"
	if every%(24*time.Hour) != 0 {
		layout = "20060102t150405"
	}
	return "_p" + from.Format(layout)
}

// exec runs the statements of a change of the layout.
func (tx *Tx) exec(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := tx.db.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// lockRunTables locks the tables of runs for a change of their layout.
func (tx *Tx) lockRunTables(ctx context.Context) error {
	if err := tx.hurry(ctx); err != nil {
		return err
	}
	names := make([]string, 0, len(partitionedTables()))
	for _, t := range partitionedTables() {
		names = append(names, t.name)
	}
	return tx.exec(ctx, "LOCK TABLE "+strings.Join(names, ", ")+" IN ACCESS EXCLUSIVE MODE")
}

// errLayoutChanged means that another process has changed the layout meanwhile.
var errLayoutChanged = errors.New("the layout of the tables of runs was changed meanwhile; try again")
