// Package deploy holds `berth deploy`: it reads a berth.yaml or prefect.yaml, shows the plan, asks and
// applies it.
package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/gitorigin"
	"github.com/berth-dev/berth/cmd/berth/internal/undo"
	"github.com/berth-dev/berth/server/api"
)

// deployFlags is what `berth deploy` was told.
type deployFlags struct {
	file                      string
	dryRun, prune, force, yes bool
	waitApproval              bool
	// steps are STEP.NAME=VALUE, only are names of deployments, and pool is that of deployments without one.
	steps, only []string
	pool        string
	breakGlass  *string
}

// The files that a directory usually has.
const (
	defaultFile = "berth.yaml"
	prefectFile = "prefect.yaml"
)

func Command(app *cli.App) *cobra.Command {
	var in deployFlags
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Apply berth.yaml: rules, pools, queues, variables, deployments and schedules",
		Long: `Apply the rules, pools, queues, variables, deployments and schedules in berth.yaml in one transaction.

The command first shows a plan with all changes and deletions. On a terminal it asks before it
applies the plan, unless --yes is set; elsewhere, such as in CI, it applies the plan at once, except
for deletions, which need --yes. What was deleted can be restored for a time. The command
applies exactly the plan it showed: if the server changed in the meantime, it shows a new plan.

If a pool requires that another person approves the plan, nothing is applied: the command prints the
id of the request, and its exit code is 3. Once it is approved (berth approve ID), the same deploy
applies it. With --wait-approval the command waits for that.

With --dry-run nothing is applied. The exit code is 2 if the server refuses the file. It is 1 if the
runs of a deployment would be refused: no valid Job can be made of its values, for example without
an image, or a template in the file breaks a deployment that works now. A variable that each run is
to give belongs to required in the schema of the template.

Objects that are not in the file stay as they are. With --prune, objects that an earlier deploy of
the same project created are deleted. The project is set in the file, or derived from the git origin
of the repository and the file's directory in it; without either, --prune is refused. The format of
the file is described in docs/berth-yaml.md.

A prefect.yaml is accepted, too: its deployments and their schedules are converted, and a note with
the line number names each setting that is not supported. Berth runs no steps; --step says what they
gave.`,
		Example: `  berth deploy --dry-run
  berth deploy -f jobs/berth.yaml --prune
  berth deploy -f prefect.yaml --only etl --step build-image.image=ghcr.io/example/etl:1.2`,
		Args: cobra.NoArgs,
	}
	cli.ClientFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&in.file, "file", "f", defaultFile, "file to apply; - for standard input")
	flags.BoolVar(&in.dryRun, "dry-run", false, "show the plan and change nothing")
	flags.BoolVar(&in.prune, "prune", false,
		"delete objects of the project that the file no longer declares")
	flags.BoolVar(&in.force, "force", false,
		"with --prune: delete deployments that have active runs, after cancelling these runs")
	flags.BoolVarP(&in.yes, "yes", "y", false, "apply without confirmation")
	flags.BoolVar(&in.waitApproval, "wait-approval", false,
		"if another person must approve the plan, wait for that and then apply it")
	flags.StringArrayVar(&in.only, "only", nil,
		"deploy only this deployment of the file, as NAME or FLOW/NAME (repeatable)")
	flags.StringVar(&in.pool, "pool", "", "prefect.yaml: work pool of deployments that name none")
	flags.StringArrayVar(&in.steps, "step", nil,
		"prefect.yaml: output of a step as STEP.NAME=VALUE, which {{ STEP.NAME }} takes (repeatable)")
	in.breakGlass = cli.BreakGlassFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		if in.force && !in.prune {
			return cli.Usagef("--force belongs to --prune")
		}
		if in.prune && len(in.only) > 0 {
			return cli.Usagef("--only and --prune exclude each other: --prune would delete the other deployments of the file")
		}
		described, err := loadBerthFile(app, in)
		if err != nil {
			return err
		}
		if err := nameProject(ctx, app, described, in); err != nil {
			return err
		}
		return deploy{
			app:    app,
			cmd:    cmd,
			client: client,
			flags:  in,
			file:   described,
			format: *format,
		}.run(ctx)
	})
	cmd.AddCommand(schemaCommand(app))
	return cmd
}

// outputs reads what --step says.
func (in deployFlags) outputs() (map[string]string, error) {
	outputs := map[string]string{}
	for _, arg := range in.steps {
		name, value, ok := strings.Cut(arg, "=")
		if step, output, dotted := strings.Cut(name, "."); !ok || !dotted || step == "" || output == "" {
			return nil, cli.Usagef("--step %q: must be STEP.NAME=VALUE, such as build-image.image=ghcr.io/example/etl:1.2", arg)
		}
		outputs[name] = value
	}
	return outputs, nil
}

// nameProject derives the project of a file that names none from its repository. The name of a directory is
// not enough: the files of two repositories would delete each other's deployments.
func nameProject(ctx context.Context, app *cli.App, described *berthfile.File, in deployFlags) error {
	if described.Project() != "" {
		return nil
	}
	dir := "."
	if in.file != "-" {
		dir = filepath.Dir(in.file)
	}
	project, err := gitorigin.Project(ctx, dir)
	switch {
	case err == nil:
		described.DeriveProject(project)
		if in.prune {
			app.Notef("project %s, from the git origin of the repository", project)
		}
		return nil
	case !in.prune || ctx.Err() != nil:
		return ctx.Err()
	}
	return cli.Usagef("--prune deletes what belongs to a project, and nothing says which: write "+
		"\"project: NAME\" at the top of %s (there is %s to derive it from)", in.file, err)
}

func loadBerthFile(app *cli.App, in deployFlags) (*berthfile.File, error) {
	file := in.file
	steps, err := in.outputs()
	if err != nil {
		return nil, err
	}
	source := berthfile.Source{Read: app.ReadFile, Env: app.Env, Steps: steps, Only: in.only, Pool: in.pool}
	if app.Now != nil {
		source.Now = app.Now()
	}
	described, err := berthfile.Load(file, source)
	var problems berthfile.Problems
	if err == nil {
		for _, note := range described.Notes {
			app.Notef("%s %s", app.Style(app.Err).Active("note:"), note)
		}
		return described, nil
	}
	if !errors.As(err, &problems) {
		return nil, err
	}
	if file == "-" {
		file = "standard input"
	}
	usage := cli.Usagef("cannot deploy %s", file)
	for _, problem := range problems {
		usage.Details = append(usage.Details, problem.String())
	}
	if _, err := os.Stat(prefectFile); file == defaultFile && problems[0].Line == 0 && err == nil {
		usage.Details = append(usage.Details, "there is a "+prefectFile+": berth deploy -f "+prefectFile)
	}
	return nil, usage
}

// deploy is one deploy.
type deploy struct {
	app    *cli.App
	cmd    *cobra.Command
	client *cli.Client
	flags  deployFlags
	file   *berthfile.File
	format cli.Format
}

// planTries bounds how often the plan is made again after a concurrent change.
const planTries = 5

// run plans, shows the plan, asks, and carries out what was shown.
func (d deploy) run(ctx context.Context) error {
	for try := 1; ; try++ {
		plan, err := d.apply(ctx, berthfile.Options{DryRun: true})
		if err != nil {
			return err
		}
		if err := d.show(plan); err != nil {
			return err
		}
		n := countChanges(plan)
		if d.flags.dryRun {
			return d.endDryRun(plan, n)
		}
		if n.all() == 0 {
			return d.printSummary(plan, n.summary(false))
		}
		if err := d.confirm(ctx, n); err != nil {
			return err
		}
		done, err := d.apply(ctx, berthfile.Options{Plan: plan.Plan})
		if err != nil {
			if err = d.waitForApproval(ctx, err); err == nil {
				done, err = d.apply(ctx, berthfile.Options{Plan: plan.Plan})
			}
		}
		var problem *cli.ProblemError
		if errors.As(err, &problem) && problem.Problem.Code == planChanged && try < planTries {
			d.app.Notef("the server changed in the meantime; this is the new plan:")
			continue
		}
		if err != nil {
			return err
		}
		return d.printSummary(done, n.summary(false))
	}
}

// endDryRun ends with 1 where the plan breaks something, so that CI stops there.
func (d deploy) endDryRun(plan api.ApplyResult, n changeCount) error {
	if err := d.printSummary(plan, n.summary(true)); err != nil {
		return err
	}
	if plan.Broken == nil {
		return nil
	}
	names := *plan.Broken
	d.app.Notef("%s", d.app.Style(d.app.Err).Failure(fmt.Sprintf("runs of %s would be refused: %s; see the warnings",
		cli.Plural(len(names), "deployment"), cli.CommaList(names))))
	return &cli.SilentError{Code: cli.ExitFailed}
}

// planChanged is the code with which the server refuses a plan that is out of date.
const planChanged = "plan-changed"

func (d deploy) apply(ctx context.Context, o berthfile.Options) (api.ApplyResult, error) {
	o.Prune, o.Force = d.flags.prune, d.flags.force
	body, err := d.file.Request(o)
	if err != nil {
		return api.ApplyResult{}, err
	}
	what := "applying"
	if o.DryRun {
		what = "planning"
	}
	working := d.app.ShowElapsed(what)
	params := &api.ApplyParams{BreakGlass: cli.StringOrNil(*d.flags.breakGlass)}
	r, err := d.client.ApplyWithBodyWithResponse(ctx, params, "application/json", bytes.NewReader(body))
	working.Stop()
	result, err := cli.Value(r, err)
	var problem *cli.ProblemError
	if errors.As(err, &problem) {
		problem.Locate = d.locate
	}
	return result, err
}

// locate says where in the files something is; what pruning meets is in none of them.
func (d deploy) locate(pointer string) string {
	if pointer == "/prune" {
		return "--prune"
	}
	return d.file.Locate(pointer)
}

// confirm asks a person. Where there is none, or the plan was not shown, the command line is all there is to
// go by, and deletions need --yes.
func (d deploy) confirm(ctx context.Context, n changeCount) error {
	if n.deleted > 0 {
		what := fmt.Sprintf("apply %s, including %s", cli.Plural(n.all(), "change"),
			cli.Plural(n.deleted, "deletion"))
		return d.app.Destroy(ctx, d.cmd, nil, d.format, cli.Destruction{What: what, Yes: d.flags.yes})
	}
	if d.flags.yes || d.format != cli.Table || !d.app.Interactive() {
		return nil
	}
	yes, err := d.app.Confirm(ctx, fmt.Sprintf("apply %s?", cli.Plural(n.all(), "change")), true)
	if err != nil || yes {
		return err
	}
	d.app.Notef("nothing changed")
	return &cli.SilentError{Code: cli.ExitFailed}
}

// printSummary prints what there is to say at the end.
func (d deploy) printSummary(result api.ApplyResult, summary string) error {
	if d.format != cli.Table {
		return d.app.PrintDocument(d.format, result)
	}
	if gone := result.Deletion; gone != nil && gone.ID != nil {
		summary += fmt.Sprintf("; berth deleted restore %s brings back %s%s", gone.ID,
			cli.Plural(len(gone.Items), "deleted object"), undo.Until(gone.RestorableUntil))
	}
	return d.app.Printf("%s\n", summary)
}
