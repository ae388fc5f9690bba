package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// shortestRunPrefix is from how many characters on a text is looked up as the beginning of an ID or of a name.
const shortestRunPrefix = 6

// FindRun returns the ID of the run that a text stands for, in some pools (nil: in all): the newest of that name, or the
// only one whose ID or name begins with it.
func (q Reader) FindRun(ctx context.Context, text string, pools []string) (uuid.UUID, error) {
	long := len(text) >= shortestRunPrefix
	for _, search := range []struct {
		what   string // that several runs must not share; empty: the newest counts
		use    bool
		filter RunFilter
	}{
		{"ID", long && isIDPrefix(text), RunFilter{IDPrefix: text}},
		{"", true, RunFilter{Name: text}},
		{"name", long, RunFilter{NamePrefix: text}},
	} {
		if !search.use {
			continue
		}
		search.filter.Pools = pools
		runs, _, err := q.ListRuns(ctx, search.filter, Page{Limit: 2})
		switch {
		case err != nil:
			return uuid.Nil, err
		case len(runs) > 1 && search.what != "":
			return uuid.Nil, &Error{Code: RunAmbiguous, Message: fmt.Sprintf(
				"%q begins the %s of more than one run, such as %s (%s) and %s (%s): write more of it",
				text, search.what, runs[0].ID, runs[0].Name, runs[1].ID, runs[1].Name)}
		case len(runs) > 0:
			return runs[0].ID, nil
		}
	}
	if !long {
		return uuid.Nil, &Error{Code: NotFound, Message: fmt.Sprintf(
			"run %q does not exist (the beginning of a name or ID needs at least %d characters)", text, shortestRunPrefix)}
	}
	return uuid.Nil, &Error{Code: NotFound, Message: fmt.Sprintf("run %q does not exist", text)}
}

// isIDPrefix reports whether a text may be the beginning of an ID.
func isIDPrefix(text string) bool {
	return strings.Trim(text, "0123456789abcdefABCDEF-") == "" && text[0] != '-' && len(text) < len(uuid.Nil.String())
}
