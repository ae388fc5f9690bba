package berthfile

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// prefect reads a prefect.yaml as the berth.yaml that means the same. Its values keep their places, so that
// whatever is wrong with them later is said with the line of the prefect.yaml.
type prefect struct {
	file     string
	from     Source
	notes    Problems
	problems Problems
	of       string // the deployment at hand, as messages have it
	// contextual is true inside job variables, where Berth fills in the run at hand.
	contextual bool
}

// isPrefect tells a prefect.yaml by its name, or by what only such a file has.
func isPrefect(path string, root *yamldoc.Value) bool {
	if root.Get("pools") != nil || root.Get(variables) != nil || root.Get(projectKey) != nil {
		return false
	}
	if filepath.Base(path) == "prefect.yaml" || root.Get("prefect-version") != nil {
		return true
	}
	deployments := root.Get("deployments")
	return deployments != nil && slices.ContainsFunc(deployments.Items, func(d *yamldoc.Value) bool {
		return d.Get("work_pool") != nil || d.Get("entrypoint") != nil
	})
}

// left says that something is not taken over.
func (p *prefect) left(at yamldoc.Place, what, why string) {
	p.note(at, "%s is not taken over: %s", what, why)
}

// note says what is taken over and means something else here.
func (p *prefect) note(at yamldoc.Place, format string, args ...any) {
	p.notes = append(p.notes,
		Problem{File: p.file, Place: at, Message: fmt.Sprintf(format, args...), of: p.of})
}

func (p *prefect) fail(at yamldoc.Place, format string, args ...any) {
	p.problems = append(p.problems,
		Problem{File: p.file, Place: at, Message: fmt.Sprintf(format, args...), of: p.of})
}

// leftOut says why something is left out, of the file or of a deployment; nothing where Berth does not know
// it.
func leftOut(key string) string {
	switch key {
	case "build":
		return "Berth builds no images; build them where you deploy from, and name them in job_variables.image"
	case "push":
		return "Berth uploads no code; put it into the image"
	case "pull":
		return "Berth fetches no code when a run starts; put it into the image, or let its command fetch it"
	case "triggers":
		return "Berth has no automations; what should start a run calls the API"
	case "sla":
		return "Berth's alerts come with its chart"
	case "flow_name":
		return "a deployment of Berth has one name"
	case "version_type":
		return "a version is what version says"
	case "job_variables", "work_queue_name":
		return "it belongs to work_pool; Prefect ignores it here too"
	case "infra_overrides":
		return "its name is job_variables, in work_pool; Prefect ignores it too"
	case "replaces":
		return "a schedule is known by its name"
	}
	return ""
}

// root makes the berth.yaml.
func (p *prefect) root(from *yamldoc.Value) *yamldoc.Value {
	to := yamldoc.NewObject(from.Place)
	for _, m := range from.Names {
		switch m.Name {
		case "name":
			to.Add(projectKey, m.Place, p.words(m.Value, m.Name))
		case "deployments":
			to.Add("deployments", m.Place, p.deployments(m.Value))
		case "prefect-version", "definitions": // what it was written for, and a place for anchors
		default:
			p.leave(m, m.Name, from)
		}
	}
	return to
}

// prefectKeys are what a person may have misspelt.
var prefectKeys = []string{
	"deployments", "name", "version", "tags", "description", "parameters", "entrypoint", "work_pool", "schedules",
	"schedule", "paused", "concurrency_limit", "enforce_parameter_schema", "cron", "interval", "rrule", "timezone", "active",
	"anchor_date", "slug", "work_queue_name", "job_variables",
}

// leave notes that a key is not imported, unless its value is empty. An unknown key with anchors is there for
// them.
func (p *prefect) leave(m yamldoc.Member, where string, root *yamldoc.Value) {
	if given(m.Value) == nil || (m.Value.Kind == yamldoc.Array && len(m.Value.Items) == 0) {
		return
	}
	why := leftOut(m.Name)
	if why == "" {
		why = "Berth does not know it"
		if near := templating.Nearest(m.Name, prefectKeys); near != "" {
			why += fmt.Sprintf(" (did you mean %q?)", near)
		}
		if root != nil && m.Value.Kind != yamldoc.String {
			why += "; what other places take from it by its anchor is taken over there"
		}
	}
	p.left(m.Place, where, why)
}

// given is nil for what is there and says nothing.
func given(v *yamldoc.Value) *yamldoc.Value {
	if v == nil || v.Kind == yamldoc.Null || (v.Kind == yamldoc.Object && len(v.Names) == 0) {
		return nil
	}
	return v
}

func (p *prefect) deployments(from *yamldoc.Value) *yamldoc.Value {
	if from.Kind != yamldoc.Array {
		return from // said where it is checked
	}
	items := make([]*yamldoc.Value, 0, len(from.Items))
	names := p.named(from.Items)
	for _, d := range p.wanted(names) {
		if d.value.Kind != yamldoc.Object {
			items = append(items, d.value)
			continue
		}
		p.of = d.where()
		items = append(items, p.deployment(d))
		p.of = ""
	}
	return yamldoc.List(from.Place, items)
}

func (p *prefect) deployment(d prefectDeployment) *yamldoc.Value {
	from, where := d.value, d.where()
	to := yamldoc.NewObject(from.Place)
	schedules := p.schedules(from, where)
	hasPool := false
	for _, m := range from.Names {
		at := where + "." + m.Name
		switch m.Name {
		case "name":
			to.Add(m.Name, m.Place, d.name)
		case "version", "description":
			to.Add(m.Name, m.Place, p.words(m.Value, at))
		case "tags":
			to.Add(m.Name, m.Place, p.tags(m.Value, at))
		case "parameters":
			to.Add(m.Name, m.Place, p.values(given(m.Value), at))
		case "work_pool":
			hasPool = p.workPool(to, m.Value, at) || hasPool
		case "concurrency_limit":
			to.Add(m.Name, m.Place, p.concurrency(m.Value, at))
		case "parameter_openapi_schema":
			if enforced := from.Get("enforce_parameter_schema"); enforced == nil ||
				p.isTrue(enforced, where+".enforce_parameter_schema") {
				to.Add("parameter_schema", m.Place, given(m.Value))
			}
		case "enforce_parameter_schema":
			if p.isTrue(m.Value, at) && given(from.Get("parameter_openapi_schema")) == nil {
				p.left(
					m.Place,
					at,
					"the schema comes from the signature of the flow, which is not in the file; write it as parameter_schema in a berth.yaml",
				)
			}
		case "schedules", "schedule":
			if schedules != nil {
				to.Add("schedules", m.Place, schedules)
				schedules = nil // both make one list
			}
		case "paused": // its schedules rest
		case "entrypoint":
			p.entrypoint(m, from, at)
		default:
			p.leave(m, at, nil)
		}
	}
	if from.Get("schedules") == nil && from.Get("schedule") == nil {
		to.Add("keep_schedules", from.Place, yamldoc.Truth(from.Place, true))
		p.note(from.Place, "no schedules: the deployment keeps its schedules on the server, as in Prefect; schedules: [] deletes them")
	}
	switch {
	case hasPool:
	case p.from.Pool != "":
		to.Add("pool", from.Place, yamldoc.Word(from.Place, p.from.Pool))
	default:
		p.fail(from.Place, "%s has no work_pool with a name: write it, set it with --pool NAME, or choose other "+
			"deployments with --only NAME", where)
	}
	return to
}

// entrypoint is what Prefect's own process in the container would have started.
func (p *prefect) entrypoint(m yamldoc.Member, deployment *yamldoc.Value, where string) {
	if given(m.Value) == nil {
		return
	}
	why := "a run starts the image's own command; say what starts the flow in job_variables.command, as in [python, -m, flows.etl]"
	if pool := deployment.Get("work_pool"); pool != nil {
		if v := pool.Get("job_variables"); v != nil && given(v.Get("command")) != nil {
			why = "a run starts job_variables.command"
		}
	}
	p.left(m.Place, where, why)
}

// words is a string; a number, as in version: 1.10, is the string that was written.
func (p *prefect) words(v *yamldoc.Value, where string) *yamldoc.Value {
	if v.Kind == yamldoc.Number || v.Kind == yamldoc.Bool {
		return yamldoc.Word(v.Place, v.Written())
	}
	return p.plain(given(v), where)
}

// tags are a list, or one tag.
func (p *prefect) tags(v *yamldoc.Value, where string) *yamldoc.Value {
	switch v.Kind {
	case yamldoc.String:
		return yamldoc.List(v.Place, []*yamldoc.Value{p.plain(v, where)})
	case yamldoc.Array:
		tags := make([]*yamldoc.Value, 0, len(v.Items))
		for i, item := range v.Items {
			tags = append(tags, p.words(item, fmt.Sprintf("%s[%d]", where, i)))
		}
		return yamldoc.List(v.Place,
			slices.DeleteFunc(tags, func(tag *yamldoc.Value) bool { return tag == nil }))
	}
	return given(v)
}

// workPool takes over the work pool of a deployment, and says whether it has a name.
func (p *prefect) workPool(to, pool *yamldoc.Value, where string) (named bool) {
	if pool.Kind != yamldoc.Object {
		if given(pool) != nil {
			hint := ""
			if pool.Kind == yamldoc.String {
				hint = fmt.Sprintf(": write {name: %s}", pool.Text())
			}
			p.fail(pool.Place, "%s must be an object with a name, this is %s %s%s", where, article(pool.Kind),
				pool.Kind, hint)
		}
		return given(pool) != nil
	}
	for _, m := range pool.Names {
		at := where + "." + m.Name
		switch m.Name {
		case "name":
			name := p.words(m.Value, at)
			named = name != nil
			to.Add("pool", m.Place, name)
		case "work_queue_name":
			to.Add("queue", m.Place, p.words(m.Value, at))
		case "job_variables":
			p.contextual = true
			to.Add("job_variables", m.Place, p.values(given(m.Value), at))
			p.contextual = false
		default:
			p.leave(m, at, nil)
		}
	}
	return named
}

// concurrency is a number, or an object with it.
func (p *prefect) concurrency(v *yamldoc.Value, where string) *yamldoc.Value {
	if v.Kind != yamldoc.Object {
		return given(v)
	}
	var limit *yamldoc.Value
	for _, m := range v.Names {
		switch m.Name {
		case "limit":
			limit = given(m.Value)
		case "collision_strategy":
			if strategy := m.Value.Text(); given(m.Value) != nil && !strings.EqualFold(strategy, "ENQUEUE") {
				p.left(
					m.Place,
					where+"."+m.Name,
					fmt.Sprintf(
						"%s has no counterpart, runs beyond the limit wait; a schedule may have overlap: forbid",
						strategy,
					),
				)
			}
		case "grace_period_seconds":
			p.left(m.Place, where+"."+m.Name, "a slot is held until the attempt has ended")
		default:
			p.leave(m, where+"."+m.Name, nil)
		}
	}
	return limit
}
