package pool

import (
	"context"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// TemplateChange is what `diff` prints as a document.
type TemplateChange struct {
	Diff   api.TemplateDiff   `json:"diff"`
	Impact api.TemplateImpact `json:"impact"`
}

// getChange asks for the differences, and for what they do to all deployments.
func getChange(
	ctx context.Context, client *cli.Client, pool string, c api.TemplateComparison,
) (TemplateChange, error) {
	var change TemplateChange
	var err error
	if change.Diff, err = cli.Value(client.DiffTemplateWithResponse(ctx, pool, c)); err != nil {
		return change, err
	}
	change.Impact, err = getImpact(ctx, client, pool, c)
	return change, err
}

func getImpact(
	ctx context.Context, client *cli.Client, pool string, c api.TemplateComparison,
) (api.TemplateImpact, error) {
	var impact api.TemplateImpact
	items, err := cli.Pages(0, func(limit int32, cursor *string) ([]api.DeploymentImpact, *string, error) {
		page, err := cli.Value(client.ImpactTemplateWithResponse(ctx, pool,
			&api.ImpactTemplateParams{Limit: &limit, Cursor: cursor}, c))
		impact = page
		return page.Items, page.NextCursor, err
	})
	impact.Items, impact.NextCursor = items, nil
	if impact.Items == nil {
		impact.Items = []api.DeploymentImpact{}
	}
	return impact, err
}

// printPatch prints a unified diff, coloured on a terminal.
func printPatch(app *cli.App, patch, none string) error {
	if patch == "" {
		return app.Printf("%s\n", none)
	}
	style := app.Style(app.Out)
	for _, line := range strings.Split(strings.TrimSuffix(patch, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			line = style.Bold(line)
		case strings.HasPrefix(line, "@@"):
			line = style.Dim(line)
		case strings.HasPrefix(line, "+"):
			line = style.Success(line)
		case strings.HasPrefix(line, "-"):
			line = style.Failure(line)
		}
		if err := app.Printf("%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// printImpact prints what a change does to the deployments: the broken ones first, with the reason, then the
// others by name or with the diff of their Jobs.
func printImpact(app *cli.App, impact api.TemplateImpact, jobs bool) error {
	style := app.Style(app.Out)
	if err := app.Printf("\n%s\n", impactText(style, impact.Summary)); err != nil {
		return err
	}
	for _, item := range impact.Items {
		line := style.Active("changed") + "  " + item.Deployment
		switch {
		case item.Verdict == api.Broken && item.BrokenBefore:
			line = style.Failure("broken") + "   " + item.Deployment + " (and was before)"
		case item.Verdict == api.Broken:
			line = style.Failure("broken") + "   " + item.Deployment
		case item.BrokenBefore:
			line += " (was broken)"
		}
		if len(item.Invented) > 0 {
			line += style.Dim("  shown with an example value for " + cli.CommaList(item.Invented))
		}
		if err := app.Printf("  %s\n", line); err != nil {
			return err
		}
		for _, finding := range item.Errors {
			if err := app.Printf("           %s\n", cli.FindingLine(finding)); err != nil {
				return err
			}
		}
		if jobs && item.Text != "" {
			if err := printPatch(app, item.Text, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func impactText(style cli.Style, s api.TemplateImpactSummary) string {
	text := fmt.Sprintf("%s: %d unchanged, %d changed, %d broken",
		cli.Plural(int(s.Deployments), "deployment"), s.Unchanged, s.Changed, s.Broken)
	if s.NewlyBroken > 0 {
		return style.Failure(fmt.Sprintf("%s, %d of them by this change", text, s.NewlyBroken))
	}
	return text
}
