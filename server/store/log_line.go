package store

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/requestid"
	"github.com/berth-dev/berth/server/store/database"
)

const (
	// linesMax bounds the ends that wait for their line; the log is no reason to keep a worker waiting.
	linesMax  = 10_000
	linesStep = 500
	// linesPause collects ends, whose names are read together.
	linesPause = 200 * time.Millisecond
)

// lines are what the log says of changes. They are written after the commit.
type lines struct {
	log  *slog.Logger
	ends chan endLine
}

// endLine is the end of a run on its way into the log.
type endLine struct {
	run      uuid.UUID
	pool     string
	state    lifecycle.State
	category lifecycle.Category
	exitCode *int32
	attempt  int32
	node     string
	started  *time.Time
	ended    time.Time
	request  string
}

// LogChanges makes this process write a line when it records the end of a run and when it carries out what someone changes.
// Without a call, and where the log leaves such lines out, it does nothing for them.
func (s *Store) LogChanges(log *slog.Logger) {
	if !log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	s.lines.Store(&lines{log: log, ends: make(chan endLine, linesMax)})
}

// noteEnd keeps the end of a run for the log.
func (tx *Tx) noteEnd(ctx context.Context, r *lockedRun) {
	l := tx.s.lines.Load()
	if l == nil || r.EndedAt == nil {
		return
	}
	line := endLine{
		run: r.ID, pool: r.Pool, category: r.Category, exitCode: r.ExitCode, attempt: r.Attempt, started: r.StartedAt.Ptr(),
		state: lifecycle.State{Type: r.StateType, Name: r.StateName}, ended: r.EndedAt.Time(), request: requestid.Of(ctx),
	}
	if r.attempt != nil {
		line.attempt, line.node = r.attempt.Number, r.attempt.Node
	}
	tx.db.AfterCommit(func() {
		select {
		case l.ends <- line:
		default:
			l.log.Warn("the end of a run has no line of its details: too many runs end", "run", line.run, "state", string(line.state.Type))
		}
	})
}

// noteChange writes a line about an audited change after the commit. Refusals have one already, and run tokens are too many.
func (tx *Tx) noteChange(ctx context.Context, e AuditEntry, from Origin) {
	l := tx.s.lines.Load()
	if l == nil || e.Action == AuditRefuse || e.Kind == AuditRunToken {
		return
	}
	attributes := []any{"actor", e.Actor, "actor_kind", string(from.Kind), "action", string(e.Action), "kind", string(e.Kind), "name", e.Name}
	if e.Pool != "" {
		attributes = append(attributes, "pool", e.Pool)
	}
	if len(e.Changes) > 0 {
		fields := make([]string, len(e.Changes))
		for i, c := range e.Changes {
			fields[i] = c.Field // what they were and are is in the audit
		}
		attributes = append(attributes, "fields", fields)
	}
	if id := requestid.Of(ctx); id != "" {
		attributes = append(attributes, "request", id)
	}
	tx.db.AfterCommit(func() { l.log.Info("changed", attributes...) })
}

type namedRun struct {
	ID         uuid.UUID `db:"id"`
	Name       string    `db:"name"`
	Deployment string    `db:"deployment"`
}

func namedRunsSQL(d database.Dialect) string {
	return `
SELECT r.id, r.name, d.name AS deployment
FROM runs r
JOIN deployments d ON d.id = r.deployment_id
WHERE r.id IN ` + d.List("uuid")
}

// RunLog writes the lines about ends of runs until ctx ends.
func (s *Store) RunLog(ctx context.Context) error {
	l := s.lines.Load()
	if l == nil {
		<-ctx.Done()
		return nil
	}
	for {
		var ends []endLine
		select {
		case <-ctx.Done():
		case first := <-l.ends:
			ends = append(ends, first)
			select {
			case <-ctx.Done():
			case <-time.After(linesPause):
			}
		}
		for len(ends) < linesStep && len(l.ends) > 0 { // this loop is the only receiver
			ends = append(ends, <-l.ends)
		}
		if len(ends) > 0 {
			s.logEnds(context.WithoutCancel(ctx), l.log, ends)
		} else if ctx.Err() != nil {
			return nil
		}
	}
}

// logEnds reads the names of the runs, which reports do not have, and writes the lines. Without the names they are written, too.
func (s *Store) logEnds(ctx context.Context, log *slog.Logger, ends []endLine) {
	ids := make([]uuid.UUID, len(ends))
	for i, e := range ends {
		ids[i] = e.run
	}
	names, err := s.namesOf(ctx, ids)
	if err != nil {
		log.Warn("the names of ended runs are not known here", "error", err)
	}
	for _, e := range ends {
		attributes := []any{
			"run", e.run, "name", names[e.run].Name, "deployment", names[e.run].Deployment, "pool", e.pool,
			"state", string(e.state.Type), "attempt", e.attempt,
		}
		if e.category != "" {
			attributes = append(attributes, "category", string(e.category))
		}
		if e.exitCode != nil {
			attributes = append(attributes, "exit_code", *e.exitCode)
		}
		if e.node != "" {
			attributes = append(attributes, "node", e.node)
		}
		if e.started != nil {
			attributes = append(attributes, "duration", e.ended.Sub(*e.started).Round(time.Millisecond))
		}
		if e.request != "" {
			attributes = append(attributes, "request", e.request)
		}
		log.Info("run ended", attributes...)
	}
}

func (s *Store) namesOf(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]namedRun, error) {
	var rows []namedRun
	if err := s.Reader.db.All(ctx, &rows, namedRunsSQL(s.Reader.db.Dialect()), database.ListOf(ids)); err != nil {
		return nil, fmt.Errorf("read the names of ended runs: %w", err)
	}
	names := make(map[uuid.UUID]namedRun, len(rows))
	for _, r := range rows {
		names[r.ID] = r
	}
	return names, nil
}
