package rule

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func testCommand(app *cli.App, s scope) *cobra.Command {
	g := &given{}
	var deployment, job, queue string
	cmd := &cobra.Command{
		Use:   s.use("test", "(-f FILE | --from RULE | --expression CEL) [--deployment NAME | --job FILE]"),
		Short: "Show what a rule would refuse, without saving it; exit with 1 if it refuses something",
		Long: `Evaluate a rule, without saving it, on the Job of each deployment and on the Jobs of recent runs, on the
Job of one deployment, or on a Job in a file.

Exits with 1 if the rule refuses something.`,
		Example: `  berth` + s.group() + ` test` + s.example() + ` -f rule.yaml
  berth` + s.group() + ` test` + s.example() + ` --from memory-limit --deployment nightly
  berth` + s.group() + ` test` + s.example() + ` -f rule.yaml --job job.yaml`,
		Args: s.args(0, 0),
	}
	s.complete(app, cmd)
	g.flags(cmd)
	cmd.Flags().StringVar(&deployment, "deployment", "", "only this deployment")
	cmd.Flags().StringVar(&job, "job", "", "YAML or JSON file with a Job to evaluate instead; - for standard input")
	cmd.Flags().StringVar(&queue, "queue", "", "queue of the Job in the file (default: default)")
	cmd.MarkFlagsMutuallyExclusive("deployment", "job")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		pool, _ := s.split(args)
		r, err := g.read(app)
		if err != nil {
			return err
		}
		body := api.RuleTestRequest{
			Name: cli.StringOrNil(r.Name), Rule: r.RuleSpec, Deployment: cli.StringOrNil(deployment),
			Queue: cli.StringOrNil(queue),
		}
		if job != "" {
			document, err := app.ReadDocument(job)
			if err != nil {
				return err
			}
			body.Job = document
		}
		var tried api.RuleTest
		if pool == "" {
			tried, err = cli.Value(client.TestRuleWithResponse(ctx, body))
		} else {
			tried, err = cli.Value(client.TestPoolRuleWithResponse(ctx, pool, body))
		}
		if err != nil {
			return err
		}
		return printTest(app, *format, tried)
	})
	return cmd
}

func printTest(app *cli.App, format cli.Format, tried api.RuleTest) error {
	var err error
	if format == cli.Table {
		err = printTestTable(app, tried)
	} else {
		err = app.PrintDocument(format, tried)
	}
	if err != nil {
		return err
	}
	for _, item := range tried.Items {
		if item.Verdict == api.RuleVerdictDeny {
			return &cli.SilentError{Code: cli.ExitFailed}
		}
	}
	return nil
}

func printTestTable(app *cli.App, tried api.RuleTest) error {
	if tried.Summary.Deployments+tried.Summary.Runs > 0 {
		if err := app.Printf("the rule %s\n", impactText(&tried.Summary)); err != nil {
			return err
		}
	}
	if len(tried.Items) == 0 {
		return nil
	}
	return cli.PrintList(app, cli.Table, tried.Items, []cli.Column[api.RuleTestResult]{
		{Title: "deployment", Cell: func(r api.RuleTestResult) string { return cli.Text(r.Deployment) }},
		{Title: "run", Cell: func(r api.RuleTestResult) string { return cli.Text(r.RunName) }},
		{Title: "verdict", Cell: func(r api.RuleTestResult) string { return string(r.Verdict) }},
		{Title: "message", Cell: func(r api.RuleTestResult) string { return cli.Text(r.Message) }},
	})
}

// impactText says how much a rule refuses.
func impactText(i *api.RuleImpact) string {
	if i == nil {
		return "it counts from now on"
	}
	text := fmt.Sprintf("refuses %d of %s and %d of %s", i.RefusedDeployments,
		cli.Plural(int(i.Deployments), "deployment"), i.RefusedRuns, cli.Plural(int(i.Runs), "recent run"))
	if i.Unknown > 0 {
		text += fmt.Sprintf("; %d could not be tried", i.Unknown)
	}
	return text
}
