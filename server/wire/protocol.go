package wire

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// maxTimeoutSeconds is the longest timeout that is taken from a template. A longer one counts as none.
const maxTimeoutSeconds = 1 << 31

// Claim converts a claimed attempt that is leased for a time.
func Claim(c store.Claim, lease time.Duration) api.Claim {
	claim := api.Claim{
		AttemptID:         c.AttemptID,
		Attempt:           c.Attempt,
		Epoch:             c.Epoch,
		LeaseSeconds:      LeaseSeconds(lease),
		RunID:             c.RunID,
		RunName:           c.RunName,
		Deployment:        c.Deployment,
		DeploymentID:      c.DeploymentID,
		DeploymentVersion: c.DeploymentVersion,
		Pool:              c.Pool,
		Queue:             c.Queue,
		ScheduledTime:     Time(c.ScheduledTime),
		Timezone:          OrNil(c.Timezone),
		Tags:              NonNil(c.Tags),
		Parameters:        document(c.Parameters),
		TemplateVersionID: c.TemplateVersionID,
		TemplateVersion:   c.TemplateVersion,
		StartDeadline:     TimePtr(c.StartDeadline),
		Manifest:          c.Manifest,
		JobUID:            OrNil(c.JobUID),
		Cancelling:        c.Cancelling,
		Takeover:          c.Takeover,
		ManifestFirst:     OrNil(c.ManifestFirst),
		OutputSize:        OrNil(c.OutputSize),
		OutputPosition:    OrNil(c.OutputPosition),
		JobKey:            OrNil(c.JobKey.Text),
		RenderInput: api.RenderInput{
			Deployment: jsondoc.OrEmpty(c.DeploymentVariables),
			Run:        c.RunVariables,
			Frozen:     c.Frozen,
			Stored:     jsondoc.OrEmpty(c.Stored),
		},
	}
	if c.TimeoutLeft != nil {
		// Rounded up: a second more is harmless, but 0 would end the attempt at once.
		left := int64((*c.TimeoutLeft + time.Second - 1) / time.Second)
		claim.TimeoutSeconds = &left
	}
	return claim
}

// LeaseSeconds converts the duration of a lease.
func LeaseSeconds(lease time.Duration) int32 { return int32(lease / time.Second) }

// ReadLease reads a lease that a worker names.
func ReadLease(l api.AttemptLease) store.Lease {
	return store.Lease{AttemptID: l.AttemptID, Epoch: l.Epoch}
}

// ReadReport reads a report of a worker.
func ReadReport(r api.Report) store.Report {
	report := store.Report{
		Lease:        store.Lease{AttemptID: r.AttemptID, Epoch: r.Epoch},
		Kind:         store.ReportKind(r.Kind),
		Manifest:     r.Manifest,
		JobNamespace: Or(r.JobNamespace, ""),
		JobName:      Or(r.JobName, ""),
		JobUID:       Or(r.JobUID, ""),
		Node:         Or(r.Node, ""),
		Diagnosis:    Or(r.Diagnosis, ""),
		At:           r.At,
		RenderedAt:   r.RenderedAt,
		LastLines:    Or(r.LastLines, ""),
		Image:        Or(r.Image, ""),
		Outcome: lifecycle.Outcome{
			Succeeded: Or(r.Succeeded, false),
			Category:  Or(r.Category, ""),
			ExitCode:  r.ExitCode,
			Message:   Or(r.Message, ""),
			Final:     Or(r.Final, false),
		},
	}
	if seconds := Or(r.TimeoutSeconds, 0); seconds > 0 && seconds <= maxTimeoutSeconds {
		timeout := time.Duration(seconds) * time.Second
		report.Timeout = &timeout
	}
	if r.InfrastructureRetries != nil {
		retries := int(max(0, *r.InfrastructureRetries))
		report.InfrastructureMax = &retries
	}
	report.RuleFindings = Each(Or(r.RuleFindings, nil), func(f api.RuleFinding) store.RuleFinding {
		return store.RuleFinding{
			Rule: f.Rule, Pool: Or(f.Pool, ""), Action: string(f.Action), Message: f.Message,
		}
	})
	report.Indexes = readIndexes(r.Indexes)
	return report
}

// maxIndexMessage bounds what is kept of how one index ended, in bytes.
const maxIndexMessage = 1 << 10

// readIndexes keeps how the indexes of an attempt stand as JSON; nil where they were not reported.
func readIndexes(indexes *api.AttemptIndexes) json.RawMessage {
	if indexes == nil {
		return nil
	}
	kept := *indexes
	if kept.Failures != nil {
		failures := Each(*kept.Failures, func(f api.IndexFailure) api.IndexFailure {
			if f.Message != nil && len(*f.Message) > maxIndexMessage {
				f.Message = new(strings.ToValidUTF8((*f.Message)[:maxIndexMessage], "") + "…")
			}
			return f
		})
		kept.Failures = &failures
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return nil // the schema of the API admits no value that cannot be encoded
	}
	return text
}

// indexes converts how the indexes of an attempt stand; nil where it has none.
func indexes(stored json.RawMessage) *api.AttemptIndexes {
	var read api.AttemptIndexes
	if len(stored) == 0 || json.Unmarshal(stored, &read) != nil {
		return nil
	}
	return &read
}

// ReadLogChunk reads a part of an attempt's output.
func ReadLogChunk(c api.LogAppendChunk) store.LogChunk {
	return store.LogChunk{
		Lease:  store.Lease{AttemptID: c.AttemptID, Epoch: c.Epoch},
		Offset: c.Offset,
		Text:   c.Text,

		Position: Or(c.Position, ""),
	}
}

// maxReason bounds why a worker cannot reach a namespace, in bytes.
const maxReason = 1024

// ReadLost reads a namespace that a worker cannot reach.
func ReadLost(l api.LostNamespace) store.LostNamespace {
	reason := strings.ToValidUTF8(l.Reason[:min(len(l.Reason), maxReason)], "")
	return store.LostNamespace{Namespace: l.Namespace, Reason: reason}
}
