// Package variable holds `berth variable`.
package variable

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "variable",
		Short: "Manage stored variables, used as {{ berth.variables.NAME }}",
	}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, setCommand(app), getCommand(app), lsCommand(app), deleteCommand(app), restoreCommand(app))
}
