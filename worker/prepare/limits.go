package prepare

import (
	"math"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/held"
)

// limitDeadline lowers activeDeadlineSeconds to what is left of the run's timeout and to that of the
// template.
func limitDeadline(j *batchv1.Job, secondsLeft *int64, timeout *time.Duration) {
	limit := func(seconds int64) {
		seconds = max(1, seconds)
		if j.Spec.ActiveDeadlineSeconds == nil || seconds < *j.Spec.ActiveDeadlineSeconds {
			j.Spec.ActiveDeadlineSeconds = &seconds
		}
	}
	if secondsLeft != nil {
		limit(*secondsLeft)
	}
	if timeout != nil {
		limit(int64(timeout.Seconds()))
	}
}

// earliest is the run's start deadline or that of the template, whichever comes first; zero if there is none.
func earliest(run *time.Time, template *time.Duration, now time.Time) time.Time {
	var by time.Time
	if run != nil {
		by = *run
	}
	if template != nil && (by.IsZero() || now.Add(*template).Before(by)) {
		by = now.Add(*template)
	}
	return by
}

// limitsOf are the limits of a template that the server enforces.
func limitsOf(f *manifest.Finished) held.Limits {
	var l held.Limits
	if f.Timeout != nil {
		seconds := int64((*f.Timeout + time.Second - 1) / time.Second)
		l.TimeoutSeconds = &seconds
	}
	if f.InfrastructureRetries != nil {
		retries := int32(min(*f.InfrastructureRetries, math.MaxInt32))
		l.InfrastructureRetries = &retries
	}
	return l
}
