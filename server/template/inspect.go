package template

import (
	"encoding/json"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// inspect finds all there is to say about a template. The Job it makes is judged by the very code that a
// worker makes it with.
func (l *Library) inspect(document json.RawMessage) (*templating.Compiled, templating.Report) {
	parsed, err := templating.Parse(document)
	if err != nil {
		return nil, templating.Report{Errors: templating.AsProblems(err), Placeholders: []string{}}
	}
	report := templating.Lint(l.registry, parsed, manifest.Check)
	if len(report.Errors) > 0 {
		return nil, report
	}
	compiled, err := l.registry.Compile(parsed)
	if err != nil {
		report.Errors = templating.AsProblems(err)
	}
	return compiled, report
}
