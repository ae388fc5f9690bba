// Package audit holds `berth audit`.
package audit

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Show the audit log: changes and refused requests"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, lsCommand(app))
}
