// Package apikey holds `berth api-key`.
package apikey

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/spf13/cobra"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "api-key", Short: "API keys: who may do what"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, createCommand(app), lsCommand(app), revokeCommand(app))
}
