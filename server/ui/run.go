package ui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
)

// runView is one run: its story, why, its attempts and the output of one.
type runView struct {
	Frame
	Run      api.Run
	Detail   api.RunDetail
	Why      api.RunExplanation
	Steps    []step
	Events   []api.RunEvent
	Earlier  bool // there are earlier events
	Attempts []attemptView
	Chosen   int32 // attempt whose output is shown; 0 without one
	Tail     []api.LogLine
	Lines    int64 // of the output; 0 while they are not all counted
	Size     int64
	Wait     *waitView    // nil unless it waits
	Same     *sameFailure // nil unless others failed as it did
	Actions  []runAction
}

// runAction is a thing to do with a run.
type runAction struct {
	Label, Address string
	Question       bool
	Main           bool
}

// attemptView is an attempt with the bars of its timeline.
type attemptView struct {
	api.Attempt
	Spans   []timespan
	Took    string
	Chosen  bool
	Address string
}

// timespan is a part of an attempt's time, in thousandths of the width.
type timespan struct {
	Class       string
	From, Width int
	Label       string
}

const (
	// eventsShown bounds the events on the page; all are on their own page.
	eventsShown = 100
	// tailLines are the lines of output on the page without a script.
	tailLines = 200
	// timelineWidth is the width of the timeline, in its own units.
	timelineWidth = 1000
)

// run returns the run that the address names.
func (v *visit) run() (api.RunDetail, error) { return v.runNamed(v.path("run")) }

// runNamed returns a run by its ID or, the newest, by its name.
func (v *visit) runNamed(named string) (api.RunDetail, error) {
	id, err := uuid.Parse(named)
	if err != nil {
		limit := int32(1)
		list, err := value(v.api.ListRunsWithResponse(v.Context(), &api.ListRunsParams{Name: &named, Limit: &limit}))
		if err != nil {
			return api.RunDetail{}, err
		}
		if len(list.Items) == 0 {
			return api.RunDetail{}, refusal(http.StatusNotFound, "no run is called %q", named)
		}
		id = list.Items[0].ID
	}
	return value(v.api.GetRunWithResponse(v.Context(), id))
}

// runPage shows a run.
func (s *Site) runPage(v *visit) (page, error) {
	detail, err := v.run()
	if err != nil {
		return page{}, err
	}
	run := detail.Run
	f, err := v.newFrame(run.Name, "Runs", "run:"+run.ID.String(), "pool:"+run.Pool)
	if err != nil {
		return page{}, err
	}
	f.Title = shape(run.State) + " " + run.Name
	f.Scripts = []string{"log"}
	view := runView{Frame: f, Run: run, Detail: detail, Chosen: run.Attempt}
	if n, err := parseAttempt(v.query.Get("attempt"), run.Attempt); err != nil {
		return page{}, err
	} else if n > 0 {
		view.Chosen = n
	}
	var events api.RunEventList
	var lines api.LogLines
	var calls errgroup.Group
	calls.Go(into(&view.Why, func() (api.RunExplanation, error) { return value(v.api.ExplainRunWithResponse(v.Context(), run.ID)) }))
	calls.Go(into(&events, func() (api.RunEventList, error) {
		limit := int32(eventsShown)
		return value(v.api.ListRunEventsWithResponse(v.Context(), run.ID, &api.ListRunEventsParams{Limit: &limit}))
	}))
	calls.Go(into(&view.Same, func() (*sameFailure, error) { return v.sameFailures(run) }))
	if view.Chosen > 0 {
		calls.Go(into(&lines, func() (api.LogLines, error) { return v.tail(run.ID, view.Chosen) }))
	}
	if err := calls.Wait(); err != nil {
		return page{}, err
	}
	view.Events, view.Earlier = events.Items, events.NextCursor != nil
	view.Tail, view.Size, view.Lines = lines.Lines, lines.SizeBytes, valueOf(lines.TotalLines)
	view.Attempts = timeline(detail, view.Chosen, s.Now())
	view.Actions = view.actions()
	view.Wait = view.wait(s.Now())
	view.Steps = view.Wait.otherSteps(view.steps())
	return page{template: "run", view: view}, nil
}

// ChosenFailed reports whether the attempt whose output is shown has failed.
func (v runView) ChosenFailed() bool {
	return slices.ContainsFunc(v.Attempts, func(a attemptView) bool { return a.Chosen && a.Category != nil })
}

func parseAttempt(text string, newest int32) (int32, error) {
	if text == "" {
		return 0, nil
	}
	var n int32
	if _, err := fmt.Sscan(text, &n); err != nil || n < 1 || n > newest {
		return 0, refusal(http.StatusNotFound, "the run has no attempt %s", text)
	}
	return n, nil
}

// tail returns the last lines of an attempt. A script that asks for the page again reads the output itself: one line tells how
// many there are.
func (v *visit) tail(run uuid.UUID, attempt int32) (api.LogLines, error) {
	from, lines := int64(-tailLines), int32(tailLines)
	if v.Header.Get("Sec-Fetch-Dest") == "empty" {
		from, lines = -1, 1
	}
	last, err := value(v.api.GetRunLogLinesWithResponse(v.Context(), run, &api.GetRunLogLinesParams{
		Attempt: &attempt, FromLine: &from, Lines: &lines,
	}))
	if isStatus(err, http.StatusServiceUnavailable) { // the archive: the rest of the page is worth showing
		return api.LogLines{Lines: []api.LogLine{{Text: err.Error()}}}, nil
	}
	return last, err
}

// Parameters of the run, for people.
func (r runView) Parameters() (string, error) { return indented(r.Run.Parameters) }

// JobVariables of the run, for people.
func (r runView) JobVariables() (string, error) { return indented(r.Run.JobVariables) }

// Result of the run, for people.
func (r runView) Result() (string, error) {
	if r.Detail.Result == nil {
		return "", nil
	}
	return indented(json.RawMessage(r.Detail.Result.Value))
}

// actions are what the state of the run permits, and the role of whoever looks.
func (r runView) actions() []runAction {
	id := r.Run.ID.String()
	var all []runAction
	if r.May("CreateRun", r.Run.Pool) {
		all = append(all, runAction{
			Label: "Run again…", Address: r.To("deployments", r.Run.Deployment, "run") + "?" + url.Values{"from": {id}}.Encode(),
		})
	}
	switch r.Run.State.Type {
	case api.FAILED, api.CRASHED, api.CANCELLED:
		if r.May("RetryRun", r.Run.Pool) {
			all = append(all, runAction{Label: "Retry…", Address: r.To("runs", id, "retry"), Question: true, Main: true})
		}
	case api.SCHEDULED, api.PENDING, api.RUNNING:
		if r.May("CancelRun", r.Run.Pool) {
			all = append(all, runAction{Label: "Cancel…", Address: r.To("runs", id, "cancel"), Question: true})
		}
	}
	for _, reason := range r.Why.Reasons {
		if reason.Code == "cluster-lost" && r.May("AbandonRun", r.Run.Pool) {
			all = append(all, runAction{Label: "Release…", Address: r.To("runs", id, "abandon"), Question: true})
		}
	}
	return all
}

// timeline lays the attempts of a run over its time, from when it was due to its end. A pause that is far longer than all
// that happened is not drawn to scale: the text has the exact times.
func timeline(d api.RunDetail, chosen int32, now time.Time) []attemptView {
	begin := d.Run.CreatedAt
	if d.Run.ScheduledTime.After(begin) {
		begin = d.Run.ScheduledTime
	}
	end := now
	if d.Run.EndedAt != nil {
		end = *d.Run.EndedAt
	}
	scale := newScale(begin, end, d.Attempts, now)
	all := make([]attemptView, 0, len(d.Attempts))
	before := begin
	for _, a := range d.Attempts {
		over := endOf(a, now)
		view := attemptView{Attempt: a, Chosen: a.Number == chosen, Took: length(over.Sub(a.ClaimedAt))}
		view.Address = "?" + url.Values{"attempt": {fmt.Sprint(a.Number)}}.Encode() + "#log"
		add := func(class, label string, from, to time.Time) {
			if to.After(from) {
				x, x2 := scale.at(from), scale.at(to)
				view.Spans = append(view.Spans, timespan{class, x, max(2, x2-x), label + " " + length(to.Sub(from))})
			}
		}
		started := firstOf(a.RunningAt, over)
		submitted := firstOf(a.SubmittedAt, started)
		add("queued", "queued", before, a.ClaimedAt)
		add("waiting", "preparing", a.ClaimedAt, submitted)
		add("starting", "starting", submitted, started)
		add("running "+outcome(a), "running", started, over)
		before = over
		all = append(all, view)
	}
	return all
}

func firstOf(at *time.Time, otherwise time.Time) time.Time {
	if at != nil {
		return *at
	}
	return otherwise
}

func endOf(a api.Attempt, now time.Time) time.Time { return firstOf(a.EndedAt, now) }

// outcome is the class of an attempt's end.
func outcome(a api.Attempt) string {
	switch {
	case a.EndedAt == nil:
		return "RUNNING"
	case a.Category == nil: // the cause of a failure
		return "COMPLETED"
	default:
		return "FAILED"
	}
}

// scale maps times to places of the timeline.
type scale struct {
	edges  []time.Time // of parts, in order
	places []int
}

// newScale gives each part of the time between two edges its share of the width, but a part that is more than 20 times as
// long as all others no more than a tenth of it.
func newScale(begin, end time.Time, attempts []api.Attempt, now time.Time) scale {
	edges := []time.Time{begin}
	for _, a := range attempts {
		edges = append(edges, a.ClaimedAt, endOf(a, now))
	}
	edges = append(edges, end)
	for i := 1; i < len(edges); i++ {
		if edges[i].Before(edges[i-1]) {
			edges[i] = edges[i-1]
		}
	}
	parts := make([]float64, len(edges)-1)
	total := 0.0
	for i := range parts {
		parts[i] = edges[i+1].Sub(edges[i]).Seconds()
		total += parts[i]
	}
	for i := range parts {
		const folded, tenth = 20, 9
		if idle := i%2 == 0; idle && parts[i] > folded*(total-parts[i]) && total > parts[i] {
			rest := total - parts[i]
			parts[i], total = rest/tenth, rest+rest/tenth
		}
	}
	s := scale{edges: edges, places: make([]int, len(edges))}
	sum := 0.0
	for i := range parts {
		sum += parts[i]
		if total > 0 {
			s.places[i+1] = int(sum / total * timelineWidth)
		}
	}
	return s
}

func (s scale) at(t time.Time) int {
	for i := 1; i < len(s.edges); i++ {
		if !t.After(s.edges[i]) {
			whole := s.edges[i].Sub(s.edges[i-1]).Seconds()
			if whole <= 0 {
				return s.places[i]
			}
			return s.places[i-1] + int(max(0, t.Sub(s.edges[i-1]).Seconds())/whole*float64(s.places[i]-s.places[i-1]))
		}
	}
	return timelineWidth
}

// runActions are the actions of a run that ask first, by the end of their address.
var runActions = map[string]struct {
	operation, title, about, button string
	danger                          bool
	call                            func(v *visit, run uuid.UUID) error
}{
	"cancel": {
		operation: "CancelRun", title: "Cancel %s?", button: "Cancel the run", danger: true,
		about: "Its container is stopped, with the time that its template gives it to end. What it has done so far stays.",
		call:  func(v *visit, run uuid.UUID) error { return check(v.api.CancelRunWithResponse(v.Context(), run)) },
	},
	"retry": {
		operation: "RetryRun", title: "Retry %s?", button: "Retry",
		about: "The same run starts one more attempt, with the same values and today's template.",
		call:  func(v *visit, run uuid.UUID) error { return check(v.api.RetryRunWithResponse(v.Context(), run)) },
	},
	"abandon": {
		operation: "AbandonRun", title: "Release %s?", button: "Release the run", danger: true,
		about: "Do this only where you know that the Job is gone: another worker may then run it once more.",
		call:  func(v *visit, run uuid.UUID) error { return check(v.api.AbandonRunWithResponse(v.Context(), run)) },
	},
}

// askRun asks before an action on a run, and carries it out when it was confirmed.
func (s *Site) askRun(name string) pageFunc {
	action := runActions[name]
	return func(v *visit) (page, error) {
		detail, err := v.run()
		if err != nil {
			return page{}, err
		}
		run := detail.Run
		problem := ""
		if v.Method == http.MethodPost {
			if err = action.call(v, run.ID); err == nil {
				return v.redirectTo("runs", run.ID.String()), nil
			}
			if !isStatus(err, http.StatusConflict) {
				return page{}, err
			}
			problem = err.Error()
		}
		f, err := v.newFrameTo(action.operation, run.Pool, fmt.Sprintf(action.title, run.Name), "Runs")
		if err != nil {
			return page{}, err
		}
		view := questionView{
			Frame: f, Heading: f.Title, Lines: []string{action.about}, Button: action.button, Danger: action.danger, Problem: problem,
			Back: f.To("runs", run.ID.String()),
		}
		return page{template: "question", view: view}, nil
	}
}

// eventsView is all events of a run.
type eventsView struct {
	Frame
	Run           api.Run
	Events        []api.RunEvent
	Newest, Older string
}

// eventsPage lists the events of a run, newest first.
func (s *Site) eventsPage(v *visit) (page, error) {
	detail, err := v.run()
	if err != nil {
		return page{}, err
	}
	run := detail.Run
	f, err := v.newFrame("Events of "+run.Name, "Runs", "run:"+run.ID.String())
	if err != nil {
		return page{}, err
	}
	limit := int32(eventsShown)
	list, err := value(v.api.ListRunEventsWithResponse(v.Context(), run.ID, &api.ListRunEventsParams{
		Limit: &limit, Cursor: v.cursor(),
	}))
	if err != nil {
		return page{}, err
	}
	view := eventsView{Frame: f, Run: run, Events: list.Items}
	if v.query.Get("cursor") != "" {
		view.Newest = v.without("cursor")
	}
	if list.NextCursor != nil {
		view.Older = v.with("cursor", *list.NextCursor)
	}
	return page{template: "events", view: view}, nil
}
