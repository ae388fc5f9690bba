package kube

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
)

// AllNamespaces as the only namespace served means every namespace of the cluster; it needs a ClusterRole.
const AllNamespaces = "*"

// Options of a Runtime. The zero value serves the default namespace of the Config.
type Options struct {
	// Namespaces to create Jobs in and to watch.
	Namespaces []string
	Deadlines  Deadlines
	Timing     Timing
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// LegacyFinalizers are names that older releases held Jobs with. They are taken off wherever ours is, and
	// replaced by ours at the start and hourly; they are never written.
	LegacyFinalizers []string
	// Gated creates Jobs suspended and lets them run once the server has taken note of them (Grant). That
	// closes the last window in which an attempt could run twice: a worker that sleeps between the look at
	// its lease and the creation for longer than a finished Job is kept. It costs a write more for each Job.
	Gated bool
	// Reconcilers is how many attempts are looked at side by side.
	Reconcilers int
}

// Deadlines are how long a pending attempt may wait for one cause before it is ended with that category.
// Negative means for ever.
type Deadlines struct {
	ImagePull     time.Duration // default 10 minutes
	Config        time.Duration // default 5 minutes
	Quota         time.Duration // default for ever
	Unschedulable time.Duration // default for ever
	NodeLost      time.Duration // default for ever: the pod may still run
}

// Timing is how patient the runtime is with what goes on by itself.
type Timing struct {
	// Outlived is how long other containers may run on after the job container has ended. Default 30 seconds.
	Outlived time.Duration
	// Escalate is how long after its grace period a pod may take to go before it is told again, with no
	// grace. Default 30 seconds.
	Escalate time.Duration
	// Force is how long after its grace period a pod of a cancelled attempt is waited for before its object
	// is removed by force, although its node does not confirm that it has stopped. Default 10 minutes.
	Force time.Duration
	// Output is how long Release waits for the rest of the output. Default 10 seconds.
	Output time.Duration
	// TTL is how long a Job that does not say so itself is kept after its end. Default 1 hour.
	TTL time.Duration
	// Sweep is how often legacy finalizers are looked for. Default 1 hour.
	Sweep time.Duration
	// Resync is how often everything is looked at again, whatever the watch says. Default 5 minutes.
	Resync time.Duration
}

func orDefault[T int | time.Duration](value, fallback T) T {
	if value == 0 {
		return fallback
	}
	return value
}

func (o Options) withDefaults(c Config) Options {
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{c.Namespace}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Reconcilers = orDefault(o.Reconcilers, 16)
	o.Deadlines.ImagePull = orDefault(o.Deadlines.ImagePull, 10*time.Minute)
	o.Deadlines.Config = orDefault(o.Deadlines.Config, 5*time.Minute)
	o.Timing.Outlived = orDefault(o.Timing.Outlived, 30*time.Second)
	o.Timing.Escalate = orDefault(o.Timing.Escalate, 30*time.Second)
	o.Timing.Force = orDefault(o.Timing.Force, 10*time.Minute)
	o.Timing.Output = orDefault(o.Timing.Output, 10*time.Second)
	o.Timing.TTL = orDefault(o.Timing.TTL, time.Hour)
	o.Timing.Sweep = orDefault(o.Timing.Sweep, time.Hour)
	o.Timing.Resync = orDefault(o.Timing.Resync, 5*time.Minute)
	return o
}

// with are the deadlines where a template's policy says otherwise.
func (d Deadlines) with(p manifest.Policy) Deadlines {
	for cause, deadline := range map[api.Category]*time.Duration{
		api.CategoryImagePull: &d.ImagePull, api.CategoryConfig: &d.Config, api.CategoryQuota: &d.Quota, api.CategoryUnschedulable: &d.Unschedulable,
	} {
		if seconds, ok := p.WaitSeconds[string(cause)]; ok {
			*deadline = time.Duration(seconds) * time.Second
		}
	}
	if p.ForceNodeLost > 0 {
		d.NodeLost = time.Duration(p.ForceNodeLost) * time.Second
	}
	return d
}

// of returns how long to wait for the cause; zero or less means for ever.
func (d Deadlines) of(cause api.Category) time.Duration {
	switch cause {
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
