package worker

import (
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// due lists the reports that are due: the difference between what is known and what was said, in the order of
// a life. A phase that has passed is only reported where its time would be lost with it: running, by an
// observation that has ended.
func due(a api.AttemptLease, k known, s said) []api.Report {
	if s.over {
		return nil
	}
	report := func(kind api.ReportKind) api.Report {
		return api.Report{AttemptID: a.AttemptID, Epoch: a.Epoch, Kind: kind}
	}
	if k.handBack {
		return []api.Report{report(api.ReportKindHandedBack)}
	}
	var reports []api.Report
	if k.manifest != nil && !s.manifest {
		r := report(api.ReportKindManifest)
		r.Manifest = k.manifest
		r.TimeoutSeconds, r.InfrastructureRetries = k.limits.timeoutSeconds, k.limits.infrastructureRetries
		reports = append(reports, r)
	}
	uid := k.uid()
	if uid != "" && s.uid != uid {
		r := report(api.ReportKindSubmitted)
		r.JobUID, r.JobNamespace, r.JobName = &uid, text(k.job.Namespace), text(k.job.Name)
		reports = append(reports, r)
	}
	if k.seen == nil {
		return reports
	}
	return append(reports, dueOf(*k.seen, k, s, report)...)
}

// dueOf is what is due of an observation.
func dueOf(seen job.Observation, k known, s said, report func(api.ReportKind) api.Report) []api.Report {
	var reports []api.Report
	switch seen.Phase {
	case job.Pending:
		if s.phase != job.Pending || s.diagnosis != seen.Diagnosis || s.node != seen.Node {
			reports = append(reports, pending(report(api.ReportKindPending), seen))
		}
	case job.Running:
		if s.phase != job.Running || s.node != seen.Node || s.diagnosis != seen.Diagnosis {
			reports = append(reports, running(report(api.ReportKindRunning), seen))
		}
	case job.Ended:
		if seen.RunningSince != nil && s.phase != job.Running {
			reports = append(reports, running(report(api.ReportKindRunning), seen))
		}
		r := ended(report(api.ReportKindEnded), seen, s.refused)
		if k.failEvicted && tookAway(seen.Category) {
			r.Final = &k.failEvicted
		}
		reports = append(reports, r)
	}
	return reports
}

// tookAway reports whether the infrastructure took the attempt away.
func tookAway(c api.Category) bool {
	return c == api.CategoryEvicted || c == api.CategoryPreempted || c == api.CategoryNodeLost
}

func (k known) uid() string {
	if k.job.UID == "" && k.seen != nil {
		return k.seen.UID
	}
	return k.job.UID
}

func pending(r api.Report, seen job.Observation) api.Report {
	r.Diagnosis, r.Node = &seen.Diagnosis, text(seen.Node)
	return r
}

func running(r api.Report, seen job.Observation) api.Report {
	r.At, r.Node = seen.RunningSince, text(seen.Node)
	if seen.Phase == job.Running {
		r.Diagnosis = text(seen.Diagnosis)
	}
	return r
}

// ended is the outcome. Where the server has called the outcome invalid, it is said in the words that can not
// be.
func ended(r api.Report, seen job.Observation, refused string) api.Report {
	succeeded := seen.Succeeded
	r.Succeeded = &succeeded
	if !succeeded {
		category := api.Category(seen.Category)
		if category == "" {
			category = api.Category(api.CategoryUnknown)
		}
		r.Category = &category
	}
	r.At, r.ExitCode = seen.EndedAt, seen.ExitCode
	if refused != "" {
		r.Message = text("the server refused the details of this outcome: " + refused)
		return r
	}
	r.Node, r.Message, r.LastLines = text(seen.Node), text(seen.Message), text(seen.LastLines)
	return r
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// accepted is what was said once the server has accepted the report.
func (s said) accepted(r api.Report) said {
	switch r.Kind {
	case api.ReportKindManifest:
		s.manifest = true
	case api.ReportKindSubmitted:
		s.uid = *r.JobUID
	case api.ReportKindPending:
		s.phase, s.diagnosis, s.node = job.Pending, value(r.Diagnosis), value(r.Node)
	case api.ReportKindRunning:
		s.phase, s.diagnosis, s.node = job.Running, value(r.Diagnosis), value(r.Node)
	case api.ReportKindEnded:
		s.phase, s.over = job.Ended, true
	case api.ReportKindHandedBack:
		s.over = true
	}
	return s
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// action is what to do about an attempt after the server's answer to a report.
type action string

const (
	actNone     action = "none"      // go on
	actRelease  action = "release"   // recorded: let go of its Job, if it has one
	actRemove   action = "remove"    // nothing was created, nothing is left to do
	actForget   action = "forget"    // somebody else holds it: touch nothing
	actDiscard  action = "discard"   // our Job lost: delete it
	actAbandon  action = "abandon"   // it has ended without us: end the Job, then let go of it
	actSuspect  action = "suspect"   // the server does not know it: stop acting, look again later
	actEndWith  action = "end"       // it can not go on: end it as invalid
	actSayShort action = "say-short" // say the end again in fewer words
	actLeave    action = "leave"     // a person must look: its lease runs out, its Job stays as it is
	actIgnore   action = "ignore"    // the server does not want it; count it as said
)

// judge says what an answer means. hasJob is whether a Job exists, or may exist.
func judge(r api.Report, status api.ReportResultStatus, s said, hasJob bool) action {
	switch status {
	case api.ReportResultStatusAccepted:
		switch {
		case r.Kind == api.ReportKindEnded && hasJob:
			return actRelease
		case r.Kind == api.ReportKindEnded, r.Kind == api.ReportKindHandedBack:
			return actRemove
		}
		return actNone
	case api.ReportResultStatusStale:
		return actForget
	case api.ReportResultStatusEnded:
		switch {
		case !hasJob:
			return actRemove
		case r.Kind == api.ReportKindEnded:
			return actRelease
		}
		return actAbandon
	case api.ReportResultStatusDuplicateJob:
		return actDiscard
	case api.ReportResultStatusUnknown:
		if !hasJob {
			return actRemove
		}
		return actSuspect
	}
	// Invalid, and what a newer server may say.
	switch {
	case r.Kind == api.ReportKindManifest:
		return actEndWith
	case r.Kind == api.ReportKindEnded && s.refused == "":
		return actSayShort
	case r.Kind == api.ReportKindEnded:
		return actLeave
	case r.Kind == api.ReportKindHandedBack:
		return actRemove
	}
	return actIgnore
}
