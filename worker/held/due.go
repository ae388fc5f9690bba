package held

import (
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// due lists the reports that are due, in order: the difference between the facts and what the server has
// accepted of them.
func (a *Attempt) due() []api.Report {
	return due(a.stage, a.facts, a.accepted, func(kind api.ReportKind) api.Report {
		return api.Report{AttemptID: a.ID, Epoch: a.Epoch, Kind: kind}
	})
}

// newReport makes an empty report of an attempt.
type newReport func(api.ReportKind) api.Report

func due(stage Stage, f facts, s accepted, report newReport) []api.Report {
	switch stage {
	case Abandoned, Released:
		return nil
	case HandingBack:
		r := report(api.ReportKindHandedBack)
		r.Diagnosis, r.JobNamespace = optional(f.handBack), optional(f.unserved)
		return []api.Report{r}
	}

	var reports []api.Report
	withManifest := f.manifest != nil && !s.manifest && f.refusal == ""
	if withManifest && f.manifestFirst {
		reports = append(reports, report(api.ReportKindManifest))
	}
	if uid := f.uid(); uid != "" && s.uid != uid {
		r := report(api.ReportKindSubmitted)
		r.JobUID, r.JobNamespace, r.JobName = &uid, optional(f.job.Namespace), optional(f.job.Name)
		reports = append(reports, r)
	}
	if f.observation != nil {
		reports = append(reports, dueOfObservation(*f.observation, f, s, report)...)
	}
	if withManifest && len(reports) > 0 {
		addManifest(&reports[0], f)
	}
	return reports
}

// addManifest adds the manifest, and what the server has to know with it, to the first report of the attempt.
func addManifest(r *api.Report, f facts) {
	r.Manifest, r.RenderedAt = f.manifest, f.renderedAt
	r.TimeoutSeconds, r.InfrastructureRetries = f.limits.TimeoutSeconds, f.limits.InfrastructureRetries
	if len(f.ruleFindings) > 0 {
		r.RuleFindings = &f.ruleFindings
	}
}

// dueOfObservation reports the newest phase. A phase that has passed is reported only if its time would be
// lost otherwise: when the container ran, of an attempt that has ended.
func dueOfObservation(observed job.Observation, f facts, s accepted, report newReport) []api.Report {
	if observed.Phase == job.Pending && observed.Diagnosis == "" && s.phase != job.Running && s.diagnosis == "" {
		return nil // that it was created says as much
	}
	changed := s.phase != observed.Phase || s.node != observed.Node || s.diagnosis != observed.Diagnosis ||
		observed.Phase == job.Running && s.indexesDone != doneOf(observed.Indexes)

	switch {
	case observed.Phase == job.Pending && changed:
		return []api.Report{pending(report(api.ReportKindPending), observed)}
	case observed.Phase == job.Running && changed:
		return []api.Report{running(report(api.ReportKindRunning), observed)}
	case observed.Phase != job.Ended:
		return nil
	}

	var reports []api.Report
	if observed.RunningSince != nil && s.phase != job.Running {
		reports = append(reports, running(report(api.ReportKindRunning), observed))
	}
	r := outcome(report(api.ReportKindEnded), observed, f.refusal)
	if observed.Final || f.failEvicted && TakenAway(observed.Category) {
		r.Final = new(true)
	}
	if f.ruleDenied {
		r.RuleFindings = &f.ruleFindings
	}
	return append(reports, r)
}

// TakenAway reports whether the infrastructure took the attempt away.
func TakenAway(c api.Category) bool {
	return c == api.CategoryEvicted || c == api.CategoryPreempted || c == api.CategoryNodeLost
}

func pending(r api.Report, observed job.Observation) api.Report {
	r.Diagnosis, r.Node = &observed.Diagnosis, optional(observed.Node)
	return r
}

func running(r api.Report, observed job.Observation) api.Report {
	r.At, r.Node, r.Indexes = observed.RunningSince, optional(observed.Node), observed.Indexes
	if observed.Phase == job.Running {
		r.Diagnosis = optional(observed.Diagnosis)
	}
	return r
}

// outcome fills in how the attempt ended. If the server called that invalid, only the fields that cannot be
// invalid are sent.
func outcome(r api.Report, observed job.Observation, refusal string) api.Report {
	succeeded := observed.Succeeded
	r.Succeeded = &succeeded
	if !succeeded {
		category := observed.Category
		if category == "" {
			category = api.CategoryUnknown
		}
		r.Category = &category
	}
	r.At, r.ExitCode = observed.EndedAt, observed.ExitCode
	if refusal != "" {
		r.Message = optional("the server refused the details of this outcome: " + refusal)
		return r
	}
	r.Node, r.Message = optional(observed.Node), optional(observed.Message)
	r.LastLines, r.Image, r.Indexes = optional(observed.LastLines), optional(observed.Image), observed.Indexes
	return r
}

// doneOf is how many of an attempt's indexes have ended, in percent: that is as often as they are reported.
func doneOf(i *api.AttemptIndexes) int {
	if i == nil || i.Total <= 0 {
		return 0
	}
	return int(100 * (int64(i.Succeeded) + int64(i.Failed)) / int64(i.Total))
}

// with is what the server has accepted after it has accepted this report as well.
func (s accepted) with(r api.Report) accepted {
	s.manifest = s.manifest || r.Manifest != nil
	switch r.Kind {
	case api.ReportKindSubmitted:
		s.uid = *r.JobUID
	case api.ReportKindPending:
		s.phase, s.diagnosis, s.node = job.Pending, value(r.Diagnosis), value(r.Node)
	case api.ReportKindRunning:
		s.phase, s.diagnosis, s.node = job.Running, value(r.Diagnosis), value(r.Node)
		s.indexesDone = doneOf(r.Indexes)
	}
	return s
}

// optional is nil for an empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
