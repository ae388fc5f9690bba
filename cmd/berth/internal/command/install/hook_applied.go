package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
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
		w := applyWait{poll: appliedPoll, plan: plansOf(client), applied: func(name string) error {
			return app.Printf("%s is applied\n", name)
		}}
		return w.run(ctx, berthfile.Declared(dir, prune))
	})
	return cmd
}

const appliedPoll = 2 * time.Second

// applyWait waits until the server has applied files.
type applyWait struct {
	poll    time.Duration
	plan    func(context.Context, server.DeclaredFile) (api.ApplyResult, error)
	applied func(name string) error
}

func plansOf(client *cli.Client) func(context.Context, server.DeclaredFile) (api.ApplyResult, error) {
	return func(ctx context.Context, file server.DeclaredFile) (api.ApplyResult, error) {
		body, err := file.Request(true, "")
		if err != nil {
			return api.ApplyResult{}, err
		}
		return cli.Value(client.ApplyWithBodyWithResponse(ctx, &api.ApplyParams{}, "application/json", bytes.NewReader(body)))
	}
}

// run asks for a plan of each file, round after round, until none changes anything. The server applies files in any order,
// so a refusal may only mean that another file is not applied yet: refusals are final once a round has nothing else.
func (w applyWait) run(ctx context.Context, files []server.DeclaredFile) error {
	ticker := time.NewTicker(w.poll)
	defer ticker.Stop()
	reasons := map[string]error{}
	for {
		var left []server.DeclaredFile
		refusals := 0
		for _, file := range files {
			refused, err := w.ask(ctx, file)
			if err == nil {
				if err := w.applied(file.Name); err != nil {
					return err
				}
				continue
			}
			left = append(left, file)
			if refused {
				refusals++
			}
			if ctx.Err() == nil || reasons[file.Name] == nil {
				reasons[file.Name] = fmt.Errorf("declared file %s: %w", file.Name, err)
			}
		}
		if len(left) == 0 {
			return nil
		}
		if refusals == len(files) {
			return joinReasons(left, reasons)
		}
		files = left
		select {
		case <-ctx.Done():
			return joinReasons(left, reasons)
		case <-ticker.C:
		}
	}
}

// ask returns nil if the file is applied, else why it is not, and whether it is refused as things are.
func (w applyWait) ask(ctx context.Context, file server.DeclaredFile) (refused bool, err error) {
	if file.Err != nil {
		return true, file.Err
	}
	plan, err := w.plan(ctx, file)
	var problem *cli.ProblemError
	switch {
	case errors.As(err, &problem):
		problem.Locate = file.Locate
		return problem.Status == http.StatusBadRequest || problem.Status == http.StatusUnprocessableEntity, err
	case err != nil:
		return false, err
	case plan.Broken != nil:
		return true, fmt.Errorf("runs of %s would be refused: %s", cli.CommaList(*plan.Broken), warnings(plan))
	case !changes(plan):
		return false, nil
	case plan.Approvals != nil:
		return false, waitsForApproval(*plan.Approvals)
	}
	return false, errors.New("the server has not applied it: read the server's log")
}

func waitsForApproval(needs []api.ApprovalNeed) error {
	var ids []string
	for _, need := range needs {
		if need.ID != nil {
			ids = append(ids, need.ID.String())
		}
	}
	if len(ids) == 0 {
		return errors.New("it waits for an approval: berth approval ls")
	}
	return fmt.Errorf("it waits for approval %s: berth approval ls", cli.CommaList(ids))
}

func joinReasons(files []server.DeclaredFile, reasons map[string]error) error {
	all := make([]error, 0, len(files))
	for _, file := range files {
		all = append(all, reasons[file.Name])
	}
	return errors.Join(all...)
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
