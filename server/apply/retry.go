package apply

import (
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// checkRetries finds what the schema of a retry policy allows and makes no sense: contradicting fields, and a
// job variable that cannot be raised after an attempt ran out of memory.
func checkRetries(
	findings *finding.List, p lifecycle.RetryPolicy, variables map[string]any, compiled *templating.Compiled,
) {
	if p.Backoff != nil && p.Delay > 0 {
		findings.Addf(
			problem.ApplyInvalid,
			"/retries/delay_seconds",
			"set delay_seconds or backoff, not both",
		)
	}
	if p.Backoff != nil && p.Backoff.Max < p.Backoff.Initial {
		findings.Addf(
			problem.ApplyInvalid,
			"/retries/backoff/max_seconds",
			"must not be less than initial_seconds",
		)
	}
	if p.OOM == nil {
		return
	}

	var limit any
	if len(p.OOM.MaxValue) > 0 {
		var err error
		if limit, err = templating.DecodeJSON(p.OOM.MaxValue); err != nil {
			findings.AddProblems(problem.ApplyInvalid, "/retries/oom/max_value", err)
		}
	}
	if text, ok := limit.(string); ok {
		if _, err := manifest.ParseQuantity(text); err != nil {
			findings.Addf(
				problem.ApplyInvalid,
				"/retries/oom/max_value",
				"%q is not a quantity such as 4Gi",
				text,
			)
		}
	}

	if compiled == nil {
		return
	}
	properties, _ := compiled.VariablesSchema()["properties"].(map[string]any)
	_, inTemplate := properties[p.OOM.Variable]
	if _, set := variables[p.OOM.Variable]; !inTemplate && !set {
		findings.Addf(problem.ApplyInvalid, "/retries/oom/variable",
			"the template of the work pool has no job variable %q", p.OOM.Variable)
	}
}
