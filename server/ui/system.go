package ui

import (
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
)

// webhooksPage lists webhooks.
func (s *Site) webhooksPage(v *visit) (page, error) {
	f, err := v.newFrame("Webhooks", "", "webhook")
	if err != nil {
		return page{}, err
	}
	list, err := value(v.api.ListWebhooksWithResponse(v.Context()))
	if err != nil {
		return page{}, err
	}
	view := tableView{
		Frame: f, Heading: "Webhooks", About: "Who is told of what happens. They are changed with berth webhook set, pause, resume, test and resend.",
		Columns: []string{"Name", "Events", "Format", "Target", "State", "Changed"}, Empty: "No webhook yet.",
		Command: "berth webhook set NAME --url https://… --event run.ended",
	}
	for _, w := range list.Items {
		state := cell{Text: "active"}
		if w.Paused {
			state = cell{Text: "paused", Lines: lines(valueOf(w.PausedReason))}
		}
		if w.Pending > 0 {
			state.Lines = append(state.Lines, number(w.Pending)+" to deliver")
		}
		if w.Failures > 0 {
			state.Lines = append(state.Lines, number(w.Failures)+" failures in a row")
		}
		events := cell{}
		for _, e := range w.Events {
			events.Tags = append(events.Tags, string(e))
		}
		changed := at(w.UpdatedAt)
		changed.Lines = lines("by " + w.UpdatedBy)
		view.Rows = append(view.Rows, row{w.Name, []cell{
			{Text: w.Name, Lines: lines(valueOf(w.Description))}, events, plain(string(w.Format)), plain(w.Target), state, changed,
		}})
	}
	return page{template: "table", view: view}, nil
}

// aboutView says what this server is.
type aboutView struct {
	Frame
	Info     api.Info
	Built    bool
	Licenses string
	Server   string
}

// aboutPage says what this server is, and what is inside.
func (s *Site) aboutPage(v *visit) (page, error) {
	f, err := v.newFrame("About", "")
	if err != nil {
		return page{}, err
	}
	info, err := value(v.api.GetInfoWithResponse(v.Context()))
	if err != nil {
		return page{}, err
	}
	return page{template: "about", view: aboutView{Frame: f, Info: info, Built: Built(), Licenses: s.assets.licenses, Server: v.address()}}, nil
}

// searchPage finds runs, deployments and pools by a part of their names, and a run by the begin of its ID.
func (s *Site) searchPage(v *visit) (page, error) {
	f, err := v.newFrame("Search", "")
	if err != nil {
		return page{}, err
	}
	q := strings.TrimSpace(v.query.Get("q"))
	if id, err := uuid.Parse(q); err == nil {
		return page{redirect: v.root() + joinPath([]string{"runs", id.String()})}, nil
	}
	view := tableView{
		Frame: f, Heading: "Search", Columns: []string{"Kind", "Name", "State", "When"}, Empty: "Nothing is called like that.",
		Filter: []field{{Name: "q", Label: "Name, or the begin of a run's ID", Value: q}},
	}
	if q == "" {
		view.Empty = "Type a part of a name."
		return page{template: "table", view: view}, nil
	}
	var runs api.RunList
	var deployments api.DeploymentList
	var pools api.WorkPoolList
	var calls errgroup.Group
	few := int32(20)
	calls.Go(into(&runs, func() (api.RunList, error) {
		return value(v.api.ListRunsWithResponse(v.Context(), &api.ListRunsParams{Text: &q, Limit: &few}))
	}))
	calls.Go(into(&deployments, func() (api.DeploymentList, error) {
		return value(v.api.ListDeploymentsWithResponse(v.Context(), &api.ListDeploymentsParams{Text: &q, Limit: &few}))
	}))
	calls.Go(into(&pools, func() (api.WorkPoolList, error) {
		return value(v.api.ListWorkPoolsWithResponse(v.Context(), &api.ListWorkPoolsParams{Limit: limitOf()}))
	}))
	if err := calls.Wait(); isStatus(err, http.StatusBadRequest) {
		view.Empty = err.Error()
		return page{template: "table", view: view}, nil
	} else if err != nil {
		return page{}, err
	}
	for _, p := range pools.Items {
		if strings.Contains(strings.ToLower(p.Name), strings.ToLower(q)) {
			view.Rows = append(view.Rows, row{"pool-" + p.Name, []cell{plain("pool"), {Text: p.Name, Address: f.To("pools", p.Name)}, {}, {}}})
		}
	}
	for _, d := range deployments.Items {
		view.Rows = append(view.Rows, row{"deployment-" + d.Name, []cell{
			plain("deployment"), {Text: d.Name, Address: f.To("deployments", d.Name)}, {}, at(d.UpdatedAt),
		}})
	}
	for _, r := range runs.Items {
		view.Rows = append(view.Rows, row{r.ID.String(), []cell{
			plain("run"), {Text: r.Name, Address: f.To("runs", r.ID.String()), Lines: lines(r.Deployment)},
			plain(shape(r.State) + " " + r.State.Name), at(r.CreatedAt),
		}})
	}
	return page{template: "table", view: view}, nil
}
