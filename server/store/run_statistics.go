package store

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// Times are counted by the quarter octave of their seconds, which is enough for a percentile within ten percent.
const (
	perOctave   = 4
	shortestBin = -40 // a millisecond
)

// binOf is the quarter octave of a time, as run_took has it.
func binOf(d time.Duration) int32 {
	return int32(math.Floor(perOctave * math.Log2(max(d.Seconds(), 0.001))))
}

// waited is how long the run waited for the claim of its last attempt since it was due; nil if it was never claimed.
func (r *lockedRun) waited() *int32 {
	if r.attempt == nil {
		return nil
	}
	bin := binOf(r.attempt.ClaimedAt.Time().Sub(r.DueAt.Time()))
	return &bin
}

// Percentiles are of the times of some runs.
type Percentiles struct {
	Runs     int64 // that have such a time; without any, the rest is 0
	P50, P95 time.Duration
}

// percentilesOf reads numbers of times by their quarter octave.
func percentilesOf(bins map[int32]int64) Percentiles {
	p := Percentiles{}
	for bin, n := range bins {
		if bin >= shortestBin && n > 0 {
			p.Runs += n
		}
	}
	p.P50, p.P95 = quantile(bins, p.Runs, 0.5), quantile(bins, p.Runs, 0.95)
	return p
}

// quantile is the time that a part of the runs took at most, of n in all: the middle of its bin.
func quantile(bins map[int32]int64, n int64, part float64) time.Duration {
	rank, before := max(1, int64(math.Ceil(part*float64(n)))), int64(0)
	for _, bin := range slices.Sorted(maps.Keys(bins)) {
		if bin < shortestBin {
			continue
		}
		if before += bins[bin]; before >= rank {
			return time.Duration(math.Exp2((float64(bin)+0.5)/perOctave) * float64(time.Second))
		}
	}
	return 0
}

// DeploymentStatistics says how the runs of a deployment went that ended within a range of hours.
type DeploymentStatistics struct {
	From, To time.Time
	States   map[lifecycle.StateType]int64
	Duration Percentiles // of runs that completed, from the start to the end
	Wait     Percentiles // from due to claimed, of the last attempt
}

// Failing is the part of the runs that failed or crashed; cancelled ones are left out. nil without any run.
func (s DeploymentStatistics) Failing() *float64 {
	failed := s.States[lifecycle.Failed] + s.States[lifecycle.Crashed]
	all := failed + s.States[lifecycle.Completed]
	if all == 0 {
		return nil
	}
	part := float64(failed) / float64(all)
	return &part
}

// GetDeploymentStatistics reads the counts of the hours that have a part of the range.
func (q Reader) GetDeploymentStatistics(
	ctx context.Context, deployment string, from, to time.Time,
) (DeploymentStatistics, error) {
	stats := DeploymentStatistics{From: from.UTC().Truncate(time.Hour), States: map[lifecycle.StateType]int64{}}
	stats.To = to.UTC().Add(time.Hour - 1).Truncate(time.Hour)
	s, err := q.runSearch(ctx, RunFilter{Deployment: deployment})
	if err != nil {
		return stats, err
	}
	hours := hoursBetween(stats.From, stats.To)
	query := endedQuery{countQuery{s: s}, "t.state_type, t.took"}
	query.addRange(hours, spanHour)
	var rows []struct {
		State lifecycle.StateType `db:"state_type"`
		Took  int32               `db:"took"`
		N     int64               `db:"n"`
	}
	err = q.db.All(ctx, &rows, fmt.Sprintf(tookSQL, strings.Join(query.parts, "\nUNION ALL\n")), query.args...)
	if err != nil {
		return stats, fmt.Errorf("read how long runs of deployment %q took: %w", deployment, err)
	}
	took := map[int32]int64{}
	for _, row := range rows {
		stats.States[row.State] += row.N
		if row.State == lifecycle.Completed {
			took[row.Took] += row.N
		}
	}
	stats.Duration = percentilesOf(took)
	waits, err := q.listWaits(ctx, "deployment_id", []uuid.UUID{*s.deployment}, hours)
	stats.Wait = waits[*s.deployment]
	return stats, err
}

const tookSQL = `
SELECT state_type, took, CAST(SUM(n + kept) AS BIGINT) AS n
FROM (
%s
) AS c
GROUP BY state_type, took
HAVING SUM(n + kept) <> 0`

// durationsSQL is served by the primary key of run_counts. The changes are few.
func durationsSQL(d database.Dialect) string {
	return `
SELECT deployment_id, took, CAST(SUM(n) AS BIGINT) AS n
FROM (
	SELECT deployment_id, took, n
	FROM run_counts
	WHERE deployment_id IN ` + d.List("uuid") + `
		AND span IN (` + fmt.Sprintf("%d, %d", spanHour, spanKept) + `)
		AND created >= ?
		AND state_type = 'COMPLETED'
	UNION ALL
	SELECT deployment_id, took, n + kept
	FROM run_count_changes
	WHERE deployment_id IN ` + d.List("uuid") + `
		AND created >= ?
		AND state_type = 'COMPLETED'
) AS c
GROUP BY deployment_id, took`
}

// listDurations says how long runs of deployments took that were created since the hour of a time and have completed.
func (q Reader) listDurations(ctx context.Context, ids []uuid.UUID, since time.Time) (map[uuid.UUID]Percentiles, error) {
	var rows []struct {
		DeploymentID uuid.UUID `db:"deployment_id"`
		Took         int32     `db:"took"`
		N            int64     `db:"n"`
	}
	list, hour := database.ListOf(ids), since.Unix()/secondsPerHour
	if err := q.db.All(ctx, &rows, durationsSQL(q.db.Dialect()), list, hour, list, hour); err != nil {
		return nil, fmt.Errorf("read how long runs of deployments took: %w", err)
	}
	bins := map[uuid.UUID]map[int32]int64{}
	for _, row := range rows {
		if bins[row.DeploymentID] == nil {
			bins[row.DeploymentID] = map[int32]int64{}
		}
		bins[row.DeploymentID][row.Took] += row.N
	}
	usual := make(map[uuid.UUID]Percentiles, len(bins))
	for id, of := range bins {
		usual[id] = percentilesOf(of)
	}
	return usual, nil
}

// waitsSQL is served by the primary key of run_waits. The changes are few.
func waitsSQL(d database.Dialect, subject string) string {
	return `
SELECT subject_id, waited, CAST(SUM(n) AS BIGINT) AS n, '' AS waits
FROM run_waits
WHERE subject_id IN ` + d.List("uuid") + `
	AND hour >= ?
	AND hour < ?
GROUP BY subject_id, waited
UNION ALL
SELECT ` + subject + `, 0, 0, waits
FROM run_count_changes
WHERE ` + subject + ` IN ` + d.List("uuid") + `
	AND ended >= ?
	AND ended < ?
	AND waits <> ''`
}

// listWaits says how long the runs of subjects waited, which are the values of a column of run_count_changes.
func (q Reader) listWaits(
	ctx context.Context, subject string, ids []uuid.UUID, hours hourRange,
) (map[uuid.UUID]Percentiles, error) {
	var rows []struct {
		SubjectID uuid.UUID `db:"subject_id"`
		Waited    int32     `db:"waited"`
		N         int64     `db:"n"`
		Waits     string    `db:"waits"`
	}
	list := database.ListOf(ids)
	err := q.db.All(ctx, &rows, waitsSQL(q.db.Dialect(), subject), list, *hours.from, *hours.before, list, *hours.from, *hours.before)
	if err != nil {
		return nil, fmt.Errorf("read how long runs waited: %w", err)
	}
	bins := map[uuid.UUID]map[int32]int64{}
	for _, row := range rows {
		of := bins[row.SubjectID]
		if of == nil {
			of = map[int32]int64{}
			bins[row.SubjectID] = of
		}
		of[row.Waited] += row.N
		some, err := readWaits(row.Waits)
		if err != nil {
			return nil, err
		}
		for _, waited := range some {
			of[waited]++
		}
	}
	waits := make(map[uuid.UUID]Percentiles, len(bins))
	for id, of := range bins {
		waits[id] = percentilesOf(of)
	}
	return waits, nil
}

// oldStatisticsSQL deletes rows of old hours in small batches. Served by run_counts_kept and run_waits_hour.
func oldStatisticsSQL(d database.Dialect) []string {
	some := func(table, where string) string {
		if d == database.Postgres {
			return "DELETE FROM " + table + " WHERE ctid = ANY(ARRAY(SELECT ctid FROM " + table + " WHERE " + where + " < ? LIMIT ?))"
		}
		return "DELETE FROM " + table + " WHERE rowid IN (SELECT rowid FROM " + table + " WHERE " + where + " < ? LIMIT ?)"
	}
	return []string{some("run_counts", "span < 0 AND ended"), some("run_waits", "hour")}
}

// retainStatistics removes counts of hours in which the last of the runs was removed, and waits.
func (s *Store) retainStatistics(ctx context.Context, keep Retention, removed *Expired) error {
	if keep.Statistics <= 0 {
		return nil
	}
	for _, query := range oldStatisticsSQL(s.Reader.db.Dialect()) {
		err := s.batches(ctx, retainRows, &removed.Statistics, func(tx *Tx) (int64, error) {
			now, err := tx.db.Now(ctx)
			if err != nil {
				return 0, err
			}
			return tx.db.Exec(ctx, query, now.Add(-keep.Statistics).Unix()/secondsPerHour, retainRows)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
