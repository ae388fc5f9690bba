package ui

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
)

// deploymentView is one deployment.
type deploymentView struct {
	Frame
	Deployment api.Deployment
	Schedules  []scheduleView
	Statistics api.DeploymentStatistics
	Chart      []chartBar
	Runs       []api.Run // the newest
	Parameters []valueRow
	Variables  []valueRow // job variables
	History    []api.AuditEntry
	MayHistory bool
	YAML       string
	Facts      []fact
}

// fact is a property with its name.
type fact struct{ Name, Text string }

const (
	chartRuns  = 50
	recentRuns = 10
)

// deploymentPage shows a deployment.
func (s *Site) deploymentPage(v *visit) (page, error) {
	name := v.path("name")
	f, err := v.newFrame(name, "Deployments", "deployment:"+name, "schedule", "runs")
	if err != nil {
		return page{}, err
	}
	view := deploymentView{Frame: f}
	var runs []api.Run
	var schema api.RunSchema
	var calls errgroup.Group
	calls.Go(into(&view.Deployment, func() (api.Deployment, error) { return value(v.api.GetDeploymentWithResponse(v.Context(), name)) }))
	calls.Go(into(&runs, func() ([]api.Run, error) { return v.lastRuns(name, chartRuns) }))
	calls.Go(into(&schema, func() (api.RunSchema, error) { return value(v.api.GetRunSchemaWithResponse(v.Context(), name)) }))
	calls.Go(into(&view.Statistics, func() (api.DeploymentStatistics, error) {
		from := s.Now().Add(-30 * day)
		return value(v.api.GetDeploymentStatisticsWithResponse(v.Context(), name, &api.GetDeploymentStatisticsParams{From: &from}))
	}))
	if view.MayHistory = f.May("ListAudit", "*"); view.MayHistory {
		calls.Go(into(&view.History, func() ([]api.AuditEntry, error) {
			kind, limit := api.AuditDeployment, int32(10)
			list, err := value(v.api.ListAuditWithResponse(v.Context(), &api.ListAuditParams{Kind: &kind, Name: &name, Limit: &limit}))
			return list.Items, err
		}))
	}
	if err := calls.Wait(); err != nil {
		return page{}, err
	}
	view.Facts = deploymentFacts(view.Deployment)
	view.Chart = chartOf(runs, f)
	view.Runs = runs[:min(len(runs), recentRuns)]
	view.Schedules = scheduleViews(valueOf(view.Deployment.Schedules))
	frozen := valueOf(view.Deployment.Frozen)
	if view.Parameters, err = valueRows(schema.Parameters, view.Deployment.Parameters, valueOf(frozen.Parameters), "schema"); err != nil {
		return page{}, err
	}
	if view.Variables, err = valueRows(schema.JobVariables, view.Deployment.JobVariables, valueOf(frozen.JobVariables), "template"); err != nil {
		return page{}, err
	}
	if view.YAML, err = deploymentYAML(view.Deployment); err != nil {
		return page{}, err
	}
	return page{template: "deployment", view: view}, nil
}

// AllRuns is the address of the list of its runs.
func (d deploymentView) AllRuns() string {
	return d.To("runs") + "?" + url.Values{"deployment": {d.Deployment.Name}}.Encode()
}

// Audit is the address of all its history.
func (d deploymentView) Audit() string {
	return d.To("audit") + "?" + url.Values{"kind": {string(api.AuditDeployment)}, "name": {d.Deployment.Name}}.Encode()
}

// Failing is the part of the runs that failed, as a percentage.
func (d deploymentView) Failing() string {
	if d.Statistics.Failing == nil {
		return ""
	}
	return fmt.Sprintf("%.3g %%", *d.Statistics.Failing*100)
}

func seconds(n *float64) string {
	if n == nil {
		return ""
	}
	return length(secondsOf(*n))
}

func deploymentFacts(d api.Deployment) []fact {
	facts := []fact{}
	add := func(name, text string) {
		if text != "" {
			facts = append(facts, fact{name, text})
		}
	}
	limit := "none"
	if d.ConcurrencyLimit != nil {
		limit = fmt.Sprintf("%d at once", *d.ConcurrencyLimit)
	}
	add("Limit", limit)
	if d.TimeoutSeconds != nil {
		add("Timeout", length(time.Duration(*d.TimeoutSeconds)*time.Second))
	}
	if d.StartDeadlineSeconds != nil {
		add("Must start within", length(time.Duration(*d.StartDeadlineSeconds)*time.Second))
	}
	retries := fmt.Sprintf("%d", valueOf(d.Retries.Max))
	if d.Retries.DelaySeconds != nil && *d.Retries.DelaySeconds > 0 {
		retries += fmt.Sprintf(", %s apart", length(time.Duration(*d.Retries.DelaySeconds)*time.Second))
	}
	add("Retries of failures", retries)
	if d.Retries.InfrastructureMax != nil {
		add("Retries of what the infrastructure ended", fmt.Sprintf("%d", *d.Retries.InfrastructureMax))
	}
	add("Version", d.Version)
	add("Project", valueOf(d.Project))
	return facts
}

// chartBar is a run in the chart of the newest.
type chartBar struct {
	Run                api.Run
	Address            string
	X, Y, Height, Mark int // in units of the drawing
	Took               string
}

const (
	chartHeight = 64
	chartFloor  = 80 // where bars stand
	barPitch    = 16
)

// chartOf draws runs, newest first, from left to right: the height is the duration, the sign below says how it ended.
func chartOf(runs []api.Run, f Frame) []chartBar {
	longest := time.Second
	for _, r := range runs {
		longest = max(longest, ran(r))
	}
	bars := make([]chartBar, len(runs))
	for i, r := range runs {
		height := max(2, int(ran(r)*chartHeight/longest))
		at := len(runs) - 1 - i
		bars[at] = chartBar{
			Run: r, Address: f.To("runs", r.ID.String()), X: at * barPitch, Y: chartFloor - height, Height: height,
			Mark: at*barPitch + barPitch/2, Took: took(r),
		}
	}
	return bars
}

// ran is how long a run has run, or 0.
func ran(r api.Run) time.Duration {
	if r.StartedAt == nil {
		return 0
	}
	if r.EndedAt == nil {
		return max(0, time.Since(*r.StartedAt))
	}
	return max(0, r.EndedAt.Sub(*r.StartedAt))
}

// ChartWidth is the width of the drawing.
func (d deploymentView) ChartWidth() int { return max(1, len(d.Chart)) * barPitch }

// valueRow is a parameter or job variable of a deployment.
type valueRow struct {
	Name, Type, Value, From, Description string
}

// valueRows lists the values that a run may set: what they are without it, and from where.
func valueRows(schema, given json.RawMessage, frozen []string, declared string) ([]valueRow, error) {
	root, err := parseSchema(schema)
	if err != nil {
		return nil, err
	}
	set := map[string]json.RawMessage{}
	if len(given) > 0 {
		if err := json.Unmarshal(given, &set); err != nil {
			return nil, fmt.Errorf("decode values: %w", err)
		}
	}
	var rows []valueRow
	for _, name := range root.names() {
		p := root.resolve(root.Properties[name])
		row := valueRow{Name: name, Type: p.kind(), Description: p.Description, Value: string(p.Default)}
		_, isSet := set[name]
		switch {
		case p.ReadOnly:
			row.Value, row.From = string(p.Const), "frozen by the template"
			for _, one := range frozen {
				if firstName(one) == name {
					row.From = "frozen by the deployment"
				}
			}
		case isSet:
			row.From = "deployment"
		case len(p.Default) > 0:
			row.From = declared
		case root.requires(name):
			row.From = "each run must set it"
		}
		rows = append(rows, row)
	}
	return rows, nil
}
