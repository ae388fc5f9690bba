// Package apikey holds `berth api-key`.
package apikey

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "api-key", Short: "Manage API keys"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, createCommand(app), lsCommand(app), revokeCommand(app))
}
