package store_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
	"github.com/berth-dev/berth/server/timetable"
	"github.com/berth-dev/berth/server/wire"
)

// weekSQL has all slots of all schedules make a run that completed, a week back, whatever their schedules: as many as the
// interval of each says.
const weekSQL = `
CREATE TEMPORARY TABLE ran AS
SELECT
	s.id AS schedule_id, s.deployment_id, d.revision_id, d.pool_id, d.queue_id, at,
	(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(s.id::text || at::text), 1, 3) || '8' || substr(md5(at::text || s.id::text), 1, 15))::uuid AS id
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id,
	generate_series($1::timestamptz, $2::timestamptz - interval '1 second', (s.spec::json->>'interval_seconds')::int * interval '1 second') AS at;
`

const weekRunsSQL = `
INSERT INTO runs (
	id, name, deployment_id, revision_id, pool_id, queue_id, schedule_id, state_type, state_name, state_message, state_at, parameters,
	job_variables, stored_names, tags, body_hash, scheduled_time, due_at, created_at, created_by, caller_kind, caller_role, started_at,
	ended_at, attempt, spent, category, last_event
)
SELECT
	id, 'run', deployment_id, revision_id, pool_id, queue_id, schedule_id, 'COMPLETED', 'Completed', '', at, '{}', '{}', '[]', '[]', '', at, at,
	at, 'ada', 'schedule', '', at, at + interval '5 seconds', 1, '{}', '', 4
FROM ran
ORDER BY at;
INSERT INTO idempotency_keys (deployment_id, idempotency_key, run_id)
SELECT deployment_id, 'schedule:' || schedule_id || ':' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), id
FROM ran;
ANALYZE`

// week is a week of 200 schedules: every minute, every ten minutes, every hour and every day.
func (w *world) week(from, to time.Time) {
	w.t.Helper()
	w.pool("p")
	for i := range 200 {
		every := []int{86400, 86400, 3600, 86400, 600, 86400, 3600, 86400, 86400, 86400}[i%10]
		if i%50 == 7 {
			every = 60
		}
		name := fmt.Sprintf("d%03d", i)
		w.deployment(name, "p")
		spec := fmt.Sprintf(`{"interval_seconds":%d,"anchor":%q}`, every, from.Format(time.RFC3339))
		w.check(w.UpdateSchedules(w.t.Context(), name,
			[]store.NewSchedule{{Name: "s", Spec: json.RawMessage(spec), Active: true}}, actor))
	}
	w.past(func(db *sql.DB) error {
		db.SetMaxOpenConns(1)
		if _, err := db.ExecContext(w.t.Context(), weekSQL, from, to); err != nil {
			return err
		}
		if _, err := db.ExecContext(w.t.Context(), "UPDATE schedules SET slots_since = $1", from); err != nil {
			return err
		}
		_, err := db.ExecContext(w.t.Context(), weekRunsSQL)
		return err
	})
}

// timetables reads a page as a request does, and returns its numbers.
func (w *world) timetables(span timetable.Range) (slots, runs, hours int64) {
	w.t.Helper()
	schedules, _, err := w.ListSchedules(w.t.Context(), store.ScheduleFilter{Pools: []string{"p"}}, store.Page{Limit: 200})
	w.check(err)
	var each, byHour []store.Schedule
	tables := make([]timetable.Table, len(schedules))
	for i, s := range schedules {
		_, parsed, err := wire.ParseStored(s)
		w.check(err)
		if tables[i] = timetable.New(s, parsed, span); tables[i].IsDense() {
			byHour = append(byHour, s)
		} else {
			each = append(each, s)
		}
	}
	facts, err := w.GetSlotFacts(w.t.Context(), each, byHour, span.From, span.To)
	w.check(err)
	for i, s := range schedules {
		if tables[i].IsDense() {
			for _, hour := range tables[i].Hours(facts.Hours[s.ID]) {
				slots, runs, hours = slots+hour.Slots, runs+hour.Runs, hours+1
			}
			continue
		}
		for _, slot := range tables[i].Slots(facts.Runs[s.ID], facts.Gaps[s.ID]) {
			if slots++; slot.Run != nil {
				runs++
			}
		}
	}
	return slots, runs, hours
}

// TestC2SlotsOf200SchedulesInAWeek counts what is read: the runs of slots that are shown, and the keys of all.
func TestC2SlotsOf200SchedulesInAWeek(t *testing.T) {
	t.Parallel()
	w := &world{storetest.PostgreSQL(t), t}
	now := w.Now().UTC().Truncate(24 * time.Hour)
	from := now.AddDate(0, 0, -7)
	w.week(from, now)
	span := timetable.Range{From: from, To: now, Now: w.Now()}
	w.past(func(db *sql.DB) error {
		_, err := db.ExecContext(w.t.Context(), "VACUUM ANALYZE")
		return err
	})
	tables := []string{"runs", "idempotency_keys", "schedule_gaps", "ready", "live"}
	before := w.rowsRead(tables...)
	asking := &world{w.OpenAgain(t), t}
	slots, runs, hours := asking.timetables(span)
	start := time.Now()
	asking.timetables(span)
	took := time.Since(start)
	w.check(asking.Close())
	read := (w.rowsRead(tables...) - before) / 2
	t.Logf("%d slots, %d runs, %d hours in %s, %d rows and index entries read", slots, runs, hours, took, read)
	if slots != runs || slots < 50_000 || hours != 24*7*24 {
		t.Errorf("%d slots made %d runs, %d hours", slots, runs, hours)
	}
	const shown = 40*24*7 + 136*7 // one by one
	if most := int(2*slots) + 3*shown; read > most {
		t.Errorf("%d rows and index entries were read, want %d at most", read, most)
	}
}
