package install

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

type planAnswer struct {
	plan api.ApplyResult
	err  error
}

func TestTheApplyHookWaitsForFilesInAnyOrder(t *testing.T) {
	status := func(code int) planAnswer {
		return planAnswer{err: &cli.ProblemError{Status: code, Problem: api.Problem{Title: http.StatusText(code)}}}
	}
	id := uuid.New()
	applied := planAnswer{}
	left := planAnswer{plan: api.ApplyResult{Changes: []api.Change{{Action: api.Create}}}}
	approval := left
	approval.plan.Approvals = &[]api.ApprovalNeed{{ID: &id}}
	broken := planAnswer{plan: api.ApplyResult{Broken: &[]string{"report"}}}
	refused := status(http.StatusUnprocessableEntity)
	for name, c := range map[string]struct {
		answers map[string][]planAnswer // the last one stays
		want    []string                // in the error; none: no error
		took    time.Duration
	}{
		"a file needs what a later one declares": {map[string][]planAnswer{
			"a": {refused, refused, applied}, "b": {left, applied}}, nil, 2 * appliedPoll},
		"a refusal is stale once another file is applied": {map[string][]planAnswer{
			"a": {refused, applied}, "b": {applied}}, nil, appliedPoll},
		"what passes is waited for": {map[string][]planAnswer{"a": {status(409), status(408), status(429), status(502), status(503),
			{err: errors.New("connection refused")}, applied}}, nil, 6 * appliedPoll},
		"refusals only are final": {map[string][]planAnswer{
			"a": {refused}, "b": {broken}}, []string{"file a: Unprocessable Entity", "file b: runs of"}, 0},
		"a refusal beside a file that is applied": {map[string][]planAnswer{
			"a": {applied}, "b": {status(400)}}, []string{"file b: Bad Request"}, appliedPoll},
		"the end of the time says what is pending": {map[string][]planAnswer{
			"a": {refused}, "b": {approval}}, []string{"file a: Unprocessable Entity", "approval " + id.String()}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				w := applyWait{poll: appliedPoll, applied: func(string) error { return nil },
					plan: func(ctx context.Context, file server.DeclaredFile) (api.ApplyResult, error) {
						if ctx.Err() != nil {
							return api.ApplyResult{}, ctx.Err()
						}
						answers := c.answers[file.Name]
						if len(answers) > 1 {
							c.answers[file.Name] = answers[1:]
						}
						return answers[0].plan, answers[0].err
					}}
				began := time.Now()
				err := w.run(ctx, []server.DeclaredFile{{Name: "a"}, {Name: "b"}}[:len(c.answers)])
				if (err == nil) != (c.want == nil) || time.Since(began) != c.took {
					t.Errorf("%v after %s", err, time.Since(began))
				}
				for _, part := range c.want {
					if err != nil && !strings.Contains(err.Error(), part) {
						t.Errorf("%q does not say %q", err, part)
					}
				}
			})
		})
	}
}

// TestTheTestHookHasOneDeadline for all pools, and keeps some of the time for naming the broken link.
func TestTheTestHookHasOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Second)
		defer cancel()
		first := linkPatience(ctx, 200*time.Second)
		<-time.After(150 * time.Second)
		if second := linkPatience(ctx, 200*time.Second); first != 190*time.Second || second != 40*time.Second {
			t.Errorf("the first pool has %s, the second %s", first, second)
		}
	})
}
