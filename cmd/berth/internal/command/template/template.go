// Package template holds `berth template`: the template language offline, without a server.
package template

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "template", Short: "Check and render template files without a server"}
	return cli.Group(cmd, renderCommand(app), lintCommand(app))
}
