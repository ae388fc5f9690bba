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
	states, tags, anyTags, causes []string
	createdBy, schedule           string
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
	flags.StringArrayVar(&f.anyTags, "any-tag", nil, "filter by tag (repeatable: any of them)")
	flags.StringSliceVar(&f.causes, "cause", nil, "filter by the cause of the failure, such as oom (repeatable: any of them)")
	flags.StringVar(&f.createdBy, "created-by", "", "filter by who created the run")
	flags.StringVar(&f.schedule, "schedule", "", "filter by the name of the schedule that created the run")
	flags.StringVar(&f.text, "text", "", "filter by text in the name or message")
	flags.StringVar(&f.since, "since", "",
		"filter by creation: at or after a time, such as 2026-01-01T04:00:00Z, or an age, such as 24h or 7d")
	flags.StringVar(&f.until, "until", "", "filter by creation: before a time or an age")
}

// names of the flags of a filter.
func (f *runFilter) names() []string {
	return []string{
		"pool", "queue", "deployment", "state", "tag", "any-tag", "cause", "created-by", "schedule", "text", "since", "until",
	}
}

// isSet reports whether any of it was asked for.
func (f *runFilter) isSet() bool {
	return f.pool+f.queue+f.deployment+f.createdBy+f.schedule+f.text+f.since+f.until != "" ||
		len(f.states)+len(f.tags)+len(f.anyTags)+len(f.causes) > 0
}

// selection is the filter as bulk operations take it.
func (f *runFilter) selection(now time.Time) (api.RunSelectionFilter, error) {
	s := api.RunSelectionFilter{
		Pool:       cli.StringOrNil(f.pool),
		Queue:      cli.StringOrNil(f.queue),
		Deployment: cli.StringOrNil(f.deployment),
		CreatedBy:  cli.StringOrNil(f.createdBy),
		Schedule:   cli.StringOrNil(f.schedule),
		Text:       cli.StringOrNil(f.text),
	}
	if len(f.tags) > 0 {
		s.Tags = &f.tags
	}
	if len(f.anyTags) > 0 {
		s.AnyTags = &f.anyTags
	}
	var err error
	if s.Causes, err = causesOf(f.causes); err != nil {
		return s, err
	}
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
		AnyTag: s.AnyTags, Cause: s.Causes, CreatedBy: s.CreatedBy, Schedule: s.Schedule,
		CreatedAfter: s.CreatedAfter, CreatedBefore: s.CreatedBefore,
	}, err
}

func causesOf(names []string) (*[]api.Category, error) {
	if len(names) == 0 {
		return nil, nil
	}
	causes := make([]api.Category, 0, len(names))
	for _, name := range names {
		c := api.Category(strings.ToLower(name))
		if !c.Valid() {
			return nil, cli.Usagef("--cause %q: must be one of app, oom, evicted, preempted, node_lost, deadline, image_pull, "+
				"config, unschedulable, quota, invalid, template, deleted, cancelled, unknown", name)
		}
		causes = append(causes, c)
	}
	return &causes, nil
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
