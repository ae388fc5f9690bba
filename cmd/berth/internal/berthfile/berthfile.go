// Package berthfile reads berth.yaml: the pools, variables and deployments that `berth deploy` brings about.
//
//	pools:
//	- name: etl                  # what the API calls a PoolSpec
//	  type: kubernetes
//	  template: template.yaml    # beside the file; or base_job_template: {…} in place
//	variables:
//	  warehouse: postgres://…    # a name and any value
//	deployments:
//	- name: etl                  # what the API calls a DeploymentSpec
//	  pool: etl
//	  parameters: {date: 2026-01-01}
//
// Pools and deployments are lists of things with a name, exactly as in the API and in what people bring along
// from elsewhere, so that one description serves all; a name that comes twice is an error all the same. Their
// fields are taken from the API's specification. Variables have nothing but a value, so they are a map.
//
// Load checks the shape (what the names are, unknown keys, files that are not there); what the values mean is
// the server's to judge. Where the server points into the request, Locate says which line of which file that
// is.
package berthfile

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/berth-dev/berth/templating/yamldoc"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	File string
	yamldoc.Place
	Message    string
	Suggestion string
	// of is the deployment of a prefect.yaml that it is about, as the message has it.
	of string
}

func (p Problem) String() string {
	s := p.Message
	if p.File != "" {
		s = place(p.File, p.Place) + ": " + s
	}
	if p.Suggestion != "" {
		s += " (" + p.Suggestion + ")"
	}
	return s
}

// Problems is everything that is wrong at once.
type Problems []Problem

func (p Problems) Error() string {
	if len(p) == 1 {
		return p[0].String()
	}
	return fmt.Sprintf("%s, and %d more", p[0], len(p)-1)
}

// File is a berth.yaml, or a prefect.yaml, that has been read.
type File struct {
	path string
	root *yamldoc.Value
	// templates holds, by pool, the files that `template:` names.
	templates map[string]source
	// Notes say what of a prefect.yaml is not taken over.
	Notes []Problem
	// derived names the project where the file does not; empty: nothing does.
	derived string
}

type source struct {
	path  string
	text  string
	value *yamldoc.Value
}

// sections are sent in this order.
var sections = [...]string{"rules", "pools", variables, "deployments"}

const (
	variables = "variables"
	// templateKey is the field of a pool that the API does not have: the file of its base_job_template.
	templateKey = "template"
	// projectKey says what all of the file belongs to.
	projectKey = "project"
	// extension is the prefix of keys of the root that Berth ignores, a place for anchors.
	extension = "x-"
)

// ReadFile reads a file, as os.ReadFile does.
type ReadFile func(path string) ([]byte, error)

// Source is where a file and what it needs come from.
type Source struct {
	Read ReadFile
	// Env is the environment, from which a prefect.yaml may take values.
	Env map[string]string
	// Steps are the outputs of steps that a prefect.yaml refers to, by STEP.NAME: Berth runs no steps.
	Steps map[string]string
	// Only are the names of the deployments that are wanted; empty means all.
	Only []string
	// Pool is the work pool of deployments of a prefect.yaml that name none.
	Pool string
	// LeaveBlocks leaves out what takes a block, with a note, instead of refusing it.
	LeaveBlocks bool
	// Now is when the file is read; it only shows in notes.
	Now time.Time
}

// Load reads the berth.yaml at path and the files it names, relative to it; or a prefect.yaml. What is wrong
// comes back as Problems.
func Load(path string, from Source) (*File, error) {
	file, problems := parse(path, from.Read)
	if problems != nil {
		return nil, problems
	}
	root := file.value
	if root.Kind != yamldoc.Object || !isPrefect(path, root) {
		selected, problems := from.choose(path, root)
		if problems != nil {
			return nil, problems
		}
		return load(path, selected, from.Read)
	}
	p := prefect{file: path, from: from}
	converted := p.root(root)
	if len(p.problems) > 0 {
		return nil, p.problems.merged()
	}
	f, err := load(path, converted, from.Read)
	if err != nil {
		return nil, err
	}
	f.Notes = p.notes.merged()
	return f, nil
}

func load(path string, root *yamldoc.Value, read ReadFile) (*File, error) {
	known, err := newSchema()
	if err != nil {
		return nil, err
	}
	compose(root)
	f := &File{path: path, root: root, templates: map[string]source{}}
	c := checker{file: path, root: known}
	f.check(&c, read)
	if len(c.problems) > 0 {
		slices.SortStableFunc(c.problems, Problem.compare)
		return nil, c.problems
	}
	return f, nil
}

// compare puts problems in the order of the files they are in.
func (p Problem) compare(other Problem) int {
	return cmp.Or(cmp.Compare(p.File, other.File), cmp.Compare(p.Line, other.Line),
		cmp.Compare(p.Column, other.Column))
}

func parse(path string, read ReadFile) (source, Problems) {
	none := source{path: path}
	data, err := read(path)
	if err != nil {
		return none, Problems{{Message: err.Error()}}
	}
	value, err := yamldoc.Parse(data)
	var syntax *yamldoc.Error
	if errors.As(err, &syntax) {
		return none, Problems{{File: path, Place: syntax.Place, Message: syntax.Message}}
	}
	if err != nil {
		return none, Problems{{File: path, Message: err.Error()}}
	}
	if !utf8.Valid(data) {
		return none, Problems{{File: path, Message: "must be text in UTF-8"}}
	}
	return source{path: path, text: string(data), value: value}, nil
}

func (f *File) check(c *checker, read ReadFile) {
	if f.root.Kind != yamldoc.Object {
		c.fail(f.root.Place, "must hold rules, pools, variables or deployments")
		return
	}
	c.checkExact(f.root)
	properties := c.root.properties()
	c.unknown(f.root, "", slices.Collect(maps.Keys(properties)))
	for name, property := range properties {
		section := f.root.Get(name)
		if section == nil {
			continue
		}
		c.value(section, asSchema(property), name)
		if section.Kind == yamldoc.Array {
			f.checkEntries(c, name, section.Items, read)
		}
	}
}

// checkEntries checks what the schema does not say of the entries of a section.
func (f *File) checkEntries(c *checker, section string, entries []*yamldoc.Value, read ReadFile) {
	seen := map[string]bool{}
	for _, entry := range entries {
		name := entry.Get("name")
		if name == nil || name.Kind != yamldoc.String {
			continue
		}
		where := section + "." + name.Text()
		if seen[name.Text()] {
			c.fail(entry.Place, "duplicate "+where)
		}
		seen[name.Text()] = true
		if section == "pools" {
			f.loadTemplate(c, where, entry, read)
		}
	}
}

// loadTemplate reads the file that a pool's `template:` names.
func (f *File) loadTemplate(c *checker, where string, pool *yamldoc.Value, read ReadFile) {
	name := pool.Get(templateKey)
	if name == nil {
		return
	}
	if name.Kind != yamldoc.String {
		return // said already
	}
	if pool.Get("base_job_template") != nil {
		c.fail(name.Place, where+" has both template and base_job_template, it can have one")
		return
	}
	path := name.Text()
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(f.path), path)
	}
	template, problems := parse(path, read)
	switch {
	case problems != nil && problems[0].File == "":
		c.fail(name.Place, problems[0].Message)
	case problems != nil:
		c.problems = append(c.problems, problems...)
	case template.value.Kind != yamldoc.Object:
		c.problems = append(
			c.problems,
			Problem{
				File:    path,
				Place:   template.value.Place,
				Message: "a template is an object with variables and job_configuration",
			},
		)
	default:
		f.templates[pool.Get("name").Text()] = template
	}
}

// Options are what a deploy asks for beside what is described.
type Options struct {
	DryRun, Prune, Force bool
	// Plan is that of an earlier dry run, which is to be carried out; empty: whatever it takes.
	Plan string
}

// Request is the body for the server.
func (f *File) Request(o Options) (json.RawMessage, error) {
	body := map[string]any{"dry_run": o.DryRun}
	if project := f.Project(); project != "" {
		body["project"] = project
	}
	if o.Prune {
		body["prune"], body["force"] = true, o.Force
	}
	if o.Plan != "" {
		body["plan"] = o.Plan
	}
	for _, section := range sections {
		var items []map[string]any
		for _, entry := range f.entries(section) {
			items = append(items, f.item(section, entry))
		}
		if items != nil {
			body[section] = items
		}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", f.path, err)
	}
	return data, nil
}

// DeriveProject sets the project of a file that names none.
func (f *File) DeriveProject(project string) { f.derived = project }

// Project is what everything in the file belongs to: what it says, and otherwise what was derived from where
// it is. Empty: nothing says it.
func (f *File) Project() string {
	if named := f.root.Get(projectKey); named != nil && named.Kind == yamldoc.String {
		return named.Text()
	}
	return f.derived
}

// entry is one thing of a section.
type entry struct {
	name  string
	place yamldoc.Place
	value *yamldoc.Value
}

func (f *File) entries(section string) []entry {
	values := f.root.Get(section)
	if values == nil {
		return nil
	}
	var entries []entry
	for _, m := range values.Names {
		entries = append(entries, entry{name: m.Name, place: m.Place, value: m.Value})
	}
	for _, item := range values.Items {
		entries = append(entries, entry{name: item.Get("name").Text(), place: item.Place, value: item})
	}
	return entries
}

func (f *File) item(section string, e entry) map[string]any {
	item := map[string]any{"name": e.name}
	if section == variables {
		item["value"] = e.value
		return item
	}
	for _, m := range e.value.Names {
		if m.Name == templateKey && section == "pools" {
			item["base_job_template_source"] = f.templates[e.name].text
			continue
		}
		item[m.Name] = m.Value
	}
	return item
}
