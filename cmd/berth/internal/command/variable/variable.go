// Package variable holds `berth variable`.
package variable

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "variable",
		Short: "Stored variables, for {{ berth.variables.NAME }} in deployments and runs",
	}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, setCommand(app), getCommand(app), lsCommand(app), deleteCommand(app))
}
