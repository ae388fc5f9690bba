package lookup

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func ListRuns(
	ctx context.Context, client *cli.Client, limit int, filter api.ListRunsParams,
) ([]api.Run, error) {
	return SearchRuns(ctx, client, limit, filter, func(time.Time, int) bool { return true })
}

// SearchRuns is ListRuns for a filter that few runs may match. After each page that was cut short, goOn is told up to
// when the server has searched and how many such pages there were; the list ends where it returns false.
func SearchRuns(
	ctx context.Context, client *cli.Client, limit int, filter api.ListRunsParams, goOn func(to time.Time, pages int) bool,
) ([]api.Run, error) {
	short := 0
	return cli.Pages(limit, func(limit int32, cursor *string) ([]api.Run, *string, error) {
		params := filter
		params.Limit, params.Cursor = &limit, cursor
		page, err := cli.Value(client.ListRunsWithResponse(ctx, &params))
		if page.SearchedTo != nil && page.NextCursor != nil && len(page.Items) < int(limit) {
			if short++; !goOn(*page.SearchedTo, short) {
				page.NextCursor = nil
			}
		}
		return page.Items, page.NextCursor, err
	})
}

// Counted says how many runs were counted.
func Counted(c api.RunCounts) string {
	if c.AtLeast {
		return "at least " + cli.Plural(int(c.Total), "run")
	}
	return cli.Plural(int(c.Total), "run")
}

func GetRun(ctx context.Context, client *cli.Client, id uuid.UUID) (api.RunDetail, error) {
	return cli.Value(client.GetRunWithResponse(ctx, id))
}

// RunArg is one run: its id, its name, or the beginning of either.
func RunArg(_ *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return cli.Usagef("specify one run by its ID or name")
	}
	return nil
}

// RunID reads an id where nothing else is taken.
func RunID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, cli.Usagef("%q is not a run ID; list runs with: berth run ls", text)
	}
	return id, nil
}

// shortestPrefix is from how many digits on a text is looked up as the beginning of an id or of a name.
const shortestPrefix = 6

// FindRun finds the run that is meant. A name stands for the newest run of it; the beginning of an id or of a
// name for one run only.
func FindRun(ctx context.Context, client *cli.Client, text string) (uuid.UUID, error) {
	if id, err := uuid.Parse(text); err == nil {
		return id, nil
	}
	if isPrefix(text) {
		if id, err := onlyMatch(ctx, client, "id", text, api.ListRunsParams{IDPrefix: &text}); id != uuid.Nil ||
			err != nil {
			return id, err
		}
	}
	if len(text) > maxRunName {
		return uuid.Nil, unknownRun(text)
	}
	runs, err := ListRuns(ctx, client, 1, api.ListRunsParams{Name: &text})
	if err != nil {
		return uuid.Nil, err
	}
	if len(runs) > 0 {
		return runs[0].ID, nil
	}
	if len(text) >= shortestPrefix {
		if id, err := onlyMatch(ctx, client, "name", text, api.ListRunsParams{NamePrefix: &text}); id != uuid.Nil ||
			err != nil {
			return id, err
		}
	}
	return uuid.Nil, unknownRun(text)
}

// onlyMatch is the one run that a filter finds, uuid.Nil where it finds none.
func onlyMatch(
	ctx context.Context, client *cli.Client, what, text string, filter api.ListRunsParams,
) (uuid.UUID, error) {
	runs, err := ListRuns(ctx, client, 2, filter)
	if err != nil || len(runs) == 0 {
		return uuid.Nil, err
	}
	if len(runs) > 1 {
		return uuid.Nil, cli.Usagef(
			"%q matches the %s of more than one run, such as %s (%s) and %s (%s); type more of it",
			text, what, runs[0].ID, runs[0].Name, runs[1].ID, runs[1].Name)
	}
	return runs[0].ID, nil
}

// maxRunName is what the API takes.
const maxRunName = 200

func unknownRun(text string) error {
	if len(text) < shortestPrefix {
		return cli.Usagef(
			"run %q does not exist (a prefix needs at least %d characters); list runs with: berth run ls",
			text, shortestPrefix)
	}
	return cli.Usagef("run %q does not exist; list runs with: berth run ls", text)
}

func isPrefix(text string) bool {
	digits := strings.ReplaceAll(text, "-", "")
	rest := strings.Trim(strings.ToLower(digits), "0123456789abcdef")
	return rest == "" && len(digits) >= shortestPrefix && len(text) < len(uuid.Nil.String()) && text[0] != '-'
}

// RunNames completes runs: by name where a shell takes it as it is, by id elsewhere.
func RunNames(app *cli.App) Completer {
	return completeTyped(app, func(ctx context.Context, client *cli.Client, typed string) ([]string, error) {
		var filter api.ListRunsParams
		if typed != "" {
			filter.NamePrefix = &typed
		}
		runs, err := ListRuns(ctx, client, 20, filter)
		seen := map[string]bool{} // newest first: a name stands for the newest
		return cli.Map(runs, func(r api.Run) string {
			word := r.Name
			if seen[word] || strings.ContainsAny(word, " \t\n'\"\\$`&|;<>()*?[]#~!{}:=") {
				word = r.ID.String()
			}
			seen[word] = true
			return fmt.Sprintf("%s\t%s %s", word, r.State.Type, r.Deployment)
		}), err
	})
}
