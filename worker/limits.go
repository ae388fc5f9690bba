package worker

import (
	"math"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/berth-dev/berth/templating/manifest"
)

// limitTime has the Job end when the run's timeout is over, whoever watches it then.
func limitTime(made *batchv1.Job, left *int64, timeout *time.Duration) {
	limit := func(seconds int64) {
		seconds = max(1, seconds)
		if made.Spec.ActiveDeadlineSeconds == nil || seconds < *made.Spec.ActiveDeadlineSeconds {
			made.Spec.ActiveDeadlineSeconds = &seconds
		}
	}
	if left != nil {
		limit(*left)
	}
	if timeout != nil {
		limit(int64(timeout.Seconds()))
	}
}

// earliest is the run's start deadline or the template's, whichever comes first; zero where there is neither.
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

// limits is what a template says that is the server's to see to.
type limits struct {
	timeoutSeconds        *int64
	infrastructureRetries *int32
}

func limitsOf(f *manifest.Finished) limits {
	var l limits
	if f.Timeout != nil {
		seconds := int64((*f.Timeout + time.Second - 1) / time.Second)
		l.timeoutSeconds = &seconds
	}
	if f.InfrastructureRetries != nil {
		retries := int32(min(*f.InfrastructureRetries, math.MaxInt32))
		l.infrastructureRetries = &retries
	}
	return l
}
