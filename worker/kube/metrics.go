package kube

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/worker/kube/podstatus"
)

type metrics struct {
	released *prometheus.CounterVec
}

// Results of taking a finalizer off, as berth_finalizer_removals_total counts them.
const (
	resultReleased = "released" // it was there and is not any more
	resultReplaced = "replaced" // one of an older release, ours in its place
	resultAbsent   = "absent"   // the Job or the finalizer was gone already
	resultFailed   = "failed"
)

func newMetrics(registerer prometheus.Registerer, r *Runtime) (metrics, error) {
	m := metrics{released: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "berth_finalizer_removals_total",
		Help: "Finalizers that were taken off Jobs, by result.",
	}, []string{"result"})}
	for _, result := range []string{resultReleased, resultReplaced, resultAbsent, resultFailed} {
		m.released.WithLabelValues(result)
	}
	for _, gauge := range []prometheus.GaugeFunc{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "berth_finalizer_legacy_objects",
			Help: "Jobs that a finalizer of an older release is on.",
		}, r.legacyObjects),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "berth_objects_terminating_seconds",
			Help: "How long the Job or pod that should have been gone the longest is still there; 0 where none is.",
		}, r.terminatingSeconds),
	} {
		if _, err := register(registerer, gauge); err != nil {
			return m, err
		}
	}
	var err error
	m.released, err = register(registerer, m.released)
	return m, err
}

// register returns the collector, or the one that another part of this process has registered as the same.
// Without a registerer nobody looks.
func register[T prometheus.Collector](registerer prometheus.Registerer, c T) (T, error) {
	if registerer == nil {
		return c, nil
	}
	err := registerer.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(T); ok {
			return existing, nil
		}
	}
	if err != nil {
		return c, fmt.Errorf("register metrics: %w", err)
	}
	return c, nil
}

// eachJob goes through the copies that there are while Run runs.
func (r *Runtime) eachJob(look func(*batchv1.Job)) {
	r.mu.Lock()
	w := r.watcher
	r.mu.Unlock()
	if w == nil {
		return
	}
	for j := range w.allJobs() {
		look(j)
	}
}

func (r *Runtime) legacyObjects() float64 {
	count := 0.0
	r.eachJob(func(j *batchv1.Job) {
		if r.finalizers.Legacy(j) {
			count++
		}
	})
	return count
}

// terminatingSeconds counts from when the grace period of a pod is over.
func (r *Runtime) terminatingSeconds() float64 {
	longest := time.Duration(0)
	now := time.Now()
	r.eachJob(func(j *batchv1.Job) {
		if j.DeletionTimestamp != nil {
			longest = max(longest, now.Sub(j.DeletionTimestamp.Time))
		}
	})
	for _, pod := range r.allPods() {
		longest = max(longest, podstatus.Overdue(pod, now))
	}
	return longest.Seconds()
}

// allPods are the copies of pods that there are while Run runs.
func (r *Runtime) allPods() []*corev1.Pod {
	r.mu.Lock()
	w := r.watcher
	r.mu.Unlock()
	var pods []*corev1.Pod
	if w == nil {
		return pods
	}
	for _, informer := range w.pods {
		for _, object := range informer.GetStore().List() {
			pods = append(pods, object.(*corev1.Pod))
		}
	}
	return pods
}
