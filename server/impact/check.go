package impact

import (
	"context"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating/locate"
	"github.com/berth-dev/berth/templating/rule"
)

// Check says of the text of a template what an editor shows at each pause of typing: what is wrong and where, the Job of a
// run, and what saving it would do to the deployments of the pool.
func (a *Analyzer) Check(
	ctx context.Context, pool string, r *api.TemplateCheck, caller rule.Caller,
) (*api.TemplateChecked, error) {
	current, err := a.store.GetTemplateVersion(ctx, pool, 0)
	if err != nil {
		return nil, err
	}
	report, err := a.templates.Report(catalog.Sent{Source: r.Source})
	if err != nil {
		return nil, err
	}
	answer := &api.TemplateChecked{
		Version: current.Version, Document: report.Document, Errors: report.Errors, Warnings: report.Warnings,
		Invented: jsondoc.OrEmpty(nil),
	}
	answer.Defaults = wireDefaults(report.Located().Defaults())
	if report.Checked == nil {
		return answer, nil
	}

	seen, err := orFindings(a.preview(ctx, pool, &api.TemplatePreviewRequest{
		Deployment: wire.OrNil(r.Deployment), JobVariables: r.JobVariables, Parameters: r.Parameters,
	}, previewedTemplate{number: current.Version + 1, compiled: report.Checked.Compiled}, caller))
	if err != nil {
		return nil, err
	}
	shown := seen.Shown
	answer.Job, answer.Yaml, answer.Invented = shown.Job, shown.Yaml, shown.Invented
	answer.Errors = append(answer.Errors, report.Locate(shown.Errors)...)
	answer.Warnings = append(answer.Warnings, report.Locate(shown.Warnings)...)
	if shown.Yaml != nil {
		answer.Origins = wireOrigins(report.Located().Origins([]byte(*shown.Yaml), report.Checked.Compiled.References()))
	}
	if !wire.Or(r.Impact, true) {
		return answer, nil
	}

	breakage, err := a.Breakage(ctx, BreakageRequest{
		Pool: pool, Caller: caller, Current: current, New: report.Checked, Wanted: everything,
	})
	if err != nil {
		return nil, err
	}
	summary := wireSummary(breakage.Summary)
	breaks := wire.NonNil(breakage.first)
	answer.Impact, answer.Breaks = &summary, &breaks
	return answer, nil
}

func wireOrigins(found []locate.Origin) *[]api.JobLineOrigin {
	origins := wire.Each(found, func(one locate.Origin) api.JobLineOrigin {
		from := wire.Each(one.From, func(line int) int32 { return int32(line) })
		return api.JobLineOrigin{Line: int32(one.Line), From: from}
	})
	return &origins
}

func wireDefaults(found []locate.Default) *[]api.VariableDefault {
	defaults := wire.Each(found, func(one locate.Default) api.VariableDefault {
		shown := api.VariableDefault{Variable: one.Variable, Before: wire.OrNil(one.Before), After: wire.OrNil(one.After)}
		if one.Place.Line > 0 {
			shown.Place = finding.SourcePlace(one.Place)
		}
		return shown
	})
	return &defaults
}
