package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
)

// runsView is the list of runs.
type runsView struct {
	Frame
	Filter  runFilter
	Runs    []api.Run
	Counts  api.RunCounts
	States  []stateCount
	Chips   []chip
	Views   []chip
	Newest  string // address of the first page; empty there
	Older   string
	MayBulk bool   // runs can be chosen, to cancel or retry them
	Bulk    string // query of the same filter, where it selects runs to change
	Shown   runColumns
	Query   [][2]string // names and values of the address
	Since   *time.Time  // an order by duration is that of the runs since then
}

// stateCount is how many runs of the filter are in a state; its address is the list of them.
type stateCount struct {
	State   api.State
	Count   int64
	Address string
}

// chip is a part of the filter, and the address without it; or a view.
type chip struct {
	Text, Address string
	Current       bool
}

// runFilter is what the address of the list says.
type runFilter struct {
	State                                    []string
	Pool, Queue, Deployment, Tag, Text, Name string
	Cause, By, Schedule                      string
	From, To, EndedFrom, EndedTo             string
	ScheduledFrom, ScheduledTo               string
	Sort                                     string
	Limit                                    string
}

const defaultLimit = 50

// limits are the sizes of a page.
var limits = []string{"25", "50", "100", "200"}

func (v *visit) runFilter() runFilter {
	q := v.query
	return runFilter{
		State: compacted(q["state"]), Pool: q.Get("pool"), Queue: q.Get("queue"), Deployment: q.Get("deployment"), Tag: q.Get("tag"),
		Cause: q.Get("cause"), By: q.Get("by"), Schedule: q.Get("schedule"),
		Text: q.Get("text"), Name: q.Get("name"), From: q.Get("from"), To: q.Get("to"),
		EndedFrom: q.Get("ended_from"), EndedTo: q.Get("ended_to"),
		ScheduledFrom: q.Get("scheduled_from"), ScheduledTo: q.Get("scheduled_to"), Sort: q.Get("sort"), Limit: q.Get("limit"),
	}
}

func compacted(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
}

// params are the parameters of the API for a filter.
func (f runFilter) params() (api.ListRunsParams, error) {
	p := api.ListRunsParams{
		Pool: optional(f.Pool), Queue: optional(f.Queue), Deployment: optional(f.Deployment), Text: optional(f.Text), Name: optional(f.Name),
		CreatedBy: optional(f.By), Schedule: optional(f.Schedule),
	}
	if f.Cause != "" {
		p.Cause = &[]api.Category{api.Category(f.Cause)}
	}
	if f.Tag != "" {
		p.Tag = &[]string{f.Tag}
	}
	if len(f.State) > 0 {
		states := make([]api.StateType, len(f.State))
		for i, s := range f.State {
			states[i] = api.StateType(s)
		}
		p.State = &states
	}
	if f.Sort != "" {
		sort := api.ListRunsParamsSort(f.Sort)
		p.Sort = &sort
	}
	for _, bound := range []struct {
		name, text string
		place      **time.Time
	}{
		{"from", f.From, &p.CreatedAfter}, {"to", f.To, &p.CreatedBefore},
		{"ended_from", f.EndedFrom, &p.EndedAfter}, {"ended_to", f.EndedTo, &p.EndedBefore},
		{"scheduled_from", f.ScheduledFrom, &p.ScheduledAfter}, {"scheduled_to", f.ScheduledTo, &p.ScheduledBefore},
	} {
		at, err := moment(bound.name, bound.text)
		if err != nil {
			return p, err
		}
		*bound.place = at
	}
	return p, nil
}

func optional[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}

// moment reads a time of an address: RFC 3339, or the form of a browser's field, in UTC.
func moment(name, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return &t, nil
		}
	}
	return nil, badParameter("%s=%q is no time: write it as 2026-01-31T12:00:00Z", name, text)
}

// runsPage lists runs.
func (s *Site) runsPage(v *visit) (page, error) {
	f, err := v.newFrame("Runs", "Runs", "runs")
	if err != nil {
		return page{}, err
	}
	if chosen := v.chosenColumns(); chosen != nil {
		return v.rememberColumns(chosen), nil
	}
	view := runsView{Frame: f, Filter: v.runFilter(), Views: v.runViews(f.Who.Name), MayBulk: f.May("CancelRun", "*")}
	view.Shown, view.Query = v.rememberedColumns(), v.pairs()
	if view.MayBulk && mayBulk(v.query) {
		view.Bulk = v.without("cursor")
	}
	params, err := view.Filter.params()
	if err != nil {
		return page{}, err
	}
	view.Filter.Limit = v.remembered(limitCookie, view.Filter.Limit, strconv.Itoa(defaultLimit))
	n, err := strconv.ParseInt(view.Filter.Limit, 10, 32)
	if err != nil {
		return page{}, badParameter("limit=%q is no number of runs", view.Filter.Limit)
	}
	limit := int32(n)
	params.Limit = &limit
	params.Cursor = v.cursor()
	var list api.RunList
	var calls errgroup.Group
	calls.Go(into(&list, func() (api.RunList, error) { return value(v.api.ListRunsWithResponse(v.Context(), &params)) }))
	calls.Go(into(&view.Counts, func() (api.RunCounts, error) {
		return value(v.api.CountRunsWithResponse(v.Context(), &api.CountRunsParams{
			Pool: params.Pool, Queue: params.Queue, Deployment: params.Deployment, State: params.State, Tag: params.Tag, Text: params.Text,
			Cause: params.Cause, CreatedBy: params.CreatedBy, Schedule: params.Schedule, Name: params.Name,
			CreatedAfter: params.CreatedAfter, CreatedBefore: params.CreatedBefore, EndedAfter: params.EndedAfter, EndedBefore: params.EndedBefore,
			ScheduledAfter: params.ScheduledAfter, ScheduledBefore: params.ScheduledBefore,
		}))
	}))
	if err := calls.Wait(); err != nil {
		return page{}, err
	}
	view.Runs = list.Items
	if strings.HasSuffix(view.Filter.Sort, "duration") {
		view.Since = list.SearchedTo
	}
	view.States = v.stateCounts(view.Counts)
	view.Chips = v.chips()
	if params.Cursor != nil {
		view.Newest = v.without("cursor")
	}
	if list.NextCursor != nil {
		view.Older = v.with("cursor", *list.NextCursor)
	}
	return page{template: "runs", view: view}, nil
}

// states in the order in which the page shows them.
var states = []api.StateType{
	api.COMPLETED, api.FAILED, api.CRASHED, api.RUNNING, api.PENDING, api.SCHEDULED, api.CANCELLING, api.CANCELLED,
}

// AllStates are the choices of the filter.
func (runsView) AllStates() []api.StateType { return states }

// Sorts are the orders, and what they are called.
func (runsView) Sorts() [][2]string {
	return [][2]string{
		{"", "newest first"}, {"created", "oldest first"}, {"-scheduled", "latest scheduled first"},
		{"scheduled", "earliest scheduled first"}, {"-duration", "longest first"}, {"duration", "shortest first"},
	}
}

// Causes are the choices of the filter.
func (runsView) Causes() []api.Category { return causes }

// causes of failures, the frequent ones first.
var causes = []api.Category{
	api.CategoryApp, api.CategoryOOM, api.CategoryEvicted, api.CategoryPreempted, api.CategoryNodeLost,
	api.CategoryDeadline, api.CategoryImagePull, api.CategoryConfig, api.CategoryUnschedulable, api.CategoryQuota,
	api.CategoryInvalid, api.CategoryTemplate, api.CategoryDeleted, api.CategoryCancelled, api.CategoryUnknown,
}

// Limits are the sizes of a page.
func (runsView) Limits() []string { return limits }

// Has reports whether the filter asks for a state.
func (f runFilter) Has(state api.StateType) bool { return slices.Contains(f.State, string(state)) }

func (v *visit) stateCounts(counts api.RunCounts) []stateCount {
	var all []stateCount
	for _, state := range states {
		if n := counts.ByState[string(state)]; n > 0 {
			all = append(all, stateCount{
				State: api.State{Type: state, Name: titled(state)}, Count: n, Address: v.with("state", string(state)),
			})
		}
	}
	return all
}

func titled(state api.StateType) string {
	return string(state[:1]) + strings.ToLower(string(state[1:]))
}

// with is the address of this page with a parameter that is set anew, on the first page of the list.
func (v *visit) with(name, value string) string {
	q := url.Values{}
	for k, values := range v.query {
		if k != "cursor" {
			q[k] = compacted(values)
		}
	}
	q.Set(name, value)
	return "?" + q.Encode()
}

// without is the address of this page without some parameters.
func (v *visit) without(names ...string) string {
	q := url.Values{}
	for k, values := range v.query {
		if !slices.Contains(names, k) && k != "cursor" && len(compacted(values)) > 0 {
			q[k] = compacted(values)
		}
	}
	return "?" + q.Encode()
}

// chipped are the parameters that are shown as a part of the filter each.
var chipped = []string{"state", "deployment", "pool", "queue", "tag", "cause", "by", "schedule", "name", "text", "from", "to", "ended_from", "ended_to", "scheduled_from", "scheduled_to"}

func (v *visit) chips() []chip {
	var all []chip
	for _, name := range chipped {
		for _, value := range compacted(v.query[name]) {
			all = append(all, chip{Text: name + ": " + value, Address: v.without(name)})
		}
	}
	return all
}

// runViews are the lists that are built in.
func (v *visit) runViews(me string) []chip {
	today := v.site.Now().UTC().Truncate(day).Format(time.RFC3339)
	views := []struct {
		text string
		q    url.Values
	}{
		{"All", url.Values{}},
		{"Failing today", url.Values{"state": {"FAILED", "CRASHED"}, "from": {today}}},
		{"Mine", url.Values{"by": {me}}},
		{"Running", url.Values{"state": {"PENDING", "RUNNING"}}},
		{"Waiting", url.Values{"state": {"SCHEDULED"}}},
	}
	all := make([]chip, len(views))
	for i, one := range views {
		all[i] = chip{one.text, "?" + one.q.Encode(), one.q.Encode() == (url.Values(v.query)).Encode()}
	}
	return all
}

func badParameter(format string, args ...any) error {
	return refusal(http.StatusBadRequest, format, args...)
}
