// Package migrate holds `berth migrate`.
package migrate

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "Manage the database schema"}
	return cli.Group(cmd, upCommand(app), statusCommand(app), partitionCommand(app), copyCommand(app))
}
