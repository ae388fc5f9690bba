package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// saveRuns stores changed runs and their events.
func (tx *Tx) saveRuns(ctx context.Context, runs map[uuid.UUID]*lockedRun) error {
	changes, err := tx.changesOf(ctx, runs)
	if err != nil {
		return err
	}
	if err := tx.db.ExecBatch(ctx, changes...); err != nil {
		return fmt.Errorf("save runs: %w", err)
	}
	return nil
}

// runChanges are the rows to write for runs, by what is done with them.
type runChanges struct {
	deleteReady []readyKey
	insertReady []readyRecord
	insertLive  []liveRecord
	claimed     *claimTerms // of insertLive: a transaction has one claim
	updateLive  []liveUpdate
	deleteLive  []uuid.UUID
	insertEnded []endedRecord
	updateRuns  []runRecord
	uncount     []uuid.UUID // of runs whose end is taken back
	count       []countedRun
	events      []eventRow
	ends        []endRecord // that webhooks may be interested in
	wantsEnd    *wantsEnd
	traces      []traceRecord
	traced      *func(uuid.UUID) bool

	insertManifests []manifestRecord
	deleteManifests []manifestKey
}

// changesOf returns what saves locked runs, which count as saved from here on.
func (tx *Tx) changesOf(ctx context.Context, runs map[uuid.UUID]*lockedRun) ([]database.Statement, error) {
	c := runChanges{wantsEnd: tx.s.wantsEnd.Load(), traced: tx.s.traced.Load()}
	for _, r := range runs {
		if !r.changed {
			continue
		}
		ends := placeOf(r.StateType) == inRuns && r.place != inRuns
		if err := c.add(r); err != nil {
			return nil, err
		}
		if ends {
			tx.noteEnd(ctx, r)
		}
		r.changed, r.events = false, nil
		tx.db.Hint(RunTopic(r.ID), RunsTopic())
	}
	if len(c.ends) > 0 {
		tx.db.Hint(WebhooksTopic())
	}
	return c.statements(tx.db.Dialect()), nil
}

// add adds what saves one run: its row moves to the table of its state.
func (c *runChanges) add(r *lockedRun) error {
	to := placeOf(r.StateType)
	switch {
	case r.place == inReady && to != inReady:
		c.deleteReady = append(c.deleteReady, readyKey{r.DeploymentID, r.ID})
	case r.place == inLive && to != inLive:
		c.deleteLive = append(c.deleteLive, r.attempt.AttemptID)
	case r.place == inLive:
		c.updateLive = append(c.updateLive, r.liveUpdate())
	case r.place == to:
		return fmt.Errorf("save run %s: its row stays, and cannot be changed", r.ID)
	}
	if r.attempt != nil {
		c.addAttempt(r)
	}
	if err := c.addTrace(r); err != nil {
		return err
	}

	switch {
	case to == inReady:
		c.insertReady = append(c.insertReady, r.readyRecord())
	case to == inLive && r.place == inReady:
		c.insertLive, c.claimed = append(c.insertLive, r.liveRecord()), r.attempt.claimed
	}
	if to == inRuns || r.place == inRuns {
		c.updateRuns = append(c.updateRuns, runRecord{r.ID, r.PoolID, r.QueueID, r.runProgress, r.runWait, r.runEnd})
	}
	switch {
	case to == inRuns:
		c.count = append(c.count, countedRun{
			r.ID, r.PoolID, r.QueueID, r.StateType, r.Category, r.StartedAt, r.EndedAt, r.waited(),
		})
		if err := c.addEnd(r); err != nil {
			return err
		}
	case r.place == inRuns:
		c.uncount = append(c.uncount, r.ID)
	}
	c.events = append(c.events, r.events...)
	r.place = to
	return nil
}

// addAttempt adds what the attempt under way leaves behind.
func (c *runChanges) addAttempt(r *lockedRun) {
	a := r.attempt
	if a.end != nil && a.end.handedBack {
		c.deleteManifests = append(c.deleteManifests, manifestKey{r.ID, a.Number})
		return
	}
	if a.manifest != nil {
		c.insertManifests = append(c.insertManifests, manifestRecord{r.ID, a.Number, *a.manifest, a.renderedAt})
		a.manifest = nil
	}
	if a.end != nil {
		c.insertEnded = append(c.insertEnded, r.endedRecord())
	}
}

func (c *runChanges) statements(d database.Dialect) []database.Statement {
	var all []database.Statement
	all = appendChange(all, deleteReadySQL(d), c.deleteReady)
	all = appendChange(all, insertReadySQL(d), c.insertReady)
	if len(c.insertLive) > 0 {
		terms := []claimTerms{*c.claimed}
		all = append(all, database.NewStatement(insertLiveSQL(d), database.ListOf(c.insertLive), database.ListOf(terms)))
	}
	all = appendChange(all, updateLiveSQL(d), c.updateLive)
	all = appendChange(all, insertEndedSQL(d), c.insertEnded) // reads the row of live
	all = appendChange(all, deleteLiveSQL(d), c.deleteLive)
	all = appendChange(all, uncountRunsSQL(d), c.uncount)
	all = appendChange(all, updateRunsSQL(d), c.updateRuns)
	all = appendChange(all, countRunsSQL(d), c.count)
	all = appendChange(all, insertEndsSQL(d), c.ends)
	all = appendChange(all, insertTracesSQL(d), c.traces)
	all = appendChange(all, insertManifestsSQL(d), c.insertManifests)
	all = appendChange(all, deleteManifestsSQL(d), c.deleteManifests)
	return appendChange(all, insertEventsSQL(d), c.events)
}

// appendChange adds a statement over records, unless there are none.
func appendChange[T any](all []database.Statement, query string, records []T) []database.Statement {
	if len(records) == 0 {
		return all
	}
	return append(all, database.NewStatement(query, database.ListOf(records)))
}
