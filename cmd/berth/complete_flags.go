package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
)

// completeFlags gives every flag whose values are known its completion, whatever command has it.
func completeFlags(app *cli.App, cmd *cobra.Command) {
	for _, child := range cmd.Commands() {
		completeFlags(app, child)
	}
	if cmd.Hidden {
		return
	}
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		complete := flagValues(app, flag.Name)
		if _, known := cmd.GetFlagCompletionFunc(flag.Name); known || complete == nil {
			return
		}
		// The only error there is: a flag of another name.
		_ = cmd.RegisterFlagCompletionFunc(
			flag.Name,
			func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
				if flag.Name != "param" && flag.Name != "job-variable" { // these depend on the deployment
					args = nil
				}
				return complete(cmd, args, typed)
			},
		)
	})
}

// flagValues completes the values of flags of this name; nil where they can be anything.
func flagValues(app *cli.App, flag string) lookup.Completer {
	fixed := func(values ...string) lookup.Completer {
		return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	}
	switch flag {
	case "pool":
		return lookup.PoolNames(app)
	case "deployment":
		return lookup.DeploymentNames(app)
	case "param":
		return lookup.Parameters(app)
	case "job-variable":
		return lookup.JobVariables(app)
	case "tag", "any-tag":
		return lookup.Tags(app)
	case "queue":
		return lookup.Queues(app)
	case "state":
		return fixed("SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CRASHED", "CANCELLING",
			"CANCELLED")
	case "type":
		return fixed("kubernetes", "process")
	case "role":
		return fixed("admin", "editor", "operator", "viewer", "worker")
	case "auth":
		return fixed("keys", "none")
	case "migrate":
		return fixed("auto", "check")
	case "partition":
		return fixed("weekly")
	case "event":
		return fixed("run.ended", "deployment.failing", "schedule.failing", "pool.no_worker")
	case "cause":
		return fixed("app", "oom", "evicted", "preempted", "node_lost", "deadline", "image_pull", "config", "unschedulable",
			"quota", "invalid", "template", "deleted", "cancelled", "unknown")
	case "format":
		return fixed("json", "cloudevents", "slack", "teams", "pagerduty")
	case "log-format":
		return fixed("text", "json")
	case "log-level":
		return fixed("debug", "info", "warn", "error")
	}
	return nil
}
