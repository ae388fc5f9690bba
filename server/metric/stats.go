package metric

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server/store"
)

const (
	// statsFor is how long what was read of the database is shown: every replica is scraped, often by several
	// scrapers.
	statsFor = 5 * time.Second
	// statsTimeout bounds a scrape.
	statsTimeout = 5 * time.Second
)

// Stats are gauges read from the database. They are the same on every replica.
type Stats struct {
	read   func(ctx context.Context) (*store.Stats, error)
	now    func() time.Time
	logger *slog.Logger

	runs, age, slots, workers, lastSeen, lag *prometheus.Desc

	mu   sync.Mutex
	last *store.Stats
	at   time.Time
}

// NewStats registers the gauges.
func NewStats(
	r prometheus.Registerer,
	read func(context.Context) (*store.Stats, error),
	now func() time.Time,
	logger *slog.Logger,
) (*Stats, error) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	s := &Stats{
		read: read, now: now, logger: logger,
		runs: desc("berth_runs", "Runs that have not finished, by state.", "pool", "queue", "state"),
		age: desc(
			"berth_run_queue_age_seconds",
			"How long the oldest due, unclaimed run has waited.",
			"pool",
			"queue",
		),
		slots: desc(
			"berth_slots",
			"Slots used and, where there is a limit, how many there are; the queue is empty for the pool's own.",
			"pool",
			"queue",
			"kind",
		),
		workers: desc("berth_workers", "Workers, alive or gone.", "pool", "state"),
		lastSeen: desc(
			"berth_worker_last_seen_seconds",
			"How long ago the freshest worker was heard of.",
			"pool",
		),
		lag: desc(
			"berth_schedule_lag_seconds",
			"For how long the schedule that is due longest has been; 0 where none is.",
		),
	}
	return s, r.Register(s)
}

// Describe is prometheus.Collector's.
func (s *Stats) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{s.runs, s.age, s.slots, s.workers, s.lastSeen, s.lag} {
		ch <- desc
	}
}

// Collect is prometheus.Collector's. Without the database there is nothing to show; what was true before is
// not true now.
func (s *Stats) Collect(ch chan<- prometheus.Metric) {
	stats := s.current()
	if stats == nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(s.lag, stats.ScheduleLag.Seconds())
	for _, r := range stats.Runs {
		gauge(s.runs, float64(r.Count), r.Pool, r.Queue, string(r.State))
	}
	for _, a := range stats.OldestDue {
		gauge(s.age, a.Age.Seconds(), a.Pool, a.Queue)
	}
	for _, slot := range stats.Slots {
		gauge(s.slots, float64(slot.Used), slot.Pool, slot.Queue, "used")
		if slot.Limit != nil {
			gauge(s.slots, float64(*slot.Limit), slot.Pool, slot.Queue, "limit")
		}
	}
	for _, w := range stats.Workers {
		gauge(s.workers, float64(w.Alive), w.Pool, "alive")
		gauge(s.workers, float64(w.Gone), w.Pool, "gone")
		gauge(s.lastSeen, w.LastSeen.Seconds(), w.Pool)
	}
}

func (s *Stats) current() *store.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && s.now().Sub(s.at) < statsFor {
		return s.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
	defer cancel()
	stats, err := s.read(ctx)
	if err != nil {
		s.logger.Warn("read statistics for the metrics", "error", err)
		s.last = nil
		return nil
	}
	s.last, s.at = stats, s.now()
	return stats
}
