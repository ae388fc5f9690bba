package newrun

import (
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/templating"
)

// JobFinding is what is wrong with the Job of a run, in the terms of its values.
type JobFinding struct {
	api.Finding
	// Variable is the job variable that it comes from; empty where that is none, or not known.
	Variable string
}

// JobFindings places what is wrong with a Job below /job_variables. A place in the template is told in the message: who
// creates a run has the values before them, not the template.
func JobFindings(c *templating.Compiled, problems []templating.Problem) []JobFinding {
	found := make([]JobFinding, len(problems))
	for i, f := range finding.FromProblems(problems) {
		f.Line, f.Column = nil, nil // of the template
		place := f.Pointer
		if !strings.HasPrefix(place, templating.ConfigurationPointer) {
			f.Pointer = jobVariablesPlace + place
			found[i] = JobFinding{Finding: f, Variable: jsondoc.FirstStep(place)}
			continue
		}
		f.Pointer = jobVariablesPlace
		if problems[i].Severity == templating.SeverityError {
			f.Message = "the Job would not be valid: " + f.Message
		}
		variable := c.SourceOf(place)
		if variable != "" {
			f.Pointer += "/" + jsondoc.PointerStep(variable)
			f.Message += fmt.Sprintf("; the template takes it from variable %q", variable)
		}
		f.Message += " (" + place + ")"
		found[i] = JobFinding{Finding: f, Variable: variable}
	}
	return found
}

// jobVariablesPlace is where a request has its job variables.
const jobVariablesPlace = "/job_variables"

// Gives reports whether a level of job variables has a value for a variable or for a part of it.
func Gives(level map[string]any, variable string) bool {
	for key := range level {
		if root, _, _ := strings.Cut(key, "."); key == variable || root == variable {
			return true
		}
	}
	return false
}
