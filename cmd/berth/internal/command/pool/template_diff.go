package pool

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/server/api"
)

func templateDiffCommand(app *cli.App) *cobra.Command {
	var from, to int32
	var file string
	var jobs bool
	cmd := &cobra.Command{
		Use:   "diff POOL [--from N] [--to N | -f FILE]",
		Short: "Compare two versions of the template and show the effect on each deployment",
		Long: `Compare two versions of the template and show the effect on each deployment of the pool: unchanged,
a changed Job, or broken because no Job can be built. With -f, the second version is a local file.

The exit code is 1 if the change breaks a deployment that works now.

--from defaults to the newest version, or to the version before it without --to and -f.`,
		Example: `  berth pool template diff default -f template.yaml
  berth pool template diff default --from 3 --to 5 --jobs`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	flags := cmd.Flags()
	flags.Int32Var(&from, "from", 0, "first version (default: the newest)")
	flags.Int32Var(&to, "to", 0, "second version (default: the newest)")
	flags.StringVarP(&file, "file", "f", "",
		"local file with a template; - for standard input")
	flags.BoolVar(&jobs, "jobs", false, "show the changes to the Job of each deployment")
	cmd.MarkFlagsMutuallyExclusive("to", "file")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		given, err := templatefile.Read(app, file)
		if err != nil {
			return err
		}
		comparison, err := comparison(ctx, client, args[0], from, to, given.Text)
		if err != nil {
			return err
		}
		working := app.ShowElapsed("comparing with every deployment of the pool")
		change, err := getChange(ctx, client, args[0], comparison)
		working.Stop()
		if err != nil {
			return given.PrintRejection(err)
		}
		if err := printChange(app, *format, change, jobs); err != nil {
			return err
		}
		if change.Impact.Summary.NewlyBroken > 0 {
			return &cli.SilentError{Code: cli.ExitFailed}
		}
		return nil
	})
	return cmd
}

func printChange(app *cli.App, format cli.Format, change TemplateChange, jobs bool) error {
	if format != cli.Table {
		return app.PrintDocument(format, change)
	}
	if err := printPatch(app, change.Diff.Text, "the templates do not differ"); err != nil {
		return err
	}
	return printImpact(app, change.Impact, jobs)
}

// comparison says what is compared with what.
func comparison(
	ctx context.Context, client *cli.Client, pool string, from, to int32, source string,
) (api.TemplateComparison, error) {
	var c api.TemplateComparison
	if from > 0 {
		c.FromVersion = &from
	}
	switch {
	case source != "":
		c.Source = source
		return c, nil
	case to > 0:
		c.ToVersion = &to
		return c, nil
	}
	newest, err := cli.Value(client.GetTemplateWithResponse(ctx, pool, &api.GetTemplateParams{}))
	if err != nil {
		return c, err
	}
	c.ToVersion = &newest.Version
	if c.FromVersion == nil {
		if newest.Version == 1 {
			return c, cli.Usagef(
				"the template of pool %q has only one version; to compare it with a file, set -f FILE", pool)
		}
		before := newest.Version - 1
		c.FromVersion = &before
	}
	return c, nil
}
