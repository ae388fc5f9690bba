package pool

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
)

// printSaved says what a save came to: warnings and impact beside the output.
func printSaved(given templatefile.File, format cli.Format, version api.TemplateVersion) error {
	app := given.App
	style := app.Style(app.Err)
	if version.Warnings != nil {
		given.PrintFindings(*version.Warnings, templating.SeverityWarning)
	}
	if impact := version.Impact; impact != nil && impact.Deployments > 0 {
		app.Notef("%s", impactText(style, *impact))
		if impact.NewlyBroken > 0 {
			app.Notef("show the affected deployments: berth pool template diff %s --from %d --to %d",
				version.Pool, max(1, version.Version-1), version.Version)
		}
	}
	return cli.PrintConfirmation(app, format, version, "template of pool %q is version %d", version.Pool,
		version.Version)
}
