package run

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// runFilter narrows what a command is about to some runs.
type runFilter struct {
	pool, queue, deployment, text string
	states, tags                  []string
	since, until                  string
}

func (f *runFilter) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.pool, "pool", "p", "", "filter by pool")
	flags.StringVar(&f.queue, "queue", "", "filter by the name of the queue")
	flags.StringVarP(&f.deployment, "deployment", "d", "", "filter by deployment")
	flags.StringSliceVarP(&f.states, "state", "s", nil,
		"filter by state, such as RUNNING (repeatable: any of them)")
	flags.StringArrayVarP(&f.tags, "tag", "t", nil, "filter by tag (repeatable: all of them)")
	flags.StringVar(&f.text, "text", "", "filter by text in the name or message")
	flags.StringVar(&f.since, "since", "",
		"filter by creation: at or after a time, such as 2026-01-01T04:00:00Z, or an age, such as 24h or 7d")
	flags.StringVar(&f.until, "until", "", "filter by creation: before a time or an age")
}

// names of the flags of a filter.
func (f *runFilter) names() []string {
	return []string{"pool", "queue", "deployment", "state", "tag", "text", "since", "until"}
}

// isSet reports whether any of it was asked for.
func (f *runFilter) isSet() bool {
	return f.pool+f.queue+f.deployment+f.text+f.since+f.until != "" || len(f.states)+len(f.tags) > 0
}

// selection is the filter as bulk operations take it.
func (f *runFilter) selection(now time.Time) (api.RunSelectionFilter, error) {
	s := api.RunSelectionFilter{
		Pool:       cli.StringOrNil(f.pool),
		Queue:      cli.StringOrNil(f.queue),
		Deployment: cli.StringOrNil(f.deployment),
		Text:       cli.StringOrNil(f.text),
	}
	if len(f.tags) > 0 {
		s.Tags = &f.tags
	}
	var err error
	if s.States, err = stateTypes(f.states); err != nil {
		return s, err
	}
	if s.CreatedAfter, err = cli.PastTime("since", f.since, now); err != nil {
		return s, err
	}
	s.CreatedBefore, err = cli.PastTime("until", f.until, now)
	return s, err
}

// list is the filter as lists take it.
func (f *runFilter) list(now time.Time) (api.ListRunsParams, error) {
	s, err := f.selection(now)
	return api.ListRunsParams{
		Pool: s.Pool, Queue: s.Queue, Deployment: s.Deployment, State: s.States, Tag: s.Tags, Text: s.Text,
		CreatedAfter: s.CreatedAfter, CreatedBefore: s.CreatedBefore,
	}, err
}

func stateTypes(names []string) (*[]api.StateType, error) {
	if len(names) == 0 {
		return nil, nil
	}
	types := make([]api.StateType, 0, len(names))
	for _, name := range names {
		t := api.StateType(strings.ToUpper(name))
		if !t.Valid() {
			return nil, cli.Usagef(
				"--state %q: must be one of SCHEDULED, PENDING, RUNNING, COMPLETED, FAILED, CRASHED, CANCELLING, CANCELLED",
				name,
			)
		}
		types = append(types, t)
	}
	return &types, nil
}
