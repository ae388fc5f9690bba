package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// approvalPoll is how often --wait-approval asks whether a reviewer has decided.
const approvalPoll = 2 * time.Second

// showNeeds prints the approvals that a plan needs.
func (d deploy) showNeeds(needs *[]api.ApprovalNeed) error {
	if needs == nil {
		return nil
	}
	style := d.app.Style(d.app.Out)
	for _, n := range *needs {
		line := fmt.Sprintf("! work pool %s needs an approval of %s, by another person with role %s or higher", n.Pool,
			strings.Join(n.Subjects, " and "), n.Approver)
		if n.ID != nil {
			line += fmt.Sprintf(": request %s is %s", n.ID, cli.Text(n.State))
		}
		if err := d.app.Printf("%s\n", style.Active(line)); err != nil {
			return err
		}
	}
	return nil
}

// waitForApproval waits until all approvals that are missing are given; it returns nil then. Without
// --wait-approval, and for any other error, it returns the error.
func (d deploy) waitForApproval(ctx context.Context, err error) error {
	var problem *cli.ProblemError
	if !d.flags.waitApproval || !errors.As(err, &problem) || !problem.NeedsApproval() ||
		problem.Problem.Approvals == nil {
		return err
	}
	d.app.Notef("%s", problem)
	working := d.app.ShowElapsed("waiting for an approval")
	defer working.Stop()
	for _, need := range *problem.Problem.Approvals {
		if need.ID == nil {
			return err
		}
		if err := d.waitForDecision(ctx, *need.ID); err != nil {
			return err
		}
	}
	return nil
}

func (d deploy) waitForDecision(ctx context.Context, id uuid.UUID) error {
	ticker := time.NewTicker(approvalPoll)
	defer ticker.Stop()
	for {
		a, err := cli.Value(d.client.GetApprovalWithResponse(ctx, id))
		if err != nil {
			return err
		}
		switch a.State {
		case api.ApprovalOpen:
		case api.ApprovalApproved:
			return nil
		default:
			return fmt.Errorf("approval request %s was %s: %s", id, a.State, because(a))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// because says who ended a request and why.
func because(a api.Approval) string {
	why := cli.Text(a.Reason)
	if a.DecidedBy != nil {
		why = strings.TrimSuffix(fmt.Sprintf("by %s, %s", *a.DecidedBy, why), ", ")
	}
	if why == "" {
		return "nothing was applied"
	}
	return why
}
