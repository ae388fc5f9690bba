// Package webhook holds `berth webhook`.
package webhook

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

// Command is `berth webhook`.
func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Manage webhooks, which tell Slack, Teams, PagerDuty and others what happened",
	}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, lsCommand(app), getCommand(app), setCommand(app), deleteCommand(app), testCommand(app),
		deliveriesCommand(app), resendCommand(app),
		pauseCommand(app, "pause", "Pause a webhook: what waits is kept, what happens meanwhile is not told", true),
		pauseCommand(app, "resume", "Resume a webhook", false))
}

// names completes the names of webhooks.
func names(app *cli.App) lookup.Completer {
	return lookup.CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
		list, err := cli.Value(client.ListWebhooksWithResponse(ctx))
		return cli.Map(list.Items, func(h api.Webhook) string { return h.Name }), err
	})
}

func lsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "ls", Aliases: []string{"list"}, Short: "List webhooks", Args: cobra.NoArgs}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		list, err := cli.Value(client.ListWebhooksWithResponse(ctx))
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, list.Items, []cli.Column[api.Webhook]{
			{Title: "name", Cell: func(h api.Webhook) string { return h.Name }},
			{Title: "format", Cell: func(h api.Webhook) string { return string(h.Format) }},
			{Title: "target", Cell: func(h api.Webhook) string { return h.Target }},
			{Title: "events", Cell: func(h api.Webhook) string { return join(&h.Events) }},
			{Title: "filter", Cell: func(h api.Webhook) string { return filter(h.Filter) }},
			{Title: "waiting", Cell: func(h api.Webhook) string { return fmt.Sprint(h.Pending) }},
			{Title: "failed", Cell: func(h api.Webhook) string { return fmt.Sprint(h.Failed) }},
			{Title: "status", Cell: status},
		})
	})
	return cmd
}

// status is how a webhook is in a few words.
func status(h api.Webhook) string {
	switch {
	case h.PausedReason != nil:
		return "paused: " + *h.PausedReason
	case h.Paused:
		return "paused"
	case h.Unanswered != nil:
		return "no answer to the last " + cli.Plural(int(*h.Unanswered), "attempt")
	case h.Dropped > 0:
		return cli.Plural(int(h.Dropped), "event") + " dropped"
	}
	return "ok"
}

// filter is a filter in a line, with the names of the flags.
func filter(f api.WebhookFilter) string {
	var words []string
	add := func(name, values string) {
		if values != "" {
			words = append(words, name+"="+values)
		}
	}
	add("pool", join(f.Pools))
	add("deployment", join(f.Deployments))
	add("tag", join(f.Tags))
	add("state", join(f.States))
	add("cause", join(f.Causes))
	return strings.Join(words, " ")
}

func join[T ~string](list *[]T) string {
	if list == nil {
		return ""
	}
	return strings.Join(cli.Map(*list, func(t T) string { return string(t) }), ",")
}

func getCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "get NAME", Short: "Show a webhook", Args: cobra.ExactArgs(1), ValidArgsFunction: names(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		h, err := cli.Value(client.GetWebhookWithResponse(ctx, args[0]))
		if err != nil {
			return err
		}
		fields := []cli.Field{
			{Name: "name", Value: h.Name},
			{Name: "description", Value: cli.Text(h.Description)},
			{Name: "target", Value: h.Target},
			{Name: "format", Value: string(h.Format)},
			{Name: "events", Value: join(&h.Events)},
			{Name: "filter", Value: filter(h.Filter)},
			{Name: "failures in a row", Value: fmt.Sprint(h.Failures)},
			{Name: "status", Value: status(h)},
			{Name: "waiting", Value: fmt.Sprint(h.Pending)},
			{Name: "failed", Value: fmt.Sprint(h.Failed)},
			{Name: "dropped", Value: fmt.Sprint(h.Dropped)},
		}
		if h.SecretRotatedUntil != nil && h.SecretRotatedUntil.After(time.Now()) {
			fields = append(fields, cli.Field{Name: "last secret signs until", Value: h.SecretRotatedUntil.UTC().Format(time.RFC3339)})
		}
		fields = append(fields, cli.Field{Name: "changed", Value: app.Ago(h.UpdatedAt) + " by " + h.UpdatedBy})
		return cli.PrintObject(app, *format, h, fields)
	})
	return cmd
}

func deleteCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a webhook with its deliveries", Args: cobra.ExactArgs(1), ValidArgsFunction: names(app),
	}
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		h, err := cli.Value(client.GetWebhookWithResponse(ctx, args[0]))
		if err != nil {
			return err
		}
		what := fmt.Sprintf("delete webhook %q with its secret", h.Name)
		if h.Pending > 0 {
			what += ", and drop " + cli.Plural(int(h.Pending), "event") + " not sent yet"
		}
		if err := app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Yes: *yes}); err != nil {
			return err
		}
		if err := cli.Check(client.DeleteWebhookWithResponse(ctx, args[0])); err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, map[string]string{"deleted": args[0]}, "webhook %q deleted", args[0])
	})
	return cmd
}

func pauseCommand(app *cli.App, verb, short string, paused bool) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: names(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		h, err := cli.Value(client.UpdateWebhookWithResponse(ctx, args[0], api.WebhookUpdate{Paused: paused}))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, h, "webhook %q %sd", h.Name, verb)
	})
	return cmd
}
