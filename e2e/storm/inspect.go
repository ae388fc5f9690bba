package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/verdict"
	"github.com/berth-dev/berth/internal/pgtest"
)

const (
	runsSQL = `
SELECT r.id, r.name, d.name, p.name || '/' || q.name, p.name, coalesce(r.schedule_id, '00000000-0000-0000-0000-000000000000'),
	r.scheduled_time, coalesce(l.state_type, CASE WHEN w.run_id IS NULL THEN r.state_type ELSE 'SCHEDULED' END),
	r.ended_at IS NOT NULL, CASE WHEN w.run_id IS NULL THEN 0 ELSE 1 END, CASE WHEN l.run_id IS NULL THEN 0 ELSE 1 END,
	r.attempt, coalesce(l.last_event, w.last_event, r.last_event)
FROM runs r
JOIN deployments d ON d.id = r.deployment_id
JOIN pools p ON p.id = r.pool_id
JOIN queues q ON q.id = r.queue_id
LEFT JOIN ready w ON w.deployment_id = r.deployment_id AND w.run_id = r.id
LEFT JOIN live l ON l.deployment_id = r.deployment_id AND l.run_id = r.id`
	attemptsSQL = `
SELECT run_id, id, number, epoch, succeeded, message
FROM attempts
ORDER BY run_id, number`
	eventsSQL = `
SELECT run_id, seq, at, actor, attempt, state_type, state_name, message
FROM events
ORDER BY run_id, seq`
)

// inspect reads all that is stored.
func (s *site) inspect(ctx context.Context) (verdict.Facts, error) {
	f := verdict.Facts{Limits: limits(), ProcessPool: processPool}
	var err error
	if f.Runs, err = readAll(ctx, s.db, runsSQL, scanRun); err != nil {
		return f, err
	}
	if f.Attempts, err = readAll(ctx, s.db, attemptsSQL, func(row scanner, a *verdict.Attempt) error {
		return row.Scan(&a.Run, &a.ID, &a.Number, &a.Epoch, &a.Succeeded, &a.Message)
	}); err != nil {
		return f, err
	}
	if f.Events, err = readAll(ctx, s.db, eventsSQL, func(row scanner, e *verdict.Event) error {
		return row.Scan(&e.Run, &e.Seq, &e.At, &e.Actor, &e.Attempt, &e.State, &e.Name, &e.Message)
	}); err != nil {
		return f, err
	}
	f.Executions, err = readNotes(s.notes())
	return f, err
}

type scanner interface{ Scan(dest ...any) error }

func readAll[T any](ctx context.Context, db *sql.DB, query string, scan func(scanner, *T) error) ([]T, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read what is stored: %w", err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var one T
		if err := scan(rows, &one); err != nil {
			return nil, fmt.Errorf("read what is stored: %w", err)
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

func scanRun(row scanner, r *verdict.Run) error {
	var name string
	var slot time.Time
	err := row.Scan(&r.ID, &name, &r.Deployment, &r.Queue, &r.Pool, &r.Schedule, &slot, &r.State, &r.Ended, &r.Ready, &r.Live,
		&r.Attempts, &r.LastEvent)
	r.Slot = slot
	if number, ours := strings.CutPrefix(name, runName(0)[:len(runName(0))-1]); ours && r.Schedule == uuid.Nil {
		if r.Request, err = strconv.ParseInt(number, 10, 64); err != nil {
			return fmt.Errorf("run %s has the name %q: %w", r.ID, name, err)
		}
	}
	return err
}

// readNotes reads what processes wrote: "S RUN ATTEMPT" at their beginning, "E RUN ATTEMPT" at their end.
func readNotes(path string) ([]verdict.Execution, error) {
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil // no process was started
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	type key struct {
		run     uuid.UUID
		attempt int32
	}
	at := map[key]int{}
	var all []verdict.Execution
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var what, run string
		var k key
		if _, err := fmt.Sscan(lines.Text(), &what, &run, &k.attempt); err != nil {
			return nil, fmt.Errorf("note %q: %w", lines.Text(), err)
		}
		if k.run, err = uuid.Parse(run); err != nil {
			return nil, fmt.Errorf("note %q: %w", lines.Text(), err)
		}
		i, known := at[k]
		if !known {
			i = len(all)
			at[k] = i
			all = append(all, verdict.Execution{Run: k.run, Number: k.attempt})
		}
		if what == "S" {
			all[i].Started++
		} else {
			all[i].Ended++
		}
	}
	return all, lines.Err()
}

// leftoverSQL finds rows that have no use when all runs have ended and all servers are gone. Sessions of workers stay for a
// while, but none has a lease that lasts.
func leftoverSQL() map[string]string {
	return map[string]string{
		"rows of ready without a run":        `SELECT count(*) FROM ready WHERE run_id NOT IN (SELECT id FROM runs)`,
		"rows of live without a run":         `SELECT count(*) FROM live WHERE run_id NOT IN (SELECT id FROM runs)`,
		"attempts without a run":             `SELECT count(*) FROM attempts a LEFT JOIN runs r ON r.id = a.run_id WHERE r.id IS NULL`,
		"manifests without a run":            `SELECT count(*) FROM manifests m LEFT JOIN runs r ON r.id = m.run_id WHERE r.id IS NULL`,
		"outputs without a run":              `SELECT count(*) FROM outputs o LEFT JOIN runs r ON r.id = o.run_id WHERE r.id IS NULL`,
		"idempotency keys without a run":     `SELECT count(*) FROM idempotency_keys k LEFT JOIN runs r ON r.id = k.run_id WHERE r.id IS NULL`,
		"chunks of output without an output": `SELECT count(*) FROM log_chunks c LEFT JOIN outputs o ON o.attempt_id = c.attempt_id WHERE o.attempt_id IS NULL`,
		"outputs without an attempt":         `SELECT count(*) FROM outputs o LEFT JOIN attempts a ON a.id = o.attempt_id WHERE a.id IS NULL`,
		"sessions with a lease that lasts":   `SELECT count(*) FROM worker_sessions WHERE expires_at > clock_timestamp() + INTERVAL '3 minutes'`,
		"connections of servers": `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'berth%'`,
		"advisory locks": `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`,
	}
}

// leftovers finds what should be gone after the servers and workers have ended.
func (s *site) leftovers(ctx context.Context) ([]string, error) {
	left, err := s.processes()
	if err != nil {
		return nil, err
	}
	for what, query := range leftoverSQL() {
		var n int64
		if err := s.db.QueryRowContext(ctx, query).Scan(&n); err != nil {
			return nil, fmt.Errorf("count %s: %w", what, err)
		}
		if n > 0 {
			left = append(left, fmt.Sprintf("%d %s", n, what))
		}
	}
	return left, nil
}

// mounts finds disks that the machine sees.
func mounts() ([]string, error) {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, pgtest.DiskName) {
			found = append(found, "mount "+strings.TrimSpace(line))
		}
	}
	return found, nil
}
