package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// partition converts the tables, and checks the layout.
func (w *world) partition(o store.PartitionOptions) {
	w.t.Helper()
	w.check(w.PartitionRuns(w.t.Context(), o))
	layout := must[store.RunLayout](w.t)(w.GetRunLayout(w.t.Context()))
	if layout.Partitions != 6 && layout.Partitions != 5 || layout.Until.Weekday() != time.Monday ||
		layout.Until.Sub(w.Now()) < 28*aDay {
		w.t.Errorf("the layout is %+v", layout)
	}
}

func newPlain(t *testing.T) *world { return &world{storetest.PostgreSQL(t), t} }

// busy is a load of two servers: runs are created, claimed, retried and ended.
type busy struct {
	w       *world
	servers []*storetest.Store
	stop    chan struct{}
	work    sync.WaitGroup
	mu      sync.Mutex
	created map[uuid.UUID]bool
	claimed int
	changed chan struct{} // closed, and made anew, when claimed has grown; guarded by mu
}

func startBusy(w *world) *busy {
	b := &busy{
		w: w, servers: []*storetest.Store{w.Store, w.OpenAgain(w.t)}, stop: make(chan struct{}),
		created: map[uuid.UUID]bool{}, changed: make(chan struct{}),
	}
	for i, s := range b.servers {
		b.work.Go(func() { b.create(s) })
		b.work.Go(func() { b.workUntil(s, fmt.Sprint("w", i), func() bool { return b.stopped() }) })
	}
	return b
}

func (b *busy) stopped() bool {
	select {
	case <-b.stop:
		return true
	default:
		return false
	}
}

func (b *busy) create(s *storetest.Store) {
	for !b.stopped() {
		if ahead, changed := b.ahead(); ahead { // the load is steady: no more than the workers take
			select {
			case <-changed:
			case <-b.stop:
			}
			continue
		}
		made, err := s.CreateRuns(b.w.t.Context(), "d", make([]store.NewRun, 5), actor)
		if err != nil {
			b.w.t.Errorf("create runs: %v", err)
			return
		}
		b.mu.Lock()
		for _, m := range made {
			b.created[m.Run.ID] = true
		}
		b.mu.Unlock()
	}
}

// ahead reports whether there are enough runs until the channel is closed.
func (b *busy) ahead() (bool, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.created) > b.claimed+50, b.changed
}

func (b *busy) addClaimed(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claimed += n
	close(b.changed)
	b.changed = make(chan struct{})
}

// claims returns how many attempts were claimed so far, until the channel is closed.
func (b *busy) claims() (int, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.claimed, b.changed
}

// workUntil claims runs and ends them, every seventh with a failure that is tried again.
func (b *busy) workUntil(s *storetest.Store, worker string, done func() bool) {
	ctx := b.w.t.Context()
	defer b.addClaimed(0) // who waits for more sees that there is an end
	for n := 0; !done(); {
		claims, err := s.Claim(ctx, request("p", worker, 10))
		if err != nil {
			b.w.t.Errorf("claim: %v", err)
			return
		}
		var reports []store.Report
		if len(claims) > 0 {
			b.addClaimed(len(claims))
		}
		for _, c := range claims {
			n++
			reports = append(reports, manifest(c), submitted(c), running(c))
			if n%7 == 0 && c.Attempt == 1 {
				reports = append(reports, failed(c, lifecycle.NodeLost))
			} else {
				reports = append(reports, succeeded(c))
			}
		}
		results, err := s.Report(ctx, worker, reports)
		if err != nil {
			b.w.t.Errorf("report: %v", err)
			return
		}
		for i, r := range results {
			if r.Status != store.ReportAccepted {
				b.w.t.Errorf("report %s was answered %s", reports[i].Kind, r.Status)
			}
		}
	}
}

// more waits until the load has gone on for some time.
func (b *busy) more() {
	from, changed := b.claims()
	for n := from; n < from+100 && !b.w.t.Failed(); {
		select {
		case <-changed:
		case <-b.w.t.Context().Done():
			return
		}
		n, changed = b.claims()
	}
}

// end finishes all runs and checks that each was completed once.
func (b *busy) end() {
	b.w.t.Helper()
	close(b.stop)
	b.work.Wait()
	w := b.w
	w.Advance(time.Hour) // past the delays of retries
	b.workUntil(w.Store, "w0", func() bool { return w.t.Failed() || w.rows("ready")+w.rows("live") == 0 })
	counts := w.countRuns(store.RunFilter{})
	if len(counts) != 1 || counts[lifecycle.Completed] != int64(len(b.created)) {
		w.t.Errorf("created %d runs, and there are %v", len(b.created), counts)
	}
	w.past(func(db *sql.DB) error {
		var wrong int
		err := db.QueryRowContext(w.t.Context(), `
			SELECT COUNT(*) FROM runs r
			WHERE (SELECT COUNT(*) FROM attempts a WHERE a.run_id = r.id AND a.succeeded) <> 1
				OR (SELECT COUNT(*) FROM attempts a WHERE a.run_id = r.id) <> r.attempt
				OR (SELECT COUNT(*) FROM manifests m WHERE m.run_id = r.id) <> r.attempt
				OR (SELECT COUNT(*) + 1 FROM events e WHERE e.run_id = r.id) <> r.last_event`).Scan(&wrong)
		if wrong > 0 {
			w.t.Errorf("%d runs have lost or doubled attempts, manifests or events", wrong)
		}
		return err
	})
}

func (w *world) retrying() {
	w.pool("p")
	w.deployment("d", "p", func(d *store.Deployment) { d.Retries = lifecycle.RetryPolicy{InfrastructureMax: 3} })
}

func TestRunsArePartitionedWhileServersWork(t *testing.T) {
	t.Parallel()
	w := newPlain(t)
	w.retrying()
	b := startBusy(w)
	b.more()
	var steps []string
	w.partition(store.PartitionOptions{Progress: func(p store.PartitionProgress) {
		if p.Done {
			steps = append(steps, p.Table)
			b.more()
		}
	}})
	same(t, "steps", steps, []string{"runs", "attempts", "manifests", "events"})
	b.more()
	w.check(w.MaintainPartitions(t.Context()))
	b.end()
	w.check(w.MaintainPartitions(t.Context())) // another week may have begun
	w.partition(store.PartitionOptions{Progress: func(store.PartitionProgress) { t.Error("it was done before") }})
}

// TestPartitioningContinuesAfterAFailureAtEachStatement lets a statement fail, a later one each time.
func TestPartitioningContinuesAfterAFailureAtEachStatement(t *testing.T) {
	t.Parallel()
	w := newPlain(t)
	w.retrying()
	w.past(func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), `
			CREATE SEQUENCE statements;
			CREATE TABLE fails (at BIGINT);
			INSERT INTO fails VALUES (0);
			CREATE FUNCTION fail() RETURNS event_trigger LANGUAGE plpgsql AS $$
			BEGIN
				IF nextval('statements') = (SELECT at FROM fails) THEN
					RAISE 'the server was killed';
				END IF;
			END $$;
			CREATE EVENT TRIGGER fail ON ddl_command_end EXECUTE FUNCTION fail();`)
		return err
	})
	b := startBusy(w)
	failures := 0
	for at := 1; ; at += 9 {
		w.past(func(db *sql.DB) error {
			_, err := db.ExecContext(t.Context(), fmt.Sprintf("UPDATE fails SET at = %d; ALTER SEQUENCE statements RESTART", at+1))
			return err
		})
		err := w.PartitionRuns(t.Context(), store.PartitionOptions{})
		if err == nil {
			break
		}
		failures++
		if layout := must[store.RunLayout](t)(w.GetRunLayout(t.Context())); layout.Partitions != 0 {
			t.Fatalf("after a failure at statement %d the layout is %+v", at, layout)
		}
	}
	if failures < 5 {
		t.Errorf("it failed %d times", failures)
	}
	b.more()
	b.end()
}

func TestPartitioningIsStoppedAndStartedAgain(t *testing.T) {
	t.Parallel()
	w := newPlain(t)
	w.retrying()
	for range 3 {
		w.livedOn("d")
	}
	w.runs("d", 20)
	for stopAt := 1; stopAt <= 8; stopAt++ {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		err := w.PartitionRuns(ctx, store.PartitionOptions{Progress: func(store.PartitionProgress) {
			if steps++; steps == stopAt {
				cancel()
			}
		}})
		cancel()
		if err == nil {
			t.Fatalf("stopped at step %d, it was done", stopAt)
		}
		w.run("d")
	}

	before := w.answers()
	w.partition(store.PartitionOptions{})
	same(t, "answers", w.answers(), before)
	if n := w.countRuns(store.RunFilter{})[lifecycle.Scheduled]; n != 28 {
		t.Errorf("%d runs wait, want 28", n)
	}
	w.Advance(91 * aDay)
	if removed := w.retain(usually); removed.Runs != 3 {
		t.Errorf("removed %+v", removed)
	}
}

// answers are what people see of all runs.
func (w *world) answers() (lines []string) {
	w.t.Helper()
	for _, f := range []store.RunFilter{
		{}, {Pool: "p"}, {Deployment: "d", Sort: store.OldestFirst}, {States: []lifecycle.StateType{lifecycle.Completed}},
	} {
		list, _, err := w.ListRuns(w.t.Context(), f, store.Page{Limit: 100})
		w.check(err)
		for _, run := range list {
			lines = append(lines, fmt.Sprintf("%+v", run), fmt.Sprintf("%+v", w.listEvents(run.ID, 0)),
				fmt.Sprintf("%+v", w.listAttempts(run.ID)))
		}
		lines = append(lines, fmt.Sprint(w.countRuns(f)))
	}
	return lines
}

func TestOneProcessPartitionsAtATime(t *testing.T) {
	t.Parallel()
	w := newPlain(t)
	asked := false
	w.partition(store.PartitionOptions{Progress: func(store.PartitionProgress) {
		if !asked {
			asked = true
			w.refuses(w.OpenAgain(t).PartitionRuns(t.Context(), store.PartitionOptions{}), store.Conflict)
		}
	}})
	sqlite := &world{storetest.SQLite(t), t}
	sqlite.refuses(sqlite.PartitionRuns(t.Context(), store.PartitionOptions{}), store.Conflict)
}

// TestAnUnfinishedConversionIsUndoneBeforeItStopsNewRuns: the tables were closed, and the command was not started again.
func TestAnUnfinishedConversionIsUndoneBeforeItStopsNewRuns(t *testing.T) {
	t.Parallel()
	w := newPlain(t)
	w.retrying()
	ctx, cancel := context.WithCancel(t.Context())
	err := w.PartitionRuns(ctx, store.PartitionOptions{Progress: func(p store.PartitionProgress) {
		if p.Done && p.Table == "events" {
			cancel()
		}
	}})
	if err == nil {
		t.Fatal("it was not stopped")
	}
	w.check(w.MaintainPartitions(t.Context()))
	if n := w.constraints("partition_end"); n != 4 {
		t.Fatalf("%d tables are closed, want 4", n)
	}
	w.Advance(15 * aDay)
	_, _, err = w.CreateRun(t.Context(), store.NewRun{Deployment: "d"}, actor)
	if err == nil {
		t.Fatal("a run was created past the end, so that this test shows nothing")
	}
	w.check(w.MaintainPartitions(t.Context()))
	w.run("d")
	w.partition(store.PartitionOptions{})
	w.run("d")
}

// constraints counts the check constraints of a name.
func (w *world) constraints(name string) (n int) {
	w.t.Helper()
	w.past(func(db *sql.DB) error {
		return db.QueryRowContext(w.t.Context(), "SELECT COUNT(*) FROM pg_constraint WHERE conname = $1", name).Scan(&n)
	})
	return n
}

// TestAConvertedTableHasWhatThePlainOneHad compares indexes, triggers, settings, owner and grants.
func TestAConvertedTableHasWhatThePlainOneHad(t *testing.T) {
	t.Parallel()
	w := newPlain(t)
	w.past(func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), "GRANT SELECT ON runs, events TO pg_monitor; GRANT SELECT ON runs TO PUBLIC")
		return err
	})
	const facts = `
		SELECT 'column ' || c.relname || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || a.attnotnull || a.attgenerated::text ||
			COALESCE(pg_get_expr(d.adbin, d.adrelid), '') || a.attcollation
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
		WHERE c.relname IN ('runs', 'attempts', 'manifests', 'events')
		UNION ALL
		SELECT 'index ' || replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') FROM pg_index i
		WHERE i.indrelid IN ('runs'::regclass, 'attempts'::regclass, 'manifests'::regclass, 'events'::regclass)
		UNION ALL
		SELECT 'trigger ' || pg_get_triggerdef(g.oid) FROM pg_trigger g WHERE g.tgrelid = 'runs'::regclass AND NOT g.tgisinternal
		UNION ALL
		SELECT 'grant ' || c.relname || ' ' || pg_get_userbyid(c.relowner) || ' ' || COALESCE((
			SELECT string_agg(a.grantee || a.privilege_type, ',' ORDER BY a.grantee, a.privilege_type) FROM aclexplode(c.relacl) a), '')
		FROM pg_class c WHERE c.relname IN ('runs', 'events')
		ORDER BY 1`
	plain := w.column(facts)
	options := w.column("SELECT unnest(reloptions) FROM pg_class WHERE relname = 'runs' ORDER BY 1")
	w.partition(store.PartitionOptions{})
	same(t, "tables", w.column(facts), plain)
	for _, partition := range w.column("SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'runs'::regclass") {
		same(t, partition, w.column("SELECT unnest(reloptions) FROM pg_class WHERE relname = '"+partition+"' ORDER BY 1"), options)
	}
	if n := w.constraints("partition_end"); n != 0 {
		t.Errorf("%d constraints are left", n)
	}
}

// column reads a column of texts.
func (w *world) column(query string) (texts []string) {
	w.t.Helper()
	w.past(func(db *sql.DB) error {
		rows, err := db.QueryContext(w.t.Context(), query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			texts = append(texts, text)
		}
		return rows.Err()
	})
	return texts
}
