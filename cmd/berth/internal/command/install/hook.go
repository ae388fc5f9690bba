package install

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/command/keys"
)

// hookCommand holds what only the chart's hooks call.
func hookCommand(app *cli.App) *cobra.Command {
	var cluster keys.ChartCluster
	var deployment string
	stop := &cobra.Command{
		Use:   "stop-deployment --deployment NAME",
		Short: "Scale a Deployment to zero and wait until its pods are gone",
		Args:  cobra.NoArgs,
	}
	cluster.Add(stop, "")
	stop.Flags().StringVar(&deployment, "deployment", "", "name of the Deployment")
	stop.RunE = func(cmd *cobra.Command, _ []string) error {
		if deployment == "" {
			return cli.Usagef("hook stop-deployment needs --deployment, the name of the Deployment")
		}
		config, err := cluster.Connect()
		if err != nil {
			return err
		}
		if err := config.StopDeployment(cmd.Context(), config.Namespace, deployment); err != nil {
			return err
		}
		return app.Printf("deployment %s/%s is stopped\n", config.Namespace, deployment)
	}
	return cli.Group(
		&cobra.Command{Use: "hook", Short: "Commands for the hooks of the Helm chart", Hidden: true}, stop)
}
