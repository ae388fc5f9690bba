package main

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func rootCommand(app *cli.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "berth",
		Short: "Run parameterised container jobs on Kubernetes from governed templates",
		Long: `Run parameterised container jobs on Kubernetes from governed templates.

Every flag can be set in the environment: --api-url is BERTH_API_URL. The flag wins over the environment, and that over
the configuration file (~/.config/berth/config.yaml with api_url and api_key). Commands exit with 0 when it is done,
1 when the thing failed, and 2 for wrong use or bad input.`,
		Args:    cobra.ArbitraryArgs,
		Version: buildVersion(),
	}
	children := []*cobra.Command{
		devCommand(app), serverCommand(app), migrateCommand(app), workerCommand(app),
		poolCommand(
			app,
		), queueCommand(app), deployCommand(app), deploymentCommand(app), scheduleCommand(app), runCommand(app),
		variableCommand(
			app,
		), apiKeyCommand(app), auditCommand(app), templateCommand(app), keysCommand(app), versionCommand(app),
	}
	children = append(children, installCommands(app)...)
	cli.Group(root, children...)
	completeFlags(app, root)
	return root
}
