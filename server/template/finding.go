package template

import (
	"fmt"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
)

// Findings puts what templating says into the words of the API; never nil.
func Findings(problems []templating.Problem) []api.Finding {
	findings := make([]api.Finding, 0, len(problems))
	for _, p := range problems {
		finding := api.Finding{Pointer: p.Pointer, Code: &p.Code, Message: p.Message}
		if p.Line > 0 {
			line, column := int32(p.Line), int32(p.Column)
			finding.Line, finding.Column = &line, &column
		}
		if p.Suggestion != "" {
			finding.Suggestion = &p.Suggestion
		}
		findings = append(findings, finding)
	}
	return findings
}

func summary(problems []templating.Problem) string {
	if len(problems) == 1 {
		return problems[0].String()
	}
	return fmt.Sprintf("%s (and %d more)", problems[0], len(problems)-1)
}
