package webhook

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func testCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a test event to a webhook; exit with 1 if its receiver does not take it",
		Args:  cobra.ExactArgs(1), ValidArgsFunction: names(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		trial, err := cli.Value(client.TestWebhookWithResponse(ctx, args[0]))
		if err != nil {
			return err
		}
		text := fmt.Sprintf("delivered in %.2fs as %s", trial.TookSeconds, trial.ID)
		if !trial.Delivered {
			text = "not delivered: " + cli.Text(trial.Error)
		}
		if err := cli.PrintConfirmation(app, *format, trial, "%s", text); err != nil {
			return err
		}
		if !trial.Delivered {
			return &cli.SilentError{Code: cli.ExitFailed}
		}
		return nil
	})
	return cmd
}

func deliveriesCommand(app *cli.App) *cobra.Command {
	var state string
	var limit int
	cmd := &cobra.Command{
		Use: "deliveries NAME", Short: "List what was sent to a webhook, newest first", Args: cobra.ExactArgs(1),
		ValidArgsFunction: names(app),
	}
	cmd.Flags().StringVar(&state, "state", "", "only deliveries in this state: pending, delivered or failed")
	cmd.Flags().IntVarP(&limit, "limit", "n", 50, "maximum number of items; 0 for all")
	_ = cmd.RegisterFlagCompletionFunc("state", // fails for a flag of another name only
		cobra.FixedCompletions([]string{"pending", "delivered", "failed"}, cobra.ShellCompDirectiveNoFileComp))
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		params := api.ListWebhookDeliveriesParams{}
		if state != "" {
			wanted := api.WebhookDeliveryState(state)
			if !wanted.Valid() {
				return cli.Usagef("--state %q: must be pending, delivered or failed", state)
			}
			params.State = &wanted
		}
		if limit < 0 {
			return cli.Usagef("--limit %d: must not be negative", limit)
		}
		list, err := cli.Pages(limit, func(size int32, cursor *string) ([]api.WebhookDelivery, *string, error) {
			params.Limit, params.Cursor = &size, cursor
			page, err := cli.Value(client.ListWebhookDeliveriesWithResponse(ctx, args[0], &params))
			return page.Items, page.NextCursor, err
		})
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, list, []cli.Column[api.WebhookDelivery]{
			{Title: "id", Cell: func(d api.WebhookDelivery) string { return d.ID.String() }},
			{Title: "event", Cell: func(d api.WebhookDelivery) string { return d.Type }},
			{Title: "about", Cell: func(d api.WebhookDelivery) string { return d.Subject }},
			{Title: "state", Cell: func(d api.WebhookDelivery) string { return string(d.State) }},
			{Title: "attempts", Cell: func(d api.WebhookDelivery) string { return fmt.Sprint(d.Attempts) }},
			{Title: "created", Cell: func(d api.WebhookDelivery) string { return app.Ago(d.CreatedAt) }},
			{Title: "last answer", Cell: lastAnswer},
		})
	})
	return cmd
}

func lastAnswer(d api.WebhookDelivery) string {
	switch {
	case d.Error != nil && d.State != api.DeliveryDelivered:
		return *d.Error
	case d.Status != nil:
		return fmt.Sprint(*d.Status)
	}
	return ""
}

func resendCommand(app *cli.App) *cobra.Command {
	var failed bool
	cmd := &cobra.Command{
		Use:   "resend NAME (DELIVERY... | --failed)",
		Short: "Send deliveries of a webhook again, with the same IDs",
		Long: `Send deliveries of a webhook again, with the same IDs: a receiver that had one already can tell.

A begin that is sent again after its end was sent opens an incident that nothing closes.`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: names(app),
	}
	cmd.Flags().BoolVar(&failed, "failed", false, "all that were given up")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		if failed == (len(args) > 1) {
			return cli.Usagef("name the deliveries, or use --failed for all that were given up")
		}
		var ids []uuid.UUID
		for _, text := range args[1:] {
			id, err := uuid.Parse(strings.TrimPrefix(text, "msg_"))
			if err != nil {
				return cli.Usagef("%q is no ID of a delivery; see berth webhook deliveries %s", text, args[0])
			}
			ids = append(ids, id)
		}
		body := api.WebhookResend{}
		if len(ids) > 0 {
			body.Deliveries = &ids
		}
		sent, err := cli.Value(client.ResendWebhookDeliveriesWithResponse(ctx, args[0], body))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, sent, "%s to send to webhook %q again",
			cli.Plural(int(sent.Resent), "event"), args[0])
	})
	return cmd
}
