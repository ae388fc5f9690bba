package approval

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func approveCommand(app *cli.App) *cobra.Command {
	var yes bool
	var comment, fingerprint string
	cmd := &cobra.Command{
		Use:   "approve ID",
		Short: "Approve a change that another person has asked for",
		Long: `Approve a change that another person has asked for. The command shows the plan and asks first.

The approval is for exactly the plan that was shown, can be used once, and lapses when the plan does not
fit the server any more or its time runs out. The change is carried out when it is sent again, for
example by repeating berth deploy.`,
		Example: `  berth approval ls
  berth approve 0199a000-0000-7000-8000-0000000000c1 --comment "image was scanned"`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "approve without confirmation; required where no person can answer")
	cmd.Flags().StringVar(&comment, "comment", "", "comment, for the record")
	cmd.Flags().StringVar(&fingerprint, "fingerprint", "", "approve only a plan with this fingerprint")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		a, err := get(ctx, client, args[0])
		if err != nil {
			return err
		}
		if fingerprint != "" && fingerprint != a.Fingerprint {
			return fmt.Errorf("approval request %s has the fingerprint %s, not %s; look at it again: berth approval get %s",
				a.ID, a.Fingerprint, fingerprint, a.ID)
		}
		if *format == cli.Table {
			if err := show(app, a); err != nil {
				return err
			}
		}
		if err := confirm(ctx, app, a, yes, *format); err != nil {
			return err
		}
		approved, err := cli.Value(client.ApproveChangeWithResponse(ctx, a.ID, api.ApprovalApprove{
			Fingerprint: a.Fingerprint, Comment: cli.StringOrNil(comment),
		}))
		if err != nil {
			return err
		}
		expires := ""
		if approved.ExpiresAt != nil {
			expires = "; the approval lapses " + app.Ago(*approved.ExpiresAt)
		}
		return cli.PrintConfirmation(app, *format, approved, "approved: %s can send the change again now%s",
			approved.AskedBy, expires)
	})
	return cmd
}

// confirm asks a person, and requires --yes elsewhere.
func confirm(ctx context.Context, app *cli.App, a api.Approval, yes bool, format cli.Format) error {
	if yes || a.State != api.ApprovalOpen || !a.MayApprove {
		return nil // the server says why not
	}
	if format != cli.Table || !app.Interactive() {
		return cli.Usagef("this would approve %s in work pool %q; to confirm, repeat it with --yes: berth approve %s --yes",
			cli.Plural(len(a.Items), "change"), a.Pool, a.ID)
	}
	agreed, err := app.Confirm(ctx, fmt.Sprintf("approve %s in work pool %q?", cli.Plural(len(a.Items), "change"), a.Pool),
		false)
	if err != nil || agreed {
		return err
	}
	app.Notef("nothing approved")
	return &cli.SilentError{Code: cli.ExitFailed}
}

func rejectCommand(app *cli.App) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "reject ID --reason TEXT", Short: "Reject a change, or take an approval back that was not used",
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "reason, for who asked and for the record")
	cli.Required(cmd, "reason")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		id, err := idOf(args[0])
		if err != nil {
			return err
		}
		a, err := cli.Value(client.RejectChangeWithResponse(ctx, id, api.ApprovalReject{Reason: reason}))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, a, "rejected the request of %s", a.AskedBy)
	})
	return cmd
}

func withdrawCommand(app *cli.App) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "withdraw ID", Short: "Withdraw a request of your own", Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&reason, "reason", "", "reason, for the record")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		id, err := idOf(args[0])
		if err != nil {
			return err
		}
		a, err := cli.Value(client.WithdrawChangeWithResponse(ctx, id,
			api.ApprovalWithdraw{Reason: cli.StringOrNil(reason)}))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, a, "request %s withdrawn", a.ID)
	})
	return cmd
}
