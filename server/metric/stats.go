package metric

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server/census"
)

// Stats are gauges of the whole installation. They are the same on every replica of the server.
type Stats struct {
	census *census.Census

	runs, waiting, waitingOldest, attempts, attemptsOldest, oldest, age, objective, slots *prometheus.Desc

	workers, lastSeen, versions, lag, schedules, paused, pausedFor, pools, keys, pending, pendingOldest, statsAge *prometheus.Desc

	deploymentRuns, lastSuccess, lastState, failures, slotsSince, omitted *prometheus.Desc
}

// NewStats registers the gauges.
func NewStats(r prometheus.Registerer, c *census.Census) (*Stats, error) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	s := &Stats{
		census: c,
		runs:   desc("berth_runs", "Unfinished runs, by state.", "pool", "queue", "state"),
		waiting: desc("berth_runs_waiting",
			"Runs that no worker has claimed, by what berth run explain says first of each.", "pool", "queue", "reason"),
		waitingOldest: desc("berth_runs_waiting_oldest_seconds",
			"Seconds that the oldest due run has waited that waits for this reason. No series without such a run.",
			"pool", "queue", "reason"),
		attempts: desc("berth_attempts_waiting",
			"Attempts that a worker has claimed and whose container does not run yet, by reason.", "pool", "reason"),
		attemptsOldest: desc("berth_attempts_waiting_oldest_seconds",
			"Seconds since the oldest attempt was claimed that waits for this reason. No series without such an attempt.",
			"pool", "reason"),
		oldest: desc("berth_run_oldest_seconds",
			"Seconds for which the oldest run of the pool has been RUNNING or CANCELLING; 0 without any.", "pool", "state"),
		age: desc("berth_run_queue_age_seconds",
			"Seconds that the oldest due, unclaimed run has waited, whatever for.", "pool", "queue"),
		objective: desc("berth_queue_objective_seconds",
			"The longest that a due run is to wait in the queue. No series without an objective.", "pool", "queue"),
		slots: desc("berth_slots",
			"Slots in use and, if limited, their number. An empty queue label means the limit of the pool.",
			"pool", "queue", "kind"),
		workers: desc("berth_workers", "Workers, by whether they are alive or gone.", "pool", "state"),
		lastSeen: desc("berth_worker_last_seen_seconds",
			"Seconds since the most recently seen worker of the pool was heard from.", "pool"),
		versions: desc("berth_worker_versions", "Live workers, by their version.", "pool", "version"),
		lag: desc("berth_schedule_lag_seconds",
			"Seconds by which the most overdue schedule is late; 0 if none is."),
		schedules: desc("berth_schedules",
			"Schedules: active, paused, failing (the newest slot could not create its run), waiting (for the end of a run) or ended.",
			"pool", "state"),
		paused: desc("berth_paused",
			"Always 1, for each pool, queue, deployment, schedule (DEPLOYMENT/NAME) and worker that is paused.",
			"kind", "pool", "name"),
		pausedFor: desc("berth_paused_seconds", "Seconds for which it has been paused.", "kind", "pool", "name"),
		pools: desc("berth_pool_info", "Always 1. The labels describe the work pool; project is whose berth.yaml has it.",
			"pool", "type", "project"),
		keys: desc("berth_api_key_expiry_seconds",
			"Expiry of an API key, as a Unix timestamp: of the 100 that expire first, and that have expired within the last week.",
			"key"),
		pending: desc("berth_webhook_pending", "Deliveries that wait to be sent to webhooks that are not paused."),
		pendingOldest: desc("berth_webhook_oldest_pending_seconds",
			"Seconds that the oldest delivery to a webhook that is not paused has waited; 0 if none waits."),
		statsAge: desc("berth_statistics_age_seconds",
			"Seconds since this server could last read the figures of the database. They are left out after a minute."),
		deploymentRuns: desc("berth_deployment_runs", "Unfinished runs of the deployment, by state.", "pool", "deployment", "state"),
		lastSuccess: desc("berth_deployment_last_success_timestamp_seconds",
			"When a run of the deployment completed last, as a Unix timestamp. No series before the first.", "pool", "deployment"),
		lastState: desc("berth_deployment_last_state",
			"Always 1. The label has the state of the run of the deployment that ended last.", "pool", "deployment", "state"),
		failures: desc("berth_deployment_consecutive_failures",
			"Runs of the deployment that failed or crashed since the last one completed.", "pool", "deployment"),
		slotsSince: desc("berth_deployment_slots_since_success",
			"Slots of the deployment's schedule since a run completed last, or since it has the schedule or was resumed, up to 100. None while paused or without an active schedule.",
			"pool", "deployment"),
		omitted: desc("berth_deployments_omitted",
			"Deployments without separate metrics, because there are more than --metrics-deployments."),
	}
	return s, r.Register(s)
}

// Describe implements prometheus.Collector.
func (s *Stats) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		s.runs, s.waiting, s.waitingOldest, s.attempts, s.attemptsOldest, s.oldest, s.age, s.objective, s.slots, s.workers,
		s.lastSeen, s.versions, s.lag, s.schedules, s.paused, s.pausedFor, s.pools, s.keys, s.pending, s.pendingOldest,
		s.statsAge, s.deploymentRuns, s.lastSuccess, s.lastState, s.failures, s.slotsSince, s.omitted,
	} {
		ch <- desc
	}
}

// gauges sends the values of gauges.
type gauges chan<- prometheus.Metric

func (g gauges) set(desc *prometheus.Desc, value float64, labels ...string) {
	g <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

// Collect implements prometheus.Collector. Without the database it soon reports nothing but that.
func (s *Stats) Collect(ch chan<- prometheus.Metric) {
	g := gauges(ch)
	f := s.census.Latest()
	g.set(s.statsAge, s.census.Age().Seconds())
	if f == nil {
		return
	}
	s.collectRuns(g, f)
	s.collectPools(g, f)
	s.collectDeployments(g, f)
	g.set(s.lag, f.Facts.ScheduleLag.Seconds())
	g.set(s.pending, float64(f.Facts.Deliveries.Pending))
	g.set(s.pendingOldest, f.Facts.Deliveries.Oldest.Seconds())
	for _, k := range f.Facts.Keys {
		g.set(s.keys, unix(k.At.Time()), k.Name)
	}
	for _, p := range f.Paused {
		g.set(s.paused, 1, p.Kind, p.Pool, p.Name)
		g.set(s.pausedFor, p.For.Seconds(), p.Kind, p.Pool, p.Name)
	}
}

func (s *Stats) collectRuns(g gauges, f *census.Figures) {
	for _, r := range f.Runs {
		g.set(s.runs, float64(r.Count), r.Pool, r.Queue, string(r.State))
	}
	for _, w := range f.Waiting {
		g.set(s.waiting, float64(w.Count), w.Pool, w.Queue, string(w.Reason))
		if w.Oldest > 0 {
			g.set(s.waitingOldest, w.Oldest.Seconds(), w.Pool, w.Queue, string(w.Reason))
		}
	}
	for _, w := range f.Attempts {
		g.set(s.attempts, float64(w.Count), w.Pool, string(w.Reason))
		if w.Oldest > 0 {
			g.set(s.attemptsOldest, w.Oldest.Seconds(), w.Pool, string(w.Reason))
		}
	}
	for _, a := range f.Ages {
		g.set(s.oldest, a.Oldest.Seconds(), a.Pool, string(a.State))
	}
	for _, q := range f.Queues {
		g.set(s.age, q.Oldest.Seconds(), q.Pool, q.Name)
		if q.Objective > 0 {
			g.set(s.objective, q.Objective.Seconds(), q.Pool, q.Name)
		}
	}
	for _, slot := range f.Slots {
		g.set(s.slots, float64(slot.Used), slot.Pool, slot.Queue, "used")
		if slot.Limit != nil {
			g.set(s.slots, float64(*slot.Limit), slot.Pool, slot.Queue, "limit")
		}
	}
}

func (s *Stats) collectPools(g gauges, f *census.Figures) {
	for _, p := range f.Facts.Pools {
		g.set(s.pools, 1, p.Name, p.Type, p.Project)
	}
	for _, w := range f.Workers {
		g.set(s.workers, float64(w.Alive), w.Pool, "alive")
		g.set(s.workers, float64(w.Gone), w.Pool, "gone")
		if w.LastSeen != nil {
			g.set(s.lastSeen, w.LastSeen.Seconds(), w.Pool)
		}
		for version, n := range w.Versions {
			g.set(s.versions, float64(n), w.Pool, version)
		}
	}
	for _, n := range f.Schedules {
		g.set(s.schedules, float64(n.Count), n.Pool, string(n.State))
	}
}

func (s *Stats) collectDeployments(g gauges, f *census.Figures) {
	g.set(s.omitted, float64(f.DeploymentsOmitted))
	for _, d := range f.Deployments {
		for _, state := range census.Unfinished {
			g.set(s.deploymentRuns, float64(d.Runs[state]), d.Pool, d.Name, string(state))
		}
		g.set(s.failures, float64(d.Failures), d.Pool, d.Name)
		if d.LastState != "" {
			g.set(s.lastState, 1, d.Pool, d.Name, string(d.LastState))
		}
		if !d.LastCompletion.IsZero() {
			g.set(s.lastSuccess, unix(d.LastCompletion), d.Pool, d.Name)
		}
		if d.SlotsSince != nil {
			g.set(s.slotsSince, float64(*d.SlotsSince), d.Pool, d.Name)
		}
	}
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
