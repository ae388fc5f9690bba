package ui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
)

// searchView is what a text finds. palette.ts shows its list over any page while a visitor types.
type searchView struct {
	Frame
	Query string
	Found []found
	Empty string
}

// found is a page, a pool, a deployment or a run.
type found struct {
	ID, Kind, Name, Address string
	About                   string
	State                   *api.State
	At                      *time.Time
}

// searchPage finds pages, pools, deployments and runs by a part of their names, and a run by the beginning of its ID.
func (s *Site) searchPage(v *visit) (page, error) {
	f, err := v.newFrame("Search", "")
	if err != nil {
		return page{}, err
	}
	q := strings.TrimSpace(v.query.Get("q"))
	if id, err := uuid.Parse(q); err == nil {
		return page{redirect: v.root() + joinPath([]string{"runs", id.String()})}, nil
	}
	view := searchView{Frame: f, Query: q, Found: f.pagesNamed(q), Empty: "Nothing is called like that."}
	if q == "" {
		return page{template: "search", view: view}, nil
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
		view.Found, view.Empty = nil, err.Error()
		return page{template: "search", view: view}, nil
	} else if err != nil {
		return page{}, err
	}
	for _, p := range pools.Items {
		if hasFold(p.Name, q) {
			view.Found = append(view.Found, found{ID: "pool-" + p.Name, Kind: "pool", Name: p.Name, Address: f.To("pools", p.Name), About: p.Description})
		}
	}
	for _, d := range deployments.Items {
		view.Found = append(view.Found, found{
			ID: "deployment-" + d.Name, Kind: "deployment", Name: d.Name, Address: f.To("deployments", d.Name), About: "in " + d.Pool,
		})
	}
	for _, r := range runs.Items {
		view.Found = append(view.Found, found{
			ID: r.ID.String(), Kind: "run", Name: r.Name, Address: f.To("runs", r.ID.String()), About: "of " + r.Deployment, State: &r.State, At: &r.CreatedAt,
		})
	}
	// What is called like the text comes first, whatever it is.
	slices.SortStableFunc(view.Found, func(a, b found) int { return cmp.Compare(rank(a.Name, q), rank(b.Name, q)) })
	return page{template: "search", view: view}, nil
}

func rank(name, q string) int {
	switch name = strings.ToLower(name); {
	case name == strings.ToLower(q):
		return 0
	case strings.HasPrefix(name, strings.ToLower(q)):
		return 1
	default:
		return 2
	}
}

func hasFold(name, q string) bool { return strings.Contains(strings.ToLower(name), strings.ToLower(q)) }

// pagesNamed returns the pages of the site with a text in their names.
func (f Frame) pagesNamed(q string) []found {
	var pages []found
	for _, n := range slices.Concat(navigation, f.Menu()) {
		if hasFold(n.Label, q) {
			pages = append(pages, found{ID: "page-" + strings.ReplaceAll(n.Label, " ", "-"), Kind: "page", Name: n.Label, Address: f.Root + n.Path})
		}
	}
	return pages
}

// Menu is what the menu of whoever looks leads to.
func (f Frame) Menu() []navigationEntry {
	return slices.DeleteFunc(slices.Clone(menu), func(n navigationEntry) bool { return n.Needs != "" && !f.May(n.Needs, "*") })
}
