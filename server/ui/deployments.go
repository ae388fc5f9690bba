package ui

import (
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
)

func (s *Site) deploymentRoutes(get, post func(path string, page pageFunc)) {
	get("/deployments", s.deploymentsPage)
	get("/deployments/{name}", s.deploymentPage)
	get("/deployments/{name}/run", s.runFormPage)
	post("/deployments/{name}/run", s.sendRunForm)
	get("/deployments/{name}/pause", asking(pauseQuestion))
	post("/deployments/{name}/pause", s.pauseDeployment)
	get("/deployments/{name}/resume", asking(resumeQuestion))
	post("/deployments/{name}/resume", s.resumeDeployment)
	get("/deployments/{name}/delete", asking(deleteQuestion))
	post("/deployments/{name}/delete", s.deleteDeployment)
}

// deploymentsView is the list of deployments.
type deploymentsView struct {
	Frame
	Filter      deploymentFilter
	Deployments []deploymentRow
	Chips       []chip
	First, Next string // addresses of pages; empty where there is none
}

// deploymentRow is a deployment, when it runs next, and how it ran last.
type deploymentRow struct {
	api.Deployment
	NextRun *time.Time
	LastRun *api.Run
}

// deploymentFilter is what the address of the list says.
type deploymentFilter struct{ Text, Tag, Pool, Queue, Paused, Failing string }

func (f deploymentFilter) params() (api.ListDeploymentsParams, error) {
	p := api.ListDeploymentsParams{Text: optional(f.Text), Pool: optional(f.Pool), Queue: optional(f.Queue)}
	if f.Tag != "" {
		p.Tag = &[]string{f.Tag}
	}
	var err error
	if p.Paused, err = yesOrNo("paused", f.Paused); err != nil {
		return p, err
	}
	p.Failing, err = yesOrNo("failing", f.Failing)
	return p, err
}

// yesOrNo reads a parameter of an address; nil where it is not set.
func yesOrNo(name, text string) (*bool, error) {
	if text != "" && text != "true" && text != "false" {
		return nil, badParameter("%s=%q: write true or false", name, text)
	}
	if text == "" {
		return nil, nil
	}
	yes := text == "true"
	return &yes, nil
}

// deploymentsPage lists deployments by name. It is not live on runs, which end each second: see deploymentRows.
func (s *Site) deploymentsPage(v *visit) (page, error) {
	f, err := v.newFrame("Deployments", "Deployments", "deployment", "schedule")
	if err != nil {
		return page{}, err
	}
	q := v.query
	view := deploymentsView{Frame: f, Filter: deploymentFilter{q.Get("text"), q.Get("tag"), q.Get("pool"), q.Get("queue"), q.Get("paused"), q.Get("failing")}}
	params, err := view.Filter.params()
	if err != nil {
		return page{}, err
	}
	limit := int32(defaultLimit)
	params.Limit, params.Cursor = &limit, v.cursor()
	list, err := value(v.api.ListDeploymentsWithResponse(v.Context(), &params))
	if err != nil {
		return page{}, err
	}
	if view.Deployments, err = v.deploymentRows(list.Items); err != nil {
		return page{}, err
	}
	for _, name := range []string{"text", "tag", "pool", "queue", "paused", "failing"} {
		for _, value := range compacted(q[name]) {
			view.Chips = append(view.Chips, chip{Text: name + ": " + value, Address: v.without(name)})
		}
	}
	if params.Cursor != nil {
		view.First = v.without("cursor")
	}
	if list.NextCursor != nil {
		view.Next = v.with("cursor", *list.NextCursor)
	}
	return page{template: "deployments", view: view}, nil
}

const (
	// newestRuns are read at once, to find the last run of most deployments.
	newestRuns = 200
	// schedulesAtOnce is how many schedules are read at once.
	schedulesAtOnce = 500
)

// deploymentRows adds the last run and the next slot to deployments. What is not among the newest runs and the first
// schedules is asked for one by one.
func (v *visit) deploymentRows(items []api.Deployment) ([]deploymentRow, error) {
	var (
		runs      api.RunList
		schedules api.ScheduleList
		both      errgroup.Group
	)
	many, most := int32(newestRuns), int32(schedulesAtOnce)
	both.Go(into(&runs, func() (api.RunList, error) {
		return value(v.api.ListRunsWithResponse(v.Context(), &api.ListRunsParams{Limit: &many}))
	}))
	both.Go(into(&schedules, func() (api.ScheduleList, error) {
		return value(v.api.ListSchedulesWithResponse(v.Context(), &api.ListSchedulesParams{Limit: &most}))
	}))
	if err := both.Wait(); err != nil {
		return nil, err
	}
	last, planned := map[string]*api.Run{}, map[string][]api.Schedule{}
	for i := len(runs.Items) - 1; i >= 0; i-- {
		last[runs.Items[i].Deployment] = &runs.Items[i]
	}
	for _, one := range schedules.Items {
		planned[one.Deployment] = append(planned[one.Deployment], one)
	}
	allRuns, allSchedules := runs.NextCursor == nil, schedules.NextCursor == nil
	rows := make([]deploymentRow, len(items))
	var calls errgroup.Group
	calls.SetLimit(callsAtOnce)
	for i, one := range items {
		row := &rows[i]
		row.Deployment, row.LastRun, row.NextRun = one, last[one.Name], nextOf(planned[one.Name])
		if row.LastRun == nil && !allRuns {
			calls.Go(func() error {
				runs, err := v.lastRuns(one.Name, 1)
				if err == nil && len(runs) > 0 {
					row.LastRun = &runs[0]
				}
				return unlessGone(err)
			})
		}
		if !allSchedules {
			calls.Go(func() error {
				list, err := value(v.api.ListDeploymentSchedulesWithResponse(v.Context(), one.Name))
				row.NextRun = nextOf(list.Items)
				return unlessGone(err)
			})
		}
	}
	return rows, calls.Wait()
}

// unlessGone ignores that an object was deleted since it was listed.
func unlessGone(err error) error {
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

func (v *visit) lastRuns(deployment string, limit int32) ([]api.Run, error) {
	list, err := value(v.api.ListRunsWithResponse(v.Context(), &api.ListRunsParams{Deployment: &deployment, Limit: &limit}))
	return list.Items, err
}

// nextOf is the earliest slot of the schedules that are not paused.
func nextOf(schedules []api.Schedule) *time.Time {
	var next *time.Time
	for _, one := range schedules {
		if one.Active && len(one.Next) > 0 && (next == nil || one.Next[0].Before(*next)) {
			next = &one.Next[0]
		}
	}
	return next
}

// ByTag is the address of the list of deployments with a tag.
func (f Frame) ByTag(tag string) string {
	return f.To("deployments") + "?" + url.Values{"tag": {tag}}.Encode()
}

// FailingChoices are the choices of the filter, and what they are called.
func (deploymentsView) FailingChoices() [][2]string {
	return [][2]string{{"", "any"}, {"true", "failed"}, {"false", "not failed"}}
}

// PausedChoices are the choices of the filter, and what they are called.
func (deploymentsView) PausedChoices() [][2]string {
	return [][2]string{{"", "any"}, {"true", "paused"}, {"false", "not paused"}}
}
