// Package undo holds what all commands share that delete something: how they ask, what they say about getting it
// back, how a refusal names what uses the object, and `restore`, which every kind has.
package undo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// PermanentlyFlag adds --permanently to a command that deletes something with secrets in it.
func PermanentlyFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("permanently", false, "keep nothing, so that it cannot be restored")
}

// Permanence ends the question whether to delete something.
func Permanence(permanently bool) string {
	if permanently {
		return ", for good: it cannot be restored"
	}
	return ""
}

// Object is what a command deletes.
type Object struct {
	Name string
	Pool string // of a queue or a rule; empty for none
	// Text is its kind and name in a sentence, such as `deployment "etl"`.
	Text string
	// Restore is the command that brings it back, such as "berth deployment restore etl".
	Restore string
}

// Done says what was deleted, and how and until when it can be brought back.
func Done(app *cli.App, format cli.Format, o Object, gone api.Deletion) error {
	document := struct {
		Deleted  string       `json:"deleted"`
		Pool     string       `json:"pool,omitempty"`
		Deletion api.Deletion `json:"deletion"`
	}{o.Name, o.Pool, gone}
	if gone.ID == nil {
		return cli.PrintConfirmation(app, format, document, "%s deleted for good", o.Text)
	}
	return cli.PrintConfirmation(app, format, document, "%s deleted; %s brings it back%s", o.Text, o.Restore,
		Until(gone.RestorableUntil))
}

// Until is the end of a sentence that says until when something can be restored; nothing if there is no end.
func Until(at *time.Time) string {
	if at == nil {
		return ""
	}
	return " until " + at.Local().Format("2006-01-02 15:04")
}

// Refused says how to delete the object all the same when a deletion was refused because something uses it, and
// returns the error. For programs it prints the problem document, so that they get what uses the object.
func Refused(app *cli.App, cmd *cobra.Command, args []string, format cli.Format, err error) error {
	var refusal *cli.ProblemError
	if !errors.As(err, &refusal) || refusal.Problem.UsersTotal == nil {
		return err
	}
	if cmd.Flags().Lookup("force") != nil {
		refusal.Next = "next: delete it all the same: " + cli.Repeated(cmd, args, "force")
	}
	if format == cli.Table {
		return err
	}
	return errors.Join(err, app.PrintDocument(format, refusal.Problem))
}

// InUse refuses to ask about a deletion that the server would refuse: something uses the object.
func InUse(cmd *cobra.Command, args []string, object, users string) error {
	err := cli.Usagef("%s has %s", object, users)
	err.Details = []string{
		"next: wait for them, move or delete them, or delete it all the same: " + cli.Repeated(cmd, args, "force"),
	}
	return err
}

// RestoreCommand is `restore` of a kind. selection reads the arguments, and is not given a kind.
func RestoreCommand(
	app *cli.App, use string, kind api.DeletedKind, args cobra.PositionalArgs,
	selection func(args []string) api.RestoreRequest,
) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: fmt.Sprintf("Restore a deleted %s", kind),
		Long: fmt.Sprintf(`Restore the %s of this name that was deleted last, with all that it had.
"berth deleted ls" lists what can be restored.`, kind),
		Args: args,
	}
	as := cmd.Flags().String("as", "", "restore it under another name")
	var alone *bool
	if kind == api.DeletedPool {
		cmd.Long += "\n\nThe deployments that were deleted with the pool come back with it, unless --alone is set."
		alone = cmd.Flags().Bool("alone", false, "do not restore the deployments of the pool")
	}
	if kind == api.DeletedDeployment || kind == api.DeletedPool {
		cmd.Long += "\nSchedules go on from now: the times that have passed are not made up for."
	}
	reason := new(string)
	if kind == api.DeletedDeployment || kind == api.DeletedRule {
		reason = cli.BreakGlassFlag(cmd)
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		body := selection(args)
		body.Kind, body.Alone = &kind, alone
		body.As = cli.StringOrNil(*as)
		return Restore(ctx, app, client, Restoration{body, *reason}, *format)
	})
	return cmd
}

// Restoration is what to restore; BreakGlass is the reason to do it without an approval.
type Restoration struct {
	Body       api.RestoreRequest
	BreakGlass string
}

// Restore restores deleted objects and says which.
func Restore(
	ctx context.Context, app *cli.App, client *cli.Client, r Restoration, format cli.Format,
) error {
	params := &api.RestoreDeletedParams{BreakGlass: cli.StringOrNil(r.BreakGlass)}
	restored, err := cli.Value(client.RestoreDeletedWithResponse(ctx, params, r.Body))
	if err != nil {
		return err
	}
	return Print(app, format, restored, "restored")
}

// Print says what happened to deleted objects, one line each, or prints the list for programs.
func Print(app *cli.App, format cli.Format, list api.DeletedList, happened string) error {
	if format != cli.Table {
		return app.PrintDocument(format, list)
	}
	for _, item := range list.Items {
		if err := app.Printf("%s %s\n", Name(item), happened); err != nil {
			return err
		}
	}
	return nil
}

// Name names a deleted object in a sentence.
func Name(item api.DeletedItem) string {
	if item.Pool != nil && item.Kind != api.DeletedDeployment {
		return fmt.Sprintf("%s %q of pool %q", item.Kind, item.Name, *item.Pool)
	}
	return fmt.Sprintf("%s %q", item.Kind, item.Name)
}
