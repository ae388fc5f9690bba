package store

import (
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

// This file makes partitions of tables that are in use. A table is closed first: a check constraint, which is
// validated while others write, says that it has no run from some time ahead on. In one short transaction it then
// becomes a partition that ends there. PostgreSQL neither copies nor reads its rows for that, and keeps its indexes.

const (
	// partitionLock is the key of the advisory lock: "part" in ASCII.
	partitionLock = 0x70617274
	// endConstraint is the name of the check constraint.
	endConstraint = "partition_end"
	// endGuard is how long before the end of a closed table the constraint is dropped if it has not become a
	// partition: no run could be created from then on.
	endGuard = 3 * time.Hour
)

// PartitionOptions say how to partition.
type PartitionOptions struct {
	Every    time.Duration           // what a partition covers; 0: a week
	Progress func(PartitionProgress) // nil: none
}

// PartitionProgress is a step of partitioning.
type PartitionProgress struct {
	Table string
	Bytes int64 // its size, without indexes
	Done  bool  // false: the step begins
}

// PartitionRuns partitions the tables of runs, while servers work. Nothing is copied. After a failure it continues
// where it was. It does nothing on tables that are partitioned. It fails with Conflict on SQLite, and while
// another process does it.
func (s *Store) PartitionRuns(ctx context.Context, o PartitionOptions) error {
	if s.db.Dialect() == database.SQLite {
		return &Error{Code: Conflict, Message: "only PostgreSQL has partitions: copy the installation with " +
			"`berth migrate copy` first"}
	}
	if o.Every == 0 {
		o.Every = partitionEvery
	}
	if o.Progress == nil {
		o.Progress = func(PartitionProgress) {}
	}
	ran, err := s.db.Alone(ctx, partitionLock, func(alone database.Alone) error {
		return s.partitionRuns(ctx, alone, o)
	})
	if err != nil {
		return fmt.Errorf("partition runs: %w", err)
	}
	if !ran {
		return &Error{Code: Conflict, Message: "another process is partitioning the runs of this database: " +
			"wait for it to end"}
	}
	return nil
}

func (s *Store) partitionRuns(ctx context.Context, alone database.Alone, o PartitionOptions) error {
	layout, err := s.runLayout(ctx)
	if err != nil || len(layout) > 0 {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	end, err := s.endOfPlain(ctx, now, o.Every)
	if err != nil {
		return err
	}
	if err := s.closeTables(ctx, alone, "", end, o.Progress); err != nil {
		return err
	}
	return s.db.RetryLocks(ctx, func() error {
		return s.InTx(ctx, func(tx *Tx) error { return tx.makePlainPartition(ctx, end, endsAhead(end, now, o.Every)) })
	})
}

// endsAhead returns the ends of the partitions to make after an end.
func endsAhead(end, now time.Time, every time.Duration) []time.Time {
	var ends []time.Time
	for last := periodStart(now, every).Add((partitionsAhead + 1) * every); end.Before(last); {
		end = end.Add(every)
		ends = append(ends, end)
	}
	return ends
}

// closedTable is a table with a check constraint of its end.
type closedTable struct {
	Name       string `db:"name"`
	Definition string `db:"definition"`
	Valid      bool   `db:"valid"`
}

const closedTablesSQL = `
SELECT r.relname AS name, pg_get_constraintdef(c.oid) AS definition, c.convalidated AS valid
FROM pg_constraint c
JOIN pg_class r ON r.oid = c.conrelid
WHERE c.conname = '` + endConstraint + `'
	AND c.connamespace = current_schema()::regnamespace`

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// end is the time that the constraint names.
func (c closedTable) end() (time.Time, error) {
	id, err := uuid.Parse(uuidPattern.FindString(c.Definition))
	if err != nil {
		return time.Time{}, fmt.Errorf("constraint %s of table %s was not made by Berth: %s", endConstraint, c.Name,
			c.Definition)
	}
	return idTime(id), nil
}

func (q Reader) closedTables(ctx context.Context) ([]closedTable, error) {
	var closed []closedTable
	if err := q.db.All(ctx, &closed, closedTablesSQL); err != nil {
		return nil, fmt.Errorf("list the tables that are closed: %w", err)
	}
	return closed, nil
}

// endOfPlain returns where the partition of the plain tables is to end: one to two periods from now, so that it has
// not come before all is checked. An interrupted conversion keeps its end while that is far enough ahead.
func (s *Store) endOfPlain(ctx context.Context, now time.Time, every time.Duration) (time.Time, error) {
	closed, err := s.closedTables(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for _, c := range closed {
		end, err := c.end()
		if err != nil {
			return time.Time{}, err
		}
		if end.Sub(now) > every/2 {
			return end, nil
		}
	}
	return periodStart(now, every).Add(2 * every), nil
}

const tableBytesSQL = `
SELECT pg_table_size(?::regclass)`

// closeTables makes sure that no run from a time on is, or gets, into the partition with a suffix, or into the
// plain tables.
func (s *Store) closeTables(
	ctx context.Context, alone database.Alone, suffix string, end time.Time, progress func(PartitionProgress),
) error {
	closed, err := s.closedTables(ctx)
	if err != nil {
		return err
	}
	for _, t := range partitionedTables() {
		step := PartitionProgress{Table: t.name + suffix}
		if err := s.Reader.db.Get(ctx, &step.Bytes, tableBytesSQL, step.Table); err != nil {
			return fmt.Errorf("read the size of %s: %w", step.Table, err)
		}
		progress(step)
		if err := s.closeTable(ctx, alone, step.Table, t.key, end, closed); err != nil {
			return fmt.Errorf("close %s: %w", step.Table, err)
		}
		step.Done = true
		progress(step)
	}
	return nil
}

func (s *Store) closeTable(
	ctx context.Context, alone database.Alone, table, key string, end time.Time, closed []closedTable,
) error {
	alter := "ALTER TABLE " + database.QuoteIdentifier(table)
	i := slices.IndexFunc(closed, func(c closedTable) bool { return c.Name == table })
	if i >= 0 {
		has, err := closed[i].end()
		if err != nil {
			return err
		}
		if has.Equal(end) && closed[i].Valid {
			return nil
		}
	}
	add := fmt.Sprintf("%s ADD CONSTRAINT %s CHECK (%s < '%s') NOT VALID", alter, endConstraint, key, firstID(end))
	for _, statement := range []string{alter + " DROP CONSTRAINT IF EXISTS " + endConstraint, add} {
		if err := s.db.RetryLocks(ctx, func() error { return alone.Exec(ctx, statement) }); err != nil {
			return err
		}
	}
	// This reads the table while others write it.
	return s.db.RetryLocks(ctx, func() error { return alone.Exec(ctx, alter+" VALIDATE CONSTRAINT "+endConstraint) })
}

// mustBeClosed checks, under the lock of the tables, that the partition with a suffix is closed at an end.
func (tx *Tx) mustBeClosed(ctx context.Context, suffix string, end time.Time) error {
	closed, err := tx.closedTables(ctx)
	if err != nil {
		return err
	}
	for _, t := range partitionedTables() {
		i := slices.IndexFunc(closed, func(c closedTable) bool { return c.Name == t.name+suffix })
		if i < 0 || !closed[i].Valid {
			return errLayoutChanged
		}
		if has, err := closed[i].end(); err != nil || !has.Equal(end) {
			return errors.Join(err, errLayoutChanged)
		}
	}
	return nil
}

// openTables drops the constraints whose end comes soon, of a conversion that was not finished.
func (s *Store) openTables(ctx context.Context) error {
	closed, err := s.closedTables(ctx)
	if err != nil || len(closed) == 0 {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	for _, c := range closed {
		end, err := c.end()
		if err != nil {
			return err
		}
		if end.Sub(now) > endGuard {
			continue
		}
		err = s.InTx(ctx, func(tx *Tx) error {
			if err := tx.hurry(ctx); err != nil {
				return err
			}
			return tx.exec(ctx, "ALTER TABLE "+database.QuoteIdentifier(c.Name)+" DROP CONSTRAINT IF EXISTS "+endConstraint)
		})
		if err != nil {
			return err
		}
		s.db.Log().Warn("an unfinished conversion to partitions was undone; start it again with `berth migrate partition`",
			"table", c.Name, "end", end)
	}
	return nil
}

// makePlainPartition turns the plain tables, which are closed, into the first partition of new tables.
func (tx *Tx) makePlainPartition(ctx context.Context, end time.Time, ends []time.Time) error {
	if err := tx.lockRunTables(ctx); err != nil {
		return err
	}
	if err := tx.mustBeClosed(ctx, "", end); err != nil {
		return err
	}
	for _, t := range partitionedTables() {
		definition, err := tx.tableDefinition(ctx, t.name)
		if err != nil {
			return fmt.Errorf("read the definition of %s: %w", t.name, err)
		}
		plain := runPartition{plainPartition, uuid.Nil, firstID(end)}
		statements := slices.Concat(
			definition.replaceSQL(t, plain),
			attachSQL(t.name, plain),
			definition.partitionsSQL(t.name, end, ends),
		)
		if err := tx.exec(ctx, statements...); err != nil {
			return err
		}
	}
	return nil
}

// attachSQL attaches a table that is closed at the end of the partition.
func attachSQL(table string, p runPartition) []string {
	return []string{
		"ALTER TABLE " + table + " ATTACH PARTITION " + p.of(table) + " " + forValues(p.from, p.to),
		"ALTER TABLE " + p.of(table) + " DROP CONSTRAINT IF EXISTS " + endConstraint,
	}
}

// tableDefinition is what a new parent takes over from its first partition.
type tableDefinition struct {
	Options  string `db:"options"` // of storage, which parents cannot have
	Owner    string `db:"owner"`
	indexes  []indexDefinition
	triggers []namedDefinition
	grants   []namedDefinition // by grantee
}

type namedDefinition struct {
	Name       string `db:"name"`
	Definition string `db:"definition"`
}

type indexDefinition struct {
	namedDefinition
	Constraint string `db:"key"` // that it serves
}

const (
	tableOptionsSQL = `
SELECT COALESCE(array_to_string(reloptions, ', '), '') AS options, pg_get_userbyid(relowner) AS owner
FROM pg_class
WHERE oid = ?::regclass`
	tableIndexesSQL = `
SELECT x.relname AS name, pg_get_indexdef(i.indexrelid) AS definition, COALESCE(pg_get_constraintdef(c.oid), '') AS key
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid
LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
WHERE i.indrelid = ?::regclass
	AND i.indisvalid
ORDER BY x.relname`
	tableTriggersSQL = `
SELECT tgname AS name, pg_get_triggerdef(oid) AS definition
FROM pg_trigger
WHERE tgrelid = ?::regclass
	AND NOT tgisinternal
ORDER BY tgname`
	tableGrantsSQL = `
SELECT
	CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS name,
	string_agg(a.privilege_type, ', ') AS definition
FROM pg_class c
CROSS JOIN aclexplode(c.relacl) AS a
WHERE c.oid = ?::regclass
	AND a.grantee <> c.relowner
GROUP BY a.grantee`
)

func (tx *Tx) tableDefinition(ctx context.Context, table string) (tableDefinition, error) {
	var d tableDefinition
	err := tx.db.Get(ctx, &d, tableOptionsSQL, table)
	return d, errors.Join(err,
		tx.db.All(ctx, &d.indexes, tableIndexesSQL, table),
		tx.db.All(ctx, &d.triggers, tableTriggersSQL, table),
		tx.db.All(ctx, &d.grants, tableGrantsSQL, table))
}

// replaceSQL puts a partitioned table in the place of a plain one, with all that belongs to it.
func (d tableDefinition) replaceSQL(t partitionedTable, plain runPartition) []string {
	old := plain.of(t.name)
	statements := []string{"ALTER TABLE " + t.name + " RENAME TO " + old}
	for _, i := range d.indexes {
		name := strings.TrimPrefix(i.Name, t.name)
		statements = append(statements, "ALTER INDEX "+database.QuoteIdentifier(i.Name)+" RENAME TO "+
			database.QuoteIdentifier(t.name+plain.suffix+name))
	}
	for _, g := range d.triggers {
		statements = append(statements, "DROP TRIGGER "+database.QuoteIdentifier(g.Name)+" ON "+old)
	}
	statements = append(statements, "CREATE TABLE "+t.name+" (LIKE "+old+
		" INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION) PARTITION BY RANGE ("+t.key+")")
	for _, i := range d.indexes {
		if i.Constraint == "" {
			statements = append(statements, i.Definition)
			continue
		}
		statements = append(statements, "ALTER TABLE "+t.name+" ADD CONSTRAINT "+database.QuoteIdentifier(i.Name)+" "+i.Constraint)
	}
	for _, g := range d.triggers {
		statements = append(statements, g.Definition)
	}
	statements = append(statements, "ALTER TABLE "+t.name+" OWNER TO "+database.QuoteIdentifier(d.Owner))
	for _, g := range d.grants {
		statements = append(statements, "GRANT "+g.Definition+" ON "+t.name+" TO "+g.Name)
	}
	return statements
}

// createSQL creates a partition.
func (d tableDefinition) createSQL(table string, p runPartition) string {
	statement := "CREATE TABLE " + p.of(table) + " PARTITION OF " + table + " " + forValues(p.from, p.to)
	if d.Options != "" {
		statement += " WITH (" + d.Options + ")"
	}
	return statement
}

// partitionsSQL creates partitions from a time on, with the given ends, and the one of the rest.
func (d tableDefinition) partitionsSQL(table string, from time.Time, ends []time.Time) []string {
	statements := make([]string, 0, len(ends)+1)
	for _, end := range ends {
		p := runPartition{partitionSuffix(from, end.Sub(from)), firstID(from), firstID(end)}
		statements = append(statements, d.createSQL(table, p))
		from = end
	}
	return append(statements, d.createSQL(table, runPartition{restPartition, firstID(from), uuid.Max}))
}
