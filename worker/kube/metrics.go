package kube

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// registerGauges registers the gauges that read the informers' copies.
func (r *Runtime) registerGauges() error {
	var err error
	r.served, err = cluster.RegisterMetric(r.options.Registerer, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "berth_worker_namespace_served",
		Help: "1 if the worker can create and observe Jobs in the namespace (* for all), 0 if it cannot.",
	}, []string{"job_namespace"}))
	if err != nil {
		return err
	}
	for _, gauge := range []prometheus.GaugeFunc{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "berth_finalizer_legacy_objects",
			Help: "Jobs that carry a finalizer of an older release.",
		}, r.legacyJobs),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "berth_objects_terminating_seconds",
			Help: "Longest time by which the deletion of a Job or pod is overdue; 0 if none is.",
		}, r.terminatingSeconds),
	} {
		if _, err := cluster.RegisterMetric(r.options.Registerer, gauge); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runtime) legacyJobs() float64 {
	count := 0.0
	for j := range r.allJobs() {
		if r.jobs.Finalizers.Legacy(j) {
			count++
		}
	}
	return count
}

// terminatingSeconds counts for a Job from its deletion, for a pod from the end of its grace period.
func (r *Runtime) terminatingSeconds() float64 {
	now := time.Now()
	longest := time.Duration(0)
	for j := range r.allJobs() {
		if j.DeletionTimestamp != nil {
			longest = max(longest, now.Sub(j.DeletionTimestamp.Time))
		}
	}
	for pod := range r.allPods() {
		longest = max(longest, podstatus.Overdue(pod, now))
	}
	return longest.Seconds()
}
