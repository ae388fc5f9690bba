// Package audit holds `berth audit`.
package audit

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "The audit: who changed what, and who was refused to"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, lsCommand(app))
}
