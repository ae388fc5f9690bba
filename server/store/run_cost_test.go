package store_test

import (
	"database/sql"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// TestARunWritesFewRows counts what runs write on their way from created to completed. Nearly all updates are HOT: they
// write the row on its page, and no index.
func TestARunWritesFewRows(t *testing.T) {
	type report = func(store.Claim) store.Report
	diagnosed := func(c store.Claim) store.Report {
		return store.Report{Lease: leaseOf(c), Kind: store.ReportPending, Diagnosis: "pulling the image"}
	}
	tests := map[string]struct {
		reports []report
		want    map[string]writes
		watched bool // a webhook wants to be told of the end
		traced  bool
	}{
		"that a worker reports as running and ended": {
			[]report{running, succeeded},
			map[string]writes{
				"runs": {inserted: 1, updated: 1}, "ready": {inserted: 1, deleted: 1},
				"live": {inserted: 1, updated: 1, deleted: 1}, "attempts": {inserted: 1}, "events": {inserted: 3},
			},
			false, false,
		},
		"whose end a webhook wants": {
			[]report{running, succeeded},
			map[string]writes{
				"runs": {inserted: 1, updated: 1}, "ready": {inserted: 1, deleted: 1},
				"live": {inserted: 1, updated: 1, deleted: 1}, "attempts": {inserted: 1}, "events": {inserted: 3},
				"webhook_events": {inserted: 1},
			},
			true, false,
		},
		"whose spans are sent": {
			reports: []report{running, succeeded},
			want: map[string]writes{
				"runs": {inserted: 1, updated: 1}, "ready": {inserted: 1, deleted: 1},
				"live": {inserted: 1, updated: 1, deleted: 1}, "attempts": {inserted: 1}, "events": {inserted: 3},
				"trace_ends": {inserted: 1},
			},
			traced: true,
		},
		"that a worker runs on Kubernetes": {
			[]report{manifest, submitted, diagnosed, running, succeeded},
			map[string]writes{
				"runs": {inserted: 1, updated: 1}, "ready": {inserted: 1, deleted: 1},
				"live":     {inserted: 1, updated: 4, deleted: 1},
				"attempts": {inserted: 1}, "events": {inserted: 6}, "manifests": {inserted: 1},
			},
			false, false,
		},
		"that fails and is tried again": {
			[]report{running, func(c store.Claim) store.Report { return failed(c, lifecycle.NodeLost) }},
			map[string]writes{
				"runs": {inserted: 1}, "ready": {inserted: 2, deleted: 1},
				"live": {inserted: 1, updated: 1, deleted: 1}, "attempts": {inserted: 1}, "events": {inserted: 3},
			},
			false, false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				if !w.Postgres {
					return
				}
				w.WatchEnds(func(string, lifecycle.StateType, lifecycle.Category) bool { return test.watched })
				w.WatchTraces(func(uuid.UUID) bool { return test.traced })
				got := w.perRun(test.reports...)
				if !maps.Equal(got, test.want) {
					t.Errorf("a run writes %v\nwant %v", sorted(got), sorted(test.want))
				}
			})
		})
	}
}

// writes is what was written to a table.
type writes struct{ inserted, updated, hot, deleted int64 }

func (w writes) String() string {
	return fmt.Sprintf("%d inserted, %d updated, %d deleted", w.inserted, w.updated, w.deleted)
}

func sorted(tables map[string]writes) []string {
	var lines []string
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		lines = append(lines, fmt.Sprintf("%s: %s", table, tables[table]))
	}
	return lines
}

// perRun is what one run writes to each table, as reports move it.
func (w *world) perRun(reports ...func(store.Claim) store.Report) map[string]writes {
	w.t.Helper()
	const runs = 200
	w.withoutVacuum()
	w.pool("p")
	w.deployment("d", "p", func(d *store.Deployment) { d.Retries = lifecycle.RetryPolicy{InfrastructureMax: 3} })
	w.runs("d", runs)
	claims := w.claim(request("p", "w", runs))
	if len(claims) != runs {
		w.t.Fatalf("claimed %d runs, want %d", len(claims), runs)
	}
	for _, report := range reports {
		all := make([]store.Report, len(claims))
		for i, c := range claims {
			all[i] = report(c)
		}
		w.accepts(all...)
	}

	costs := map[string]writes{}
	for table, n := range w.written() {
		if w.Partitions && table == "live" {
			n.hot = n.updated // it is the same table there, and has no room while a connection is being made
		}
		if hot := float64(n.hot) / float64(max(n.updated, 1)); n.updated > runs/2 && hot < 0.9 {
			w.t.Errorf("%.0f %% of the updates of %s are HOT", 100*hot, table)
		}
		cost := writes{inserted: n.inserted / runs, updated: n.updated / runs, deleted: n.deleted / runs}
		if cost != (writes{}) {
			costs[table] = cost
		}
	}
	return costs
}

// withoutVacuum keeps autovacuum from the tables that are counted: while it looks at one, no page gets room for an update.
func (w *world) withoutVacuum() {
	w.t.Helper()
	w.past(func(db *sql.DB) error {
		_, err := db.ExecContext(w.t.Context(), `
			DO $$
			DECLARE one regclass;
			BEGIN
				FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
					EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', one);
				END LOOP;
			END $$`)
		return err
	})
}

// partitionSuffix is what the name of a partition has beside that of its table.
var partitionSuffix = regexp.MustCompile(`_(plain|past|rest|p\d{8}\w*)$`)

// otherConnectionsSQL counts the connections to the database beside the one that asks.
const otherConnectionsSQL = `
SELECT COUNT(*)
FROM pg_stat_activity
WHERE datname = current_database()
	AND pid <> pg_backend_pid()`

// written is all that was written. It closes the store: PostgreSQL counts what a connection has written once it has
// ended.
func (w *world) written() map[string]writes {
	w.t.Helper()
	w.check(w.Close())
	counts := map[string]writes{}
	w.past(func(db *sql.DB) error {
		db.SetMaxOpenConns(1)
		for others := 1; others > 0; {
			if err := db.QueryRowContext(w.t.Context(), otherConnectionsSQL).Scan(&others); err != nil {
				return err
			}
		}
		rows, err := db.QueryContext(w.t.Context(),
			"SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del FROM pg_stat_user_tables")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var table string
			var n writes
			if err := rows.Scan(&table, &n.inserted, &n.updated, &n.hot, &n.deleted); err != nil {
				return err
			}
			table = partitionSuffix.ReplaceAllString(table, "")
			all := counts[table]
			counts[table] = writes{
				all.inserted + n.inserted, all.updated + n.updated, all.hot + n.hot, all.deleted + n.deleted,
			}
		}
		return rows.Err()
	})
	return counts
}
