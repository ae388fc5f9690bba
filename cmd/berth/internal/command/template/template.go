// Package template holds `berth template`: the template language offline, without a server.
package template

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/spf13/cobra"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "template", Short: "The template language by itself, offline"}
	return cli.Group(cmd, renderCommand(app), lintCommand(app))
}
