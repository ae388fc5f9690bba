package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
)

// bulkView asks before something is done with many runs, and says afterwards what was done. What is asked about is what the
// address says: the form is sent to the same address, so that nothing in between can widen it.
type bulkView struct {
	Frame
	Do      string // cancel or retry
	Heading string
	Words   []string // the filter
	Count   int64
	AtLeast bool
	First   []api.Run
	Back    string

	Finished bool
	Done     int
	Refused  []api.RunRefused
	Next     string // cursor, where there are more than one form does
}

const (
	// bulkNamed is how many runs are named before they are changed.
	bulkNamed = 20
	// bulkPages bounds the requests of one form; each changes up to 500 runs.
	bulkPages = 20
)

// bulkVerbs are what can be done with many runs.
var bulkVerbs = map[string]struct{ heading, operation string }{
	"cancel": {"Cancel runs", "CancelRun"}, "retry": {"Retry runs", "RetryRun"},
}

// selectable are the parameters of the list that also select runs to change.
var selectable = []string{"state", "deployment", "pool", "queue", "tag", "cause", "by", "schedule", "text", "from", "to"}

// mayBulk reports whether what a list shows can be changed as a whole: the filter has nothing that a selection has not.
func mayBulk(q url.Values) bool {
	for name, values := range q {
		if len(compacted(values)) > 0 && slices.Contains(chipped, name) && !slices.Contains(selectable, name) {
			return false
		}
	}
	return true
}

// selection is what the address asks about: single runs, or all of a filter.
func (v *visit) selection() (api.RunSelection, error) {
	ids := compacted(v.query["run"])
	if v.query.Get("all") != "true" {
		chosen := make([]uuid.UUID, len(ids))
		for i, text := range ids {
			id, err := uuid.Parse(text)
			if err != nil {
				return api.RunSelection{}, badParameter("run=%q is no ID of a run", text)
			}
			chosen[i] = id
		}
		if len(chosen) == 0 {
			return api.RunSelection{}, badParameter("no run was chosen: tick some in the list of runs")
		}
		return api.RunSelection{Ids: &chosen}, nil
	}
	if !mayBulk(v.query) {
		return api.RunSelection{}, badParameter("all runs of a filter can be changed by %s only", strings.Join(selectable, ", "))
	}
	p, err := v.runFilter().params()
	if err != nil {
		return api.RunSelection{}, err
	}
	return api.RunSelection{Filter: &api.RunSelectionFilter{
		States: p.State, Deployment: p.Deployment, Pool: p.Pool, Queue: p.Queue, Tags: p.Tag, Text: p.Text,
		Causes: p.Cause, CreatedBy: p.CreatedBy, Schedule: p.Schedule,
		CreatedAfter: p.CreatedAfter, CreatedBefore: p.CreatedBefore,
	}}, nil
}

// bulkView reads what is asked about.
func (v *visit) bulkView() (bulkView, api.RunSelection, error) {
	do := v.query.Get("do")
	verb, known := bulkVerbs[do]
	if !known {
		return bulkView{}, api.RunSelection{}, badParameter("do=%q: write cancel or retry", do)
	}
	selection, err := v.selection()
	if err != nil {
		return bulkView{}, selection, err
	}
	f, err := v.newFrameTo(verb.operation, "*", verb.heading, "Runs")
	view := bulkView{Frame: f, Do: do, Heading: verb.heading, Back: f.To("runs") + v.without("do", "all", "run")}
	return view, selection, err
}

// bulkPage names what will be changed.
func (s *Site) bulkPage(v *visit) (page, error) {
	view, selection, err := v.bulkView()
	if err != nil {
		return page{}, err
	}
	if selection.Ids != nil {
		err = v.nameRuns(&view, *selection.Ids)
	} else {
		err = v.nameFilter(&view)
	}
	return page{template: "bulk", view: view}, err
}

func (v *visit) nameRuns(view *bulkView, ids []uuid.UUID) error {
	view.Count = int64(len(ids))
	named := ids[:min(len(ids), bulkNamed)]
	view.First = make([]api.Run, len(named))
	var calls errgroup.Group
	calls.SetLimit(callsAtOnce)
	for i, id := range named {
		calls.Go(into(&view.First[i], func() (api.Run, error) {
			detail, err := value(v.api.GetRunWithResponse(v.Context(), id))
			return detail.Run, err
		}))
	}
	return calls.Wait()
}

func (v *visit) nameFilter(view *bulkView) error {
	params, err := v.runFilter().params()
	if err != nil {
		return err
	}
	for _, name := range selectable {
		for _, text := range compacted(v.query[name]) {
			view.Words = append(view.Words, name+": "+text)
		}
	}
	few := int32(bulkNamed)
	params.Limit = &few
	list, err := value(v.api.ListRunsWithResponse(v.Context(), &params))
	if err != nil {
		return err
	}
	counts, err := value(v.api.CountRunsWithResponse(v.Context(), &api.CountRunsParams{
		Pool: params.Pool, Queue: params.Queue, Deployment: params.Deployment, State: params.State, Tag: params.Tag, Text: params.Text,
		Cause: params.Cause, CreatedBy: params.CreatedBy, Schedule: params.Schedule,
		CreatedAfter: params.CreatedAfter, CreatedBefore: params.CreatedBefore,
	}))
	view.First, view.Count, view.AtLeast = list.Items, counts.Total, counts.AtLeast
	return err
}

// changeRuns does it.
func (s *Site) changeRuns(v *visit) (page, error) {
	view, selection, err := v.bulkView()
	if err != nil {
		return page{}, err
	}
	selection.Cursor = optional(v.PostFormValue("cursor"))
	for range bulkPages {
		var result api.RunBulkResult
		if view.Do == "cancel" {
			result, err = value(v.api.CancelRunsWithResponse(v.Context(), selection))
		} else {
			result, err = value(v.api.RetryRunsWithResponse(v.Context(), selection))
		}
		if err != nil {
			return page{}, err
		}
		view.Done += len(result.Done)
		view.Refused = append(view.Refused, result.Refused...)
		if selection.Cursor = result.NextCursor; selection.Cursor == nil {
			break
		}
	}
	view.Finished, view.Next = true, valueOf(selection.Cursor)
	return page{status: http.StatusOK, template: "bulk", view: view}, nil
}
