package deployment

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/command/schedule"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func getCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get NAME",
		Short:             "Show a deployment",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: lookup.DeploymentNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		d, err := lookup.GetDeployment(ctx, client, args[0])
		if err != nil {
			return err
		}
		return cli.PrintObject(app, *format, d, []cli.Field{
			{Name: "Name", Value: d.Name},
			{Name: "Pool", Value: d.Pool},
			{Name: "Queue", Value: d.Queue},
			{Name: "Status", Value: cli.PausedText(d.Paused) + app.PausedBy(d.Pause)},
			{Name: "Description", Value: d.Description},
			{Name: "Version", Value: d.Version},
			{Name: "Project", Value: cli.Text(d.Project)},
			{Name: "Tags", Value: cli.CommaList(d.Tags)},
			{Name: "Limit", Value: limit(d.ConcurrencyLimit)},
			{Name: "Timeout", Value: seconds(d.TimeoutSeconds)},
			{Name: "Start deadline", Value: seconds(d.StartDeadlineSeconds)},
			{Name: "Retries", Value: retries(d.Retries)},
			{Name: "Schedules", Value: schedule.Text(app, d.Schedules)},
			{Name: "ID", Value: d.ID.String()},
			{Name: "Created", Value: app.Ago(d.CreatedAt)},
			{Name: "Updated", Value: app.Ago(d.UpdatedAt)},
			{Name: "Parameters", Value: cli.FormatYAML(d.Parameters)},
			{Name: "Parameter schema", Value: cli.FormatYAML(d.ParameterSchema)},
			{Name: "Job variables", Value: cli.FormatYAML(d.JobVariables)},
			{Name: "Frozen", Value: frozen(d.Frozen)},
		})
	})
	return cmd
}

func seconds(n *int64) string {
	if n == nil {
		return ""
	}
	return cli.Duration(time.Duration(*n) * time.Second)
}

// retries is a policy in words; nothing where it retries nothing.
func retries(p api.RetryPolicy) string {
	var parts []string
	if p.Max != nil && *p.Max > 0 {
		text := fmt.Sprintf("%d of the workload's failures", *p.Max)
		if p.DelaySeconds != nil && *p.DelaySeconds > 0 {
			text += fmt.Sprintf(", %s apart", cli.Duration(time.Duration(*p.DelaySeconds)*time.Second))
		}
		parts = append(parts, text)
	}
	if p.InfrastructureMax != nil && *p.InfrastructureMax > 0 {
		parts = append(parts, fmt.Sprintf("%d of what the infrastructure did", *p.InfrastructureMax))
	}
	return strings.Join(parts, "; ")
}

// limit of attempts at once; nothing where there is none.
func limit(n *int32) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

func frozen(names *api.FrozenNames) string {
	if names == nil {
		return ""
	}
	var parts []string
	if names.JobVariables != nil && len(*names.JobVariables) > 0 {
		parts = append(parts, "job variables "+cli.CommaList(*names.JobVariables))
	}
	if names.Parameters != nil && len(*names.Parameters) > 0 {
		parts = append(parts, "parameters "+cli.CommaList(*names.Parameters))
	}
	return strings.Join(parts, "; ")
}
