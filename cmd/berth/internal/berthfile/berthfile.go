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
// Pools and deployments are lists of things with a name, exactly as in the API and in what people bring along from
// elsewhere, so that one description serves all; a name that comes twice is an error all the same. Their fields are taken
// from the API's generated types. Variables have nothing but a value, so they are a map.
//
// Load checks the shape (what the names are, unknown keys, files that are not there); what the values mean is the
// server's to judge. Where the server points into the request, Locate says which line of which file that is.
package berthfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"

	"github.com/berth-dev/berth/cmd/berth/internal/yamldoc"
	"github.com/berth-dev/berth/server/api"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	File       string
	Line       int
	Message    string
	Suggestion string
}

func (p Problem) String() string {
	s := p.Message
	if p.File != "" {
		s = place(p.File, p.Line) + ": " + s
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

// File is a berth.yaml that has been read.
type File struct {
	path string
	root *yamldoc.Value
	// templates holds, by pool, the files that `template:` names.
	templates map[string]source
}

type source struct {
	path  string
	value *yamldoc.Value
}

// The sections, in the order in which they are sent, and what their entries look like.
var sections = [...]struct {
	name string
	spec reflect.Type // nil: any value, by name
}{
	{"pools", reflect.TypeFor[api.PoolSpec]()},
	{variables, nil},
	{"deployments", reflect.TypeFor[api.DeploymentSpec]()},
}

const (
	variables = "variables"
	// templateKey is the field of a pool that the API does not have: the file of its base_job_template.
	templateKey = "template"
)

// ReadFile reads a file, as os.ReadFile does.
type ReadFile func(path string) ([]byte, error)

// Load reads the berth.yaml at path and the files it names, relative to it. What is wrong comes back as Problems.
func Load(path string, read ReadFile) (*File, error) {
	root, problems := parse(path, read)
	if problems != nil {
		return nil, problems
	}
	f := &File{path: path, root: root, templates: map[string]source{}}
	c := checker{file: path}
	f.check(&c, read)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return f, nil
}

func parse(path string, read ReadFile) (*yamldoc.Value, Problems) {
	data, err := read(path)
	if err != nil {
		return nil, Problems{{Message: err.Error()}}
	}
	value, err := yamldoc.Parse(data)
	var syntax *yamldoc.Error
	if errors.As(err, &syntax) {
		return nil, Problems{{File: path, Line: syntax.Line, Message: syntax.Message}}
	}
	if err != nil {
		return nil, Problems{{File: path, Message: err.Error()}}
	}
	return value, nil
}

func (f *File) check(c *checker, read ReadFile) {
	if f.root.Kind != yamldoc.Object {
		c.fail(f.root.Line, "must hold pools, variables or deployments")
		return
	}
	known := make([]string, 0, len(sections))
	for _, section := range sections {
		known = append(known, section.name)
		entries := f.root.Get(section.name)
		if entries == nil || entries.Kind == yamldoc.Null {
			continue
		}
		if section.spec == nil {
			c.kind(entries, yamldoc.Object, section.name)
			continue
		}
		if c.kind(entries, yamldoc.Array, section.name) {
			f.checkEntries(c, section.name, section.spec, entries.Items, read)
		}
	}
	c.unknown(f.root, "", known)
}

func (f *File) checkEntries(c *checker, section string, spec reflect.Type, entries []*yamldoc.Value, read ReadFile) {
	seen := map[string]bool{}
	for i, entry := range entries {
		where := fmt.Sprintf("%s[%d]", section, i)
		if !c.kind(entry, yamldoc.Object, where) {
			continue
		}
		name := entry.Get("name")
		if name == nil || name.Kind != yamldoc.String || name.Text() == "" {
			c.fail(entry.Line, where+" has no name")
			continue
		}
		where = section + "." + name.Text()
		if seen[name.Text()] {
			c.fail(entry.Line, where+" is there twice")
		}
		seen[name.Text()] = true
		if section == "pools" {
			c.object(entry, spec, where, templateKey)
			f.loadTemplate(c, where, entry, read)
			continue
		}
		c.object(entry, spec, where)
		if entry.Get("pool") == nil {
			c.fail(entry.Line, where+" does not say its pool")
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
		c.fail(name.Line, where+".template must be the path of a file, a template in place is called base_job_template")
		return
	}
	if pool.Get("base_job_template") != nil {
		c.fail(name.Line, where+" has both template and base_job_template, it can have one")
		return
	}
	path := name.Text()
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(f.path), path)
	}
	value, problems := parse(path, read)
	switch {
	case problems != nil && problems[0].File == "":
		c.fail(name.Line, problems[0].Message)
	case problems != nil:
		c.problems = append(c.problems, problems...)
	case value.Kind != yamldoc.Object:
		c.problems = append(c.problems, Problem{File: path, Line: value.Line, Message: "a template is an object with variables and job_configuration"})
	default:
		f.templates[pool.Get("name").Text()] = source{path: path, value: value}
	}
}

// Request is the body for the server.
func (f *File) Request(dryRun bool) (json.RawMessage, error) {
	body := map[string]any{"dry_run": dryRun}
	for _, section := range sections {
		var items []map[string]any
		for _, entry := range f.entries(section.name) {
			items = append(items, f.item(section.name, entry))
		}
		if items != nil {
			body[section.name] = items
		}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", f.path, err)
	}
	return data, nil
}

// entry is one thing of a section.
type entry struct {
	name  string
	line  int
	value *yamldoc.Value
}

func (f *File) entries(section string) []entry {
	values := f.root.Get(section)
	if values == nil {
		return nil
	}
	var entries []entry
	for _, m := range values.Names {
		entries = append(entries, entry{name: m.Name, line: m.Line, value: m.Value})
	}
	for _, item := range values.Items {
		entries = append(entries, entry{name: item.Get("name").Text(), line: item.Line, value: item})
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
			item["base_job_template"] = f.templates[e.name].value
			continue
		}
		item[m.Name] = m.Value
	}
	return item
}
