package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// hookAppliedCommand is what the chart runs after an install or upgrade, so that it fails where the server refuses a
// declared file. The server applies the files by itself: this command only asks whether anything is left to apply.
func hookAppliedCommand(app *cli.App) *cobra.Command {
	var dir string
	var prune bool
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "applied --dir DIR",
		Short: "Wait until the server has applied its declared files, and fail where it refuses one",
		Args:  cobra.NoArgs,
	}
	cli.ClientFlags(cmd)
	cmd.Flags().StringVar(&dir, "dir", "", "the directory of --apply-dir")
	cmd.Flags().BoolVar(&prune, "prune", false, "--apply-prune of the server")
	cli.PeriodVar(cmd.Flags(), &patience, "timeout", 3*time.Minute, "time for all files")
	cli.Required(cmd, "dir")
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for _, file := range berthfile.Declared(dir, prune) {
			if err := untilApplied(ctx, client, file); err != nil {
				return fmt.Errorf("declared file %s: %w", file.Name, err)
			}
			if err := app.Printf("%s is applied\n", file.Name); err != nil {
				return err
			}
		}
		return nil
	})
	return cmd
}

const appliedPoll = 2 * time.Second

// untilApplied waits until a plan of the file changes nothing. A refusal is final; a server that is not there yet is not.
func untilApplied(ctx context.Context, client *cli.Client, file server.DeclaredFile) error {
	if file.Err != nil {
		return file.Err
	}
	body, err := file.Request(true, "")
	if err != nil {
		return err
	}
	ticker := time.NewTicker(appliedPoll)
	defer ticker.Stop()
	for {
		plan, err := cli.Value(client.ApplyWithBodyWithResponse(ctx, &api.ApplyParams{}, "application/json", bytes.NewReader(body)))
		var refusal *cli.ProblemError
		switch {
		case errors.As(err, &refusal) && refusal.Problem.Status < 500:
			refusal.Locate = file.Locate
			return err
		case err == nil && plan.Broken != nil:
			return fmt.Errorf("runs of %s would be refused: %s", cli.CommaList(*plan.Broken), warnings(plan))
		case err == nil && !changes(plan):
			return nil
		case err == nil && plan.Approvals != nil:
			err = errors.New("it waits for an approval: berth approval ls")
		case err == nil:
			err = errors.New("the server has not applied it: read the server's log")
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

func changes(plan api.ApplyResult) bool {
	for _, c := range plan.Changes {
		if c.Action != api.Unchanged {
			return true
		}
	}
	return false
}

func warnings(plan api.ApplyResult) string {
	texts := make([]string, 0, len(plan.Warnings))
	for _, w := range plan.Warnings {
		texts = append(texts, w.Message)
	}
	return cli.CommaList(texts)
}
