package rule

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func setCommand(app *cli.App, s scope) *cobra.Command {
	g := &given{}
	cmd := &cobra.Command{
		Use:   s.use("set", "[NAME] (-f FILE | --from RULE | --expression CEL)"),
		Short: "Create or replace a rule",
		Long: `Create or replace a rule. It counts for every Job from then on; the answer says which deployments and
recent runs it refuses. Try it first with the command test.`,
		Example: `  berth` + s.group() + ` set` + s.example() + ` -f rule.yaml
  berth` + s.group() + ` set` + s.example() + ` --from registries-allowed --rule-param 'registries=["ghcr.io/acme"]'
  berth` + s.group() + ` set` + s.example() + ` one-container --expression 'containers.size() == 1' --message 'one container only'`,
		Args: s.args(0, 1),
	}
	s.complete(app, cmd)
	g.flags(cmd)
	reason := s.breakGlass(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		pool, rest := s.split(args)
		r, err := g.read(app)
		if err != nil {
			return err
		}
		switch {
		case len(rest) > 0:
			r.Name = rest[0]
		case r.Name == "" && r.From != nil:
			r.Name = *r.From
		}
		if r.Name == "" {
			return cli.Usagef("name the rule: as an argument, or as name in the file")
		}
		var saved api.Rule
		if pool == "" {
			saved, err = cli.Value(client.SetRuleWithResponse(ctx, r.Name, r.RuleSpec))
		} else {
			saved, err = cli.Value(client.SetPoolRuleWithResponse(ctx, pool, r.Name,
				&api.SetPoolRuleParams{BreakGlass: cli.StringOrNil(*reason)}, r.RuleSpec))
		}
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, saved, "rule %q of %s set: %s", saved.Name, scopeText(pool),
			impactText(saved.Impact))
	})
	return cmd
}

// group is the group of the command, in examples.
func (s scope) group() string {
	if s.ofPool {
		return " pool rule"
	}
	return " rule"
}

// example is the pool in examples.
func (s scope) example() string {
	if s.ofPool {
		return " etl"
	}
	return ""
}
