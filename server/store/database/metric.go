package database

import (
	"database/sql"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// register exposes what the connection pools say of themselves as berth_db_….
func (db *DB) register(r prometheus.Registerer) error {
	pools := map[string]func() sql.DBStats{"work": db.reader.Stats, "people": db.peopleReader.Stats}
	if db.writer != db.reader {
		pools["writer"] = db.writer.Stats
	}
	for name, stats := range pools {
		for _, c := range poolMetrics(prometheus.Labels{"connections": name}, stats) {
			if err := r.Register(c); err != nil {
				return fmt.Errorf("register the database's metrics: %w", err)
			}
		}
	}
	return nil
}

func poolMetrics(labels prometheus.Labels, stats func() sql.DBStats) []prometheus.Collector {
	gauge := func(name, help string, value func(sql.DBStats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return value(stats()) })
	}
	counter := func(name, help string, value func(sql.DBStats) float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return value(stats()) })
	}
	return []prometheus.Collector{
		gauge("berth_db_connections_open", "Connections to the database.",
			func(s sql.DBStats) float64 { return float64(s.OpenConnections) }),
		gauge("berth_db_connections_in_use", "Connections to the database that are working.",
			func(s sql.DBStats) float64 { return float64(s.InUse) }),
		gauge("berth_db_connections_max", "Most connections to the database that there may be.",
			func(s sql.DBStats) float64 { return float64(s.MaxOpenConnections) }),
		counter("berth_db_waits_total", "How often something waited for a connection.",
			func(s sql.DBStats) float64 { return float64(s.WaitCount) }),
		counter("berth_db_wait_seconds_total", "How long things waited for a connection.",
			func(s sql.DBStats) float64 { return s.WaitDuration.Seconds() }),
	}
}
