package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berth-dev/berth/e2e/storm/verdict"
)

// sampleSQL counts slots in one snapshot, and all runs that have not ended.
const sampleSQL = `
SELECT 'pool ' || p.name, count(*)
FROM live l
JOIN pools p ON p.id = l.pool_id
GROUP BY p.name
UNION ALL
SELECT 'queue ' || p.name || '/' || q.name, count(*)
FROM live l
JOIN pools p ON p.id = l.pool_id
JOIN queues q ON q.id = l.queue_id
GROUP BY p.name, q.name
UNION ALL
SELECT 'deployment ' || d.name, count(*)
FROM live l
JOIN deployments d ON d.id = l.deployment_id
GROUP BY d.name
UNION ALL
SELECT 'open', (SELECT count(*) FROM ready) + (SELECT count(*) FROM live)`

const sampleEvery = 100 * time.Millisecond

// sampler reads again and again how many slots are in use.
type sampler struct {
	site *site
	last atomic.Int64 // runs that have not ended

	mu    sync.Mutex
	peaks map[string]verdict.Sample // the highest of each limit: lower ones say nothing more
	taken int
}

func newSampler(s *site) *sampler { return &sampler{site: s, peaks: map[string]verdict.Sample{}} }

// open is how many runs had not ended at the last sample.
func (s *sampler) open() int { return int(s.last.Load()) }

func (s *sampler) run(ctx context.Context) {
	for pause(ctx, sampleEvery) {
		_ = s.sample(ctx) // PostgreSQL may be away
	}
}

// sample takes one sample.
func (s *sampler) sample(ctx context.Context) error {
	rows, err := s.site.db.QueryContext(ctx, sampleSQL)
	if err != nil {
		return err
	}
	defer rows.Close()
	at := s.site.journal.Now()
	used := map[string]int{}
	for rows.Next() {
		var scope string
		var n int
		if err := rows.Scan(&scope, &n); err != nil {
			return err
		}
		used[scope] = n
	}
	if err := rows.Err(); err != nil {
		return err
	}
	s.last.Store(int64(used["open"]))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	for scope, n := range used {
		if n > s.peaks[scope].Used {
			s.peaks[scope] = verdict.Sample{Scope: scope, At: at, Used: n}
		}
	}
	return nil
}

// samples returns the highest sample of each scope, and how many were taken.
func (s *sampler) samples() ([]verdict.Sample, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []verdict.Sample
	for _, peak := range s.peaks {
		if peak.Scope != "open" {
			all = append(all, peak)
		}
	}
	return all, s.taken
}
