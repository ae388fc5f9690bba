package locate

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/berth-dev/berth/templating"
)

// Origin says which lines of a template have made a line of a Job. Lines count from 1.
type Origin struct {
	Line int
	From []int
}

// configured are places of a Job that keys of job_configuration fill, by the place of the Job.
var configured = map[string]string{
	"/metadata/name": "name", "/metadata/namespace": "namespace",
	"/metadata/labels": "labels", "/spec/template/metadata/labels": "labels",
	"/metadata/annotations": "annotations", "/spec/template/metadata/annotations": "annotations",
	"/spec/template/spec/containers/0/env":  "env",
	"/spec/template/spec/containers/0/args": "command",
	"/berth/timeout_seconds":                "job_watch_timeout_seconds",
	"/berth/start_deadline_seconds":         "pod_watch_timeout_seconds",
	"/berth/cluster_config":                 "cluster_config",
	"/berth/stream_output":                  "stream_output",
	"/berth/infrastructure_retries":         "policy",
}

// maxReferences bounds how many references are looked up: each is looked for in the text.
const maxReferences = 2000

// Origins finds where the lines of a Job come from, which is given as YAML: the lines of the template that have its key and
// value, and the ones that declare the variables which these refer to. A line that Berth adds has no origin.
func (s *Source) Origins(job []byte, references []templating.Reference) []Origin {
	var document yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(job)).Decode(&document); err != nil || len(document.Content) != 1 || s.root == nil {
		return nil
	}
	_, configuration := child(s.root, strings.Trim(templating.ConfigurationPointer, "/"), 0)
	if configuration == nil {
		return nil
	}
	o := &origins{source: s, configuration: configuration, lines: map[int]map[int]bool{}, blocks: map[*yaml.Node]*yaml.Node{}}
	if key, manifest := child(configuration, "job_manifest", 0); manifest != nil {
		o.walk("", nil, document.Content[0], []place{{key, manifest}})
	}
	return o.withVariables(references)
}

// place is a value in the template, with its key where it has one.
type place struct{ key, value *yaml.Node }

// origins collects the lines of the template for each line of the Job.
type origins struct {
	source        *Source
	configuration *yaml.Node
	lines         map[int]map[int]bool
	blocks        map[*yaml.Node]*yaml.Node // manifests that are one text, as they were read
}

// note says that lines of the Job come from lines of the template.
func (o *origins) note(fromJob, toJob, from, to int) {
	for line := fromJob; line <= toJob; line++ {
		if o.lines[line] == nil {
			o.lines[line] = map[int]bool{}
		}
		for i := from; i <= to; i++ {
			o.lines[line][i] = true
		}
	}
}

// walk follows a part of the Job and the places of the template that it may come from.
func (o *origins) walk(pointer string, key, node *yaml.Node, places []place) {
	if name := configured[pointer]; name != "" {
		if k, v := child(o.configuration, name, 0); v != nil {
			places = append(places, place{k, v})
		}
	}
	for i, p := range places {
		p.value = o.open(p.value, node)
		places[i] = p
		if key != nil && p.key != nil {
			o.note(key.Line, key.Line, p.key.Line, p.key.Line)
		}
		// What is one string in the template, a placeholder perhaps, has made all of it.
		if p.value.Kind == yaml.ScalarNode && (node.Kind == yaml.ScalarNode || len(node.Content) > 0) {
			o.note(node.Line, lastLine(node), p.value.Line, o.source.lastLine(p.value))
		}
	}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			name, value := node.Content[i], node.Content[i+1]
			var below []place
			for _, p := range places {
				if k, v := child(p.value, name.Value, 0); v != nil {
					below = append(below, place{k, v})
				}
			}
			o.walk(pointer+"/"+name.Value, name, value, below)
		}
	case yaml.SequenceNode:
		items := make([][]place, len(node.Content))
		for _, p := range places {
			for i, item := range itemsOf(node.Content, p.value) {
				if item.value != nil {
					items[i] = append(items[i], item)
				}
			}
		}
		for i, item := range node.Content {
			o.walk(pointer+"/"+strconv.Itoa(i), nil, item, items[i])
		}
	}
}

// open follows an alias, and reads a manifest that is one text where the Job has more than a text.
func (o *origins) open(n, job *yaml.Node) *yaml.Node {
	for depth := 0; n.Kind == yaml.AliasNode && depth < maxAliases; depth++ {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode || n.Style&yaml.LiteralStyle == 0 || job.Kind == yaml.ScalarNode {
		return n
	}
	if _, done := o.blocks[n]; !done {
		o.blocks[n] = readBlock(n)
	}
	return o.blocks[n]
}

// action is an action of the template language, on one line.
var action = regexp.MustCompile(`\{\{.*?\}\}`)

// readBlock reads a manifest that is one text as if its actions were words: a line of nothing else is left out. It is the
// block itself where that is no YAML.
func readBlock(n *yaml.Node) *yaml.Node {
	lines := strings.Split(n.Value, "\n")
	for i, line := range lines {
		if strings.TrimSpace(action.ReplaceAllString(line, "")) == "" {
			lines[i] = ""
			continue
		}
		lines[i] = action.ReplaceAllStringFunc(line, func(text string) string { return strings.Repeat("x", len(text)) })
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(strings.Join(lines, "\n")), &document); err != nil || len(document.Content) != 1 {
		return n
	}
	shift(document.Content[0], n.Line)
	return document.Content[0]
}

// shift moves a document down by a number of lines.
func shift(n *yaml.Node, lines int) {
	n.Line += lines
	for _, below := range n.Content {
		shift(below, lines)
	}
}

// itemsOf finds for each item of a list of the Job the item of the template: by its name, else by its order. Items that
// have no value are not in the Job.
func itemsOf(job []*yaml.Node, list *yaml.Node) []place {
	found := make([]place, len(job))
	switch list.Kind {
	case yaml.MappingNode: // env: {NAME: value}
		for i, item := range job {
			if name := nameOf(item); name != "" {
				found[i].key, found[i].value = child(list, name, 0)
			}
		}
	case yaml.SequenceNode:
		used := make([]bool, len(list.Content))
		take := func(i, at int) { found[i].value, used[at] = list.Content[at], true }
		for i, item := range job {
			equal := func(n *yaml.Node) bool {
				if item.Kind == yaml.ScalarNode {
					return n.Kind == yaml.ScalarNode && isWrittenAs(item.Value, n.Value)
				}
				return nameOf(item) != "" && nameOf(n) == nameOf(item)
			}
			if at := slices.IndexFunc(list.Content, equal); at >= 0 && !used[at] {
				take(i, at)
			}
		}
		next := 0
		for i, item := range job {
			if found[i].value != nil {
				continue
			}
			if len(job) == len(list.Content) && !used[i] && mayMake(list.Content[i], item) {
				take(i, i)
				continue
			}
			for at := next; at < len(list.Content); at++ {
				if !used[at] && mayMake(list.Content[at], item) {
					take(i, at)
					next = at + 1
					break
				}
			}
		}
	}
	return found
}

// isWrittenAs reports whether a string of the Job has all that a string of the template has beside its actions.
func isWrittenAs(made, template string) bool {
	parts := action.Split(template, -1)
	for i, part := range parts {
		at := strings.Index(made, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		made = made[at+len(part):]
	}
	return strings.Join(parts, "") != "" && (made == "" || parts[len(parts)-1] == "")
}

func nameOf(item *yaml.Node) string {
	if _, name := child(item, "name", 0); name != nil && name.Kind == yaml.ScalarNode {
		return name.Value
	}
	return ""
}

// mayMake reports whether an item of the template can have become an item of the Job.
func mayMake(item, job *yaml.Node) bool {
	switch {
	case item.Kind == yaml.ScalarNode && strings.Contains(item.Value, "{{"):
		return true
	case item.Kind == yaml.ScalarNode && job.Kind == yaml.ScalarNode:
		return item.Value == job.Value
	case item.Kind == yaml.MappingNode && job.Kind == yaml.MappingNode:
		name := nameOf(item)
		return name == "" || name == nameOf(job) || strings.Contains(name, "{{")
	}
	return item.Kind == job.Kind || item.Kind == yaml.AliasNode
}

// lastLine is the last line of a node of a document that was written by EncodeYAML.
func lastLine(n *yaml.Node) int {
	if len(n.Content) > 0 {
		return lastLine(n.Content[len(n.Content)-1])
	}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Line + strings.Count(strings.TrimRight(n.Value, "\n"), "\n") + 1
	}
	return n.Line
}

// lastLine is the last line of a string in the template: what follows a block's indicator with more indentation.
func (s *Source) lastLine(n *yaml.Node) int {
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		return n.Line
	}
	last, indent := n.Line, -1
	for i := n.Line; i < len(s.lines); i++ {
		text := strings.TrimRight(s.lines[i], " \r")
		trimmed := strings.TrimLeft(text, " ")
		if trimmed == "" {
			continue
		}
		if depth := len(text) - len(trimmed); indent < 0 {
			indent = depth
		} else if depth < indent {
			break
		}
		last = i + 1
	}
	return last
}

// withVariables adds the lines that declare the variables of each line, and puts all in order.
func (o *origins) withVariables(references []templating.Reference) []Origin {
	declared := map[int][]int{} // lines of variables by the line that refers to them
	for _, r := range references[:min(len(references), maxReferences)] {
		if r.Kind != templating.ReferenceVariable {
			continue
		}
		line, column := r.Position()
		at := o.source.Locate(templating.Problem{Pointer: r.Pointer, Line: line, Column: column})
		key, value, whole := o.source.find("/variables/properties/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(r.Root()))
		if !whole || key == nil {
			continue
		}
		for i := key.Line; i <= max(key.Line, lastLine(value)); i++ {
			declared[at.Line] = append(declared[at.Line], i)
		}
	}
	made := make([]Origin, 0, len(o.lines))
	for line, from := range o.lines {
		for one := range from {
			for _, variable := range declared[one] {
				from[variable] = true
			}
		}
		one := Origin{Line: line}
		for number := range from {
			one.From = append(one.From, number)
		}
		slices.Sort(one.From)
		made = append(made, one)
	}
	slices.SortFunc(made, func(a, b Origin) int { return a.Line - b.Line })
	return made
}
