package kube

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// AllNamespaces, as the only namespace, means every namespace of the cluster. It needs a ClusterRole.
const AllNamespaces = "*"

// Options of a Runtime. The zero value serves the default namespace of the cluster.Config.
type Options struct {
	// Namespaces in which Jobs are created and watched.
	Namespaces []string
	Deadlines  Deadlines
	Timing     Timing
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Finalizer is the finalizer that holds Jobs. Only tests of an upgrade choose another than the default.
	Finalizer string
	// LegacyFinalizers are finalizers of older releases. They are taken off wherever ours is, replaced by
	// ours at the start and then hourly, and never written.
	LegacyFinalizers []string
	// Protected is what no Job may refer to, whatever its manifest was made from.
	Protected reference.Protected
	// ShareNamespace permits Jobs in a namespace whose labels say that it holds the Secrets of an
	// installation.
	ShareNamespace bool
	// Reconcilers is how many attempts are reconciled at once. Default 16.
	Reconcilers int
}

// Deadlines are how long a pending attempt may wait for each cause before it ends with that category.
// Negative means for ever.
type Deadlines struct {
	ImagePull     time.Duration // default 10 minutes
	Config        time.Duration // default 5 minutes
	Volume        time.Duration // of config, for a volume; default 15 minutes: detaching one may take 6
	Quota         time.Duration // default for ever
	Unschedulable time.Duration // default for ever
	NodeLost      time.Duration // default for ever: the pod may still run
}

// Timing are the waits and intervals of the runtime.
type Timing struct {
	// Lingering is how long other containers may run on after the job container has ended. Default 30
	// seconds.
	Lingering time.Duration
	// Escalate is how long after its grace period a pod may still exist before it is deleted again with a
	// grace period of 1 second. Default 30 seconds.
	Escalate time.Duration
	// Force is how long after its grace period a pod of an attempt with a planned outcome may still exist
	// before it is removed by force, without its node confirming that it has stopped. Default 10 minutes.
	Force time.Duration
	// Output is how long Finalize waits for the rest of the output. Default 10 seconds.
	Output time.Duration
	// TTL is how long a Job is kept after its end if its template does not say. Default 1 hour.
	TTL time.Duration
	// Sweep is the interval at which legacy finalizers are replaced. Default 1 hour.
	Sweep time.Duration
	// Probe is the interval at which the access to each namespace is checked. Default 15 seconds.
	Probe time.Duration
	// LoseAccess is how long requests of one kind may fail before a namespace counts as lost. Default 10 seconds.
	LoseAccess time.Duration
	// Resync is the interval at which everything is reconciled, whatever the watch shows. Default 5 minutes.
	Resync time.Duration
}

func orDefault[T int | time.Duration](value, fallback T) T {
	if value == 0 {
		return fallback
	}
	return value
}

func (o Options) withDefaults(c cluster.Config) Options {
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{c.Namespace}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Finalizer == "" {
		o.Finalizer = manifest.Finalizer
	}
	o.Reconcilers = orDefault(o.Reconcilers, 16)
	o.Deadlines.ImagePull = orDefault(o.Deadlines.ImagePull, 10*time.Minute)
	o.Deadlines.Volume = orDefault(o.Deadlines.Volume, 15*time.Minute)
	o.Deadlines.Config = orDefault(o.Deadlines.Config, 5*time.Minute)
	o.Timing.Lingering = orDefault(o.Timing.Lingering, 30*time.Second)
	o.Timing.Escalate = orDefault(o.Timing.Escalate, 30*time.Second)
	o.Timing.Force = orDefault(o.Timing.Force, 10*time.Minute)
	o.Timing.Output = orDefault(o.Timing.Output, 10*time.Second)
	o.Timing.TTL = orDefault(o.Timing.TTL, time.Hour)
	o.Timing.Sweep = orDefault(o.Timing.Sweep, time.Hour)
	o.Timing.Probe = orDefault(o.Timing.Probe, 15*time.Second)
	o.Timing.LoseAccess = orDefault(o.Timing.LoseAccess, 10*time.Second)
	o.Timing.Resync = orDefault(o.Timing.Resync, 5*time.Minute)
	return o
}

// withPolicy returns the deadlines, replaced where the template's policy sets them.
func (d Deadlines) withPolicy(p manifest.Policy) Deadlines {
	for cause, deadline := range map[api.Category]*time.Duration{
		api.CategoryImagePull:     &d.ImagePull,
		api.CategoryConfig:        &d.Config,
		api.CategoryQuota:         &d.Quota,
		api.CategoryUnschedulable: &d.Unschedulable,
	} {
		if seconds, ok := p.WaitSeconds[string(cause)]; ok {
			*deadline = time.Duration(seconds) * time.Second
		}
	}
	if _, ok := p.WaitSeconds[string(api.CategoryConfig)]; ok {
		d.Volume = d.Config
	}
	if p.ForceNodeLost > 0 {
		d.NodeLost = time.Duration(p.ForceNodeLost) * time.Second
	}
	return d
}

// limit returns how long to wait for what is diagnosed; zero or less means for ever.
func (d Deadlines) limit(waiting *observe.Diagnosis) time.Duration {
	if waiting.Volume {
		return d.Volume
	}
	switch waiting.Cause {
	case api.CategoryImagePull:
		return d.ImagePull
	case api.CategoryConfig:
		return d.Config
	case api.CategoryQuota:
		return d.Quota
	case api.CategoryUnschedulable:
		return d.Unschedulable
	case api.CategoryNodeLost:
		return d.NodeLost
	}
	return 0
}
