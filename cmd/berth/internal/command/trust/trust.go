// Package trust holds `berth trust`.
package trust

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// Command is `berth trust`.
func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Manage trust rules, by which jobs of GitHub, GitLab and Kubernetes sign in without a key",
	}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, lsCommand(app), getCommand(app), setCommand(app), deleteCommand(app), testCommand(app))
}

func lsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List trust rules", Args: cobra.NoArgs,
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		list, err := cli.Value(client.ListTrustRulesWithResponse(ctx))
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, list.Items, []cli.Column[api.TrustRule]{
			{Title: "name", Cell: func(r api.TrustRule) string { return r.Name }},
			{Title: "issuer", Cell: func(r api.TrustRule) string { return r.Issuer }},
			{Title: "claims", Cell: func(r api.TrustRule) string { return claims(r.Claims) }},
			{Title: "roles", Cell: func(r api.TrustRule) string { return cli.Bindings(r.Bindings) }},
			{Title: "lifetime", Cell: func(r api.TrustRule) string { return lifetime(r) }},
		})
	})
	return cmd
}

// claims are the conditions of a rule in a line, as --claim takes them.
func claims(conditions map[string][]string) string {
	var words []string
	for _, claim := range slices.Sorted(maps.Keys(conditions)) {
		for _, pattern := range conditions[claim] {
			words = append(words, claim+"="+pattern)
		}
	}
	return strings.Join(words, " ")
}

func lifetime(r api.TrustRule) string {
	return cli.Duration(time.Duration(r.LifetimeSeconds) * time.Second)
}

func getCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "get NAME", Short: "Show a trust rule", Args: cobra.ExactArgs(1)}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		r, err := cli.Value(client.GetTrustRuleWithResponse(ctx, args[0]))
		if err != nil {
			return err
		}
		keys := "read from the issuer"
		if len(r.Keys) > 0 {
			keys = "in the rule"
		}
		fields := []cli.Field{
			{Name: "name", Value: r.Name},
			{Name: "description", Value: cli.Text(r.Description)},
			{Name: "issuer", Value: r.Issuer},
			{Name: "keys of the issuer", Value: keys},
			{Name: "audience", Value: r.Audience},
			{Name: "claims", Value: claims(r.Claims)},
			{Name: "roles", Value: cli.Bindings(r.Bindings)},
			{Name: "lifetime of keys", Value: lifetime(r)},
			{Name: "single use", Value: fmt.Sprint(r.SingleUse)},
			{Name: "changed", Value: app.Ago(r.UpdatedAt) + " by " + r.UpdatedBy},
		}
		return cli.PrintObject(app, *format, r, fields)
	})
	return cmd
}

func deleteCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a trust rule and revoke the keys that it has made", Args: cobra.ExactArgs(1),
	}
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		keys, err := cli.Value(client.ListAPIKeysWithResponse(ctx, &api.ListAPIKeysParams{TrustRule: &args[0]}))
		if err != nil {
			return err
		}
		what := fmt.Sprintf("delete trust rule %q and revoke its %s; jobs that use them lose access at once", args[0],
			cli.Plural(len(keys.Items), "valid key"))
		if err := app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Yes: *yes}); err != nil {
			return err
		}
		deleted, err := cli.Value(client.DeleteTrustRuleWithResponse(ctx, args[0]))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, deleted, "trust rule %q deleted, %s revoked", args[0],
			cli.Plural(int(deleted.Revoked), "key"))
	})
	return cmd
}

func testCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Show which trust rules accept an ID token, and why others do not; exit with 1 if none does",
		Long: `Show which trust rules accept an ID token, and why others do not. FILE has the token; - is standard
input. No key is made, and the token is not spent.

Exits with 1 if no rule accepts the token.`,
		Example: `  berth trust test token.jwt
  kubectl create token etl --audience https://berth.example.com | berth trust test -`,
		Args: cobra.ExactArgs(1),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		data, err := app.ReadFile(args[0])
		if err != nil {
			return err
		}
		token, err := cli.CleanKey(args[0], string(data))
		if err != nil {
			return err
		}
		report, err := cli.Value(client.TestTokenExchangeWithResponse(ctx, api.TokenExchangeTest{Token: token}))
		if err != nil {
			return err
		}
		return printReport(app, *format, report)
	})
	return cmd
}

func printReport(app *cli.App, format cli.Format, report api.TokenExchangeReport) error {
	if format != cli.Table {
		if err := app.PrintDocument(format, report); err != nil {
			return err
		}
	} else if err := printVerdicts(app, report); err != nil {
		return err
	}
	if slices.ContainsFunc(report.Verdicts, func(v api.TrustVerdict) bool { return v.Accepted }) {
		return nil
	}
	return &cli.SilentError{Code: cli.ExitFailed}
}

func printVerdicts(app *cli.App, report api.TokenExchangeReport) error {
	err := app.Printf("issuer %s\nsubject %s\naudience %s\nexpires %s\n", report.Issuer, report.Subject,
		strings.Join(report.Audience, ", "), app.Ago(report.ExpiresAt))
	if err != nil {
		return err
	}
	return cli.PrintList(app, cli.Table, report.Verdicts, []cli.Column[api.TrustVerdict]{
		{Title: "rule", Cell: func(v api.TrustVerdict) string { return v.Rule }},
		{Title: "accepts", Cell: func(v api.TrustVerdict) string {
			if v.Accepted {
				return "yes"
			}
			return "no"
		}},
		{Title: "because", Cell: func(v api.TrustVerdict) string { return strings.Join(v.Reasons, "; ") }},
	})
}
