package pool

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func templateCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "template", Short: "Manage the base job template of a pool"}
	return cli.Group(cmd, templateGetCommand(app), templateSetCommand(app), templateEditCommand(app),
		templatePreviewCommand(app), templateLintCommand(app), templateVersionsCommand(app),
		templateDiffCommand(app), templateRollbackCommand(app), templateSchemaCommand(app))
}
