package pool

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

// policyFlags is what `berth pool approvals` was told.
type policyFlags struct {
	require  []string
	approver string
	lifetime cli.Period
	off      bool
}

func approvalsCommand(app *cli.App) *cobra.Command {
	var in policyFlags
	cmd := &cobra.Command{
		Use:   "approvals NAME [--require templates,rules,deploys | --off]",
		Short: "Show or set which changes of a pool another person must approve",
		Long: `Show which changes of a pool another person must approve, or set it with --require or --off.

  templates  the template of the pool, what job variables may refer to, and the audiences of run tokens
  rules      the rules of the pool
  deploys    its deployments and their schedules

While a pool requires approvals, a change of this setting and the deletion of the pool need one too.
What a flag does not set keeps its value. docs/approvals.md has the details.`,
		Example: `  berth pool approvals etl --require templates,rules --approver editor --lifetime 24h
  berth pool approvals etl --off`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&in.require, "require", nil,
		"what needs an approval: templates, rules, deploys; replaces the earlier ones (repeatable)")
	flags.StringVar(&in.approver, "approver", "", "least role of an approver in the pool: deployer, editor or admin")
	flags.Var(&in.lifetime, "lifetime", "how long an approval can be used, such as 24h or 7d")
	flags.BoolVar(&in.off, "off", false, "require no approvals")
	cmd.MarkFlagsMutuallyExclusive("require", "off")
	reason := cli.BreakGlassFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		pool, err := cli.Value(client.GetWorkPoolWithResponse(cmd.Context(), args[0]))
		if err != nil {
			return err
		}
		if !flags.Changed("require") && !flags.Changed("approver") && !flags.Changed("lifetime") && !in.off {
			return cli.PrintConfirmation(app, *format, pool.Approvals, "%s", policyText(pool.Approvals))
		}
		policy, err := in.over(pool.Approvals)
		if err != nil {
			return err
		}
		return updatePool(app, cmd, poolChange{args[0], api.WorkPoolUpdate{Approvals: &policy}, *reason}, *format,
			"requires approvals now: "+policyText(policy))
	}
	return cmd
}

// over is a policy with what the flags set in its place.
func (in policyFlags) over(policy api.ApprovalPolicy) (api.ApprovalPolicy, error) {
	if in.off {
		return api.ApprovalPolicy{Require: []api.ApprovalSubject{}}, nil
	}
	if in.require != nil {
		policy.Require = cli.Map(in.require, func(s string) api.ApprovalSubject { return api.ApprovalSubject(s) })
	}
	for _, subject := range policy.Require {
		if !subject.Valid() {
			return policy, cli.Usagef("--require %q: must be templates, rules or deploys", subject)
		}
	}
	if len(policy.Require) == 0 {
		return policy, cli.Usagef("the pool requires no approvals: set --require as well")
	}
	if in.approver != "" {
		approver := api.ApproverRole(in.approver)
		if !approver.Valid() {
			return policy, cli.Usagef("--approver %q: must be deployer, editor or admin", in.approver)
		}
		policy.Approver = &approver
	}
	if in.lifetime != 0 {
		seconds := int64(in.lifetime.Duration() / time.Second)
		policy.LifetimeSeconds = &seconds
	}
	return policy, nil
}

// policyText is a policy in one line.
func policyText(p api.ApprovalPolicy) string {
	if len(p.Require) == 0 {
		return "none required"
	}
	subjects := cli.Map(p.Require, func(s api.ApprovalSubject) string { return string(s) })
	slices.Sort(subjects)
	text := strings.Join(subjects, ", ")
	if p.Approver != nil {
		text += fmt.Sprintf(", by another person with role %s or higher", *p.Approver)
	}
	if p.LifetimeSeconds != nil {
		text += fmt.Sprintf(", valid for %s", time.Duration(*p.LifetimeSeconds)*time.Second)
	}
	return text
}

// openText says how many requests wait, and how to list them.
func openText(pool api.WorkPool) string {
	if pool.OpenApprovals == nil {
		return ""
	}
	return fmt.Sprintf("%d (berth approval ls --pool %s)", *pool.OpenApprovals, pool.Name)
}
