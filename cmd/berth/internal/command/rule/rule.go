// Package rule holds `berth rule`, for the rules of the installation, and `berth pool rule`, for those of a
// pool. Both have the same commands.
package rule

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/undo"
	"github.com/berth-dev/berth/server/api"
)

// Command is `berth rule`.
func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "rule", Short: "Manage the rules of the installation, which count in every pool"}
	cli.ClientFlags(cmd)
	return group(app, cmd, scope{})
}

// PoolCommand is `berth pool rule`.
func PoolCommand(app *cli.App) *cobra.Command {
	return group(app, &cobra.Command{Use: "rule", Short: "Manage the rules that Jobs of a pool must comply with"},
		scope{ofPool: true})
}

func group(app *cli.App, cmd *cobra.Command, s scope) *cobra.Command {
	return cli.Group(cmd, lsCommand(app, s), getCommand(app, s), setCommand(app, s), testCommand(app, s),
		deleteCommand(app, s), restoreCommand(app, s), libraryCommand(app))
}

// scope is whose rules a command is about. Commands of a pool take its name as their first argument.
type scope struct {
	ofPool bool
}

// use is the synopsis of a command.
func (s scope) use(verb, arguments string) string {
	if s.ofPool {
		verb += " POOL"
	}
	if arguments != "" {
		verb += " " + arguments
	}
	return verb
}

// args bounds the arguments beside the pool.
func (s scope) args(least, most int) cobra.PositionalArgs {
	if s.ofPool {
		return cobra.RangeArgs(least+1, most+1)
	}
	return cobra.RangeArgs(least, most)
}

func (s scope) complete(app *cli.App, cmd *cobra.Command) {
	if s.ofPool {
		cmd.ValidArgsFunction = lookup.PoolNames(app)
	}
}

// split takes the pool off the arguments; it is empty for the installation.
func (s scope) split(args []string) (pool string, rest []string) {
	if s.ofPool {
		return args[0], args[1:]
	}
	return "", args
}

// breakGlass adds --break-glass for the rules of a pool; a pool can require approvals for them.
func (s scope) breakGlass(cmd *cobra.Command) *string {
	if !s.ofPool {
		return new(string)
	}
	return cli.BreakGlassFlag(cmd)
}

func scopeText(pool string) string {
	if pool == "" {
		return "the installation"
	}
	return fmt.Sprintf("work pool %q", pool)
}

func list(ctx context.Context, client *cli.Client, pool string) ([]api.Rule, error) {
	if pool == "" {
		rules, err := cli.Value(client.ListRulesWithResponse(ctx))
		return rules.Items, err
	}
	rules, err := cli.Value(client.ListPoolRulesWithResponse(ctx, pool))
	return rules.Items, err
}

// find returns the named rule that counts in a pool; the pool's own before that of the installation.
func find(ctx context.Context, client *cli.Client, pool, name string) (api.Rule, error) {
	rules, err := list(ctx, client, pool)
	if err != nil {
		return api.Rule{}, err
	}
	for i := len(rules) - 1; i >= 0; i-- {
		if rules[i].Name == name {
			return rules[i], nil
		}
	}
	command := "berth rule ls"
	if pool != "" {
		command = "berth pool rule ls " + pool
	}
	return api.Rule{}, fmt.Errorf("%s has no rule %q; %s lists its rules", scopeText(pool), name, command)
}

func scopeCell(r api.Rule) string {
	if r.Pool == nil {
		return "installation"
	}
	return "pool"
}

func lsCommand(app *cli.App, s scope) *cobra.Command {
	short := "List the rules of the installation"
	if s.ofPool {
		short = "List the rules that count in a pool, those of the installation first"
	}
	cmd := &cobra.Command{Use: s.use("ls", ""), Aliases: []string{"list"}, Short: short, Args: s.args(0, 0)}
	s.complete(app, cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		pool, _ := s.split(args)
		rules, err := list(ctx, client, pool)
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, rules, []cli.Column[api.Rule]{
			{Title: "name", Cell: func(r api.Rule) string { return r.Name }},
			{Title: "of", Cell: scopeCell},
			{Title: "action", Cell: func(r api.Rule) string { return string(r.Action) }},
			{Title: "from", Cell: func(r api.Rule) string { return cli.Text(r.From) }},
			{Title: "description", Cell: func(r api.Rule) string { return cli.Text(r.Description) }},
		})
	})
	return cmd
}

func getCommand(app *cli.App, s scope) *cobra.Command {
	cmd := &cobra.Command{Use: s.use("get", "NAME"), Short: "Show a rule", Args: s.args(1, 1)}
	s.complete(app, cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		pool, rest := s.split(args)
		r, err := find(ctx, client, pool, rest[0])
		if err != nil {
			return err
		}
		return cli.PrintObject(app, *format, r, []cli.Field{
			{Name: "name", Value: r.Name},
			{Name: "of", Value: scopeCell(r)},
			{Name: "action", Value: string(r.Action)},
			{Name: "from", Value: cli.Text(r.From)},
			{Name: "description", Value: cli.Text(r.Description)},
			{Name: "expression", Value: r.Expression},
			{Name: "message", Value: cli.Text(r.Message)},
			{Name: "message expression", Value: cli.Text(r.MessageExpression)},
			{Name: "params", Value: string(r.Params)},
		})
	})
	return cmd
}

func deleteCommand(app *cli.App, s scope) *cobra.Command {
	cmd := &cobra.Command{
		Use: s.use("delete", "NAME"), Short: "Delete a rule; it can be restored for a time", Args: s.args(1, 1),
	}
	s.complete(app, cmd)
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	reason := s.breakGlass(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		pool, rest := s.split(args)
		object := undo.Object{Name: rest[0], Pool: pool, Text: fmt.Sprintf("rule %q of %s", rest[0], scopeText(pool))}
		what := fmt.Sprintf("delete %s, after which Jobs need not comply with it", object.Text)
		if err := app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Yes: *yes}); err != nil {
			return err
		}
		var gone api.Deletion
		var err error
		if pool == "" {
			object.Restore = cli.CommandLine("berth rule restore", rest[0])
			gone, err = cli.Value(client.DeleteRuleWithResponse(ctx, rest[0]))
		} else {
			object.Restore = cli.CommandLine("berth pool rule restore", pool, rest[0])
			gone, err = cli.Value(client.DeletePoolRuleWithResponse(ctx, pool, rest[0],
				&api.DeletePoolRuleParams{BreakGlass: cli.StringOrNil(*reason)}))
		}
		if err != nil {
			return err
		}
		return undo.Done(app, *format, object, gone)
	})
	return cmd
}

func restoreCommand(app *cli.App, s scope) *cobra.Command {
	cmd := undo.RestoreCommand(app, s.use("restore", "NAME"), api.DeletedRule, s.args(1, 1),
		func(args []string) api.RestoreRequest {
			pool, rest := s.split(args)
			return api.RestoreRequest{Name: &rest[0], Pool: cli.StringOrNil(pool)}
		})
	s.complete(app, cmd)
	return cmd
}
