package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// unseal makes the Secret of a manifest that an earlier holder has reported: the server never had its data.
// The same render input gives the same values.
func (w *worker) unseal(ctx context.Context, c api.Claim, name string, p *prepared) error {
	if name == "" {
		return nil
	}
	finished, err := w.finish(ctx, c)
	if err != nil {
		return w.refusal(err)
	}
	p.attempt.Secret = secretOf(finished)
	if p.attempt.Secret == nil || p.attempt.Secret.Name != name {
		return &job.Refused{Category: api.CategoryInvalid, Message: fmt.Sprintf(
			"the manifest refers to Secret %q, and this worker does not: start it with the same --env-as-secret and --create-job-api-key-secret as the one before",
			name,
		)}
	}
	return nil
}

// restore reads the manifest that an earlier holder of the attempt has reported.
func restore(c api.Claim) (prepared, error) {
	made := &batchv1.Job{}
	if err := json.Unmarshal(c.Manifest, made); err != nil {
		return prepared{}, &job.Refused{
			Category: api.CategoryInvalid,
			Err:      err,
			Message:  fmt.Sprintf("the stored manifest can not be read: %v", err),
		}
	}
	policy, err := manifest.PolicyOf(made.Annotations)
	if err != nil {
		return prepared{}, &job.Refused{
			Category: api.CategoryInvalid,
			Err:      err,
			Message:  fmt.Sprintf("the stored manifest can not be followed: %v", err),
		}
	}
	return prepared{
		failEvicted: policy.FailEvicted,
		raw:         c.Manifest, taken: true, uid: value(c.JobUID), launched: value(c.JobUID) != "",
		startBy: earliest(c.StartDeadline, nil, time.Time{}),
		attempt: job.Attempt{Ref: job.Ref{RunID: c.RunID, Attempt: int(c.Attempt)}, Manifest: made,
			Container: made.Annotations[manifest.AnnotationJobContainer], StreamOutput: made.Annotations[manifest.AnnotationStreamOutput] != "false"},
	}, nil
}
