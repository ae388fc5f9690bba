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
	// statsFor is how long statistics are cached, because every replica is scraped, often by several
	// scrapers.
	statsFor = 5 * time.Second
	// statsTimeout bounds the database query of a scrape.
	statsTimeout = 5 * time.Second
)

// Stats are gauges read from the database. They are the same on every replica of the server.
type Stats struct {
	read   func(ctx context.Context) (*store.Stats, error)
	now    func() time.Time
	logger *slog.Logger

	runs, age, slots, workers, lastSeen, lag, failing, pending, oldest *prometheus.Desc

	mu   sync.Mutex
	last *store.Stats
	at   time.Time
}

// NewStats registers the gauges. read queries the database.
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
		runs: desc("berth_runs", "Unfinished runs, by state.", "pool", "queue", "state"),
		age: desc("berth_run_queue_age_seconds",
			"Seconds that the oldest due, unclaimed run has waited.", "pool", "queue"),
		slots: desc("berth_slots",
			"Slots in use and, if limited, their number. An empty queue label means the limit of the pool.",
			"pool", "queue", "kind"),
		workers: desc("berth_workers", "Workers, by whether they are alive or gone.", "pool", "state"),
		lastSeen: desc("berth_worker_last_seen_seconds",
			"Seconds since the most recently seen worker of the pool was heard from.", "pool"),
		lag: desc("berth_schedule_lag_seconds",
			"Seconds by which the most overdue schedule is late; 0 if none is."),
		failing: desc("berth_schedules_failing",
			"Schedules whose newest slot could not create its run. A pool without any has no series.", "pool"),
		pending: desc("berth_webhook_pending", "Deliveries that wait to be sent to webhooks that are not paused."),
		oldest: desc("berth_webhook_oldest_pending_seconds",
			"Seconds that the oldest delivery to a webhook that is not paused has waited; 0 if none waits."),
	}
	return s, r.Register(s)
}

// Describe implements prometheus.Collector.
func (s *Stats) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{s.runs, s.age, s.slots, s.workers, s.lastSeen, s.lag, s.failing, s.pending, s.oldest} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector. Without the database it reports nothing, rather than stale values.
func (s *Stats) Collect(ch chan<- prometheus.Metric) {
	stats := s.current()
	if stats == nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(s.lag, stats.ScheduleLag.Seconds())
	gauge(s.pending, float64(stats.Deliveries.Pending))
	gauge(s.oldest, stats.Deliveries.Oldest.Seconds())
	for _, f := range stats.FailingSchedules {
		gauge(s.failing, float64(f.Count), f.Pool)
	}
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

// current returns cached or fresh statistics; nil if the database cannot be read.
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
		s.logger.Warn("cannot read statistics for metrics", "error", err)
		s.last = nil
		return nil
	}
	s.last, s.at = stats, s.now()
	return stats
}
