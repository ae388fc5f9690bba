package database

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// register exposes what the connection pools say of themselves as berth_db_….
func (db *DB) register(r prometheus.Registerer) error {
	pools := map[string]func() sql.DBStats{"work": db.reader.Stats, "people": db.peopleReader.Stats}
	if db.writer != db.reader {
		pools["writer"] = db.writer.Stats
	}
	if db.replica != nil {
		pools["history"] = db.replica.conns.Stats
	}
	collectors := []prometheus.Collector{newPoolMetrics(pools), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "berth_db_notifications_up",
		Help: "1 while this server receives the notifications of the others, 0 while it polls instead.",
	}, func() float64 {
		if db.dialect == SQLite || db.listening.Load() { // SQLite has one server
			return 1
		}
		return 0
	})}
	if db.replica != nil {
		collectors = append(collectors, replicaMetrics(db.replica)...)
	}
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register the database's metrics: %w", err)
		}
	}
	return nil
}

// replicaMetrics are registered where there is a read replica.
func replicaMetrics(r *replica) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "berth_db_replica_lag_seconds",
			Help: "Seconds by which the read replica is behind the primary, as measured last.",
		}, func() float64 {
			lag, _ := r.state()
			return lag.Seconds()
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "berth_db_replica_used",
			Help: "1 while the read replica answers lists, 0 while the primary does.",
		}, func() float64 {
			if r.isUsable() {
				return 1
			}
			return 0
		}),
	}
}

// poolMetrics are the metrics of pools of connections, by what the connections are for.
type poolMetrics struct {
	pools                                map[string]func() sql.DBStats
	open, inUse, most, waits, waitedTime *prometheus.Desc
}

func newPoolMetrics(pools map[string]func() sql.DBStats) *poolMetrics {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	counter := gauge // the kind is said with the value
	return &poolMetrics{
		pools: pools,
		open:  gauge("berth_db_connections_open", "Connections to the database.", "connections"),
		inUse: gauge("berth_db_connections_in_use", "Connections to the database that are working.", "connections"),
		most: gauge("berth_db_connections_max", "Most connections to the database that there may be.",
			"connections"),
		waits: counter("berth_db_waits_total", "How often something waited for a connection.", "connections"),
		waitedTime: counter("berth_db_wait_seconds_total", "How long things waited for a connection.",
			"connections"),
	}
}

// Describe implements prometheus.Collector.
func (m *poolMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{m.open, m.inUse, m.most, m.waits, m.waitedTime} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *poolMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, name := range slices.Sorted(maps.Keys(m.pools)) {
		stats := m.pools[name]()
		send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64) {
			ch <- prometheus.MustNewConstMetric(desc, kind, value, name)
		}
		send(m.open, prometheus.GaugeValue, float64(stats.OpenConnections))
		send(m.inUse, prometheus.GaugeValue, float64(stats.InUse))
		send(m.most, prometheus.GaugeValue, float64(stats.MaxOpenConnections))
		send(m.waits, prometheus.CounterValue, float64(stats.WaitCount))
		send(m.waitedTime, prometheus.CounterValue, stats.WaitDuration.Seconds())
	}
}
