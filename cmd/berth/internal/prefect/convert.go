package prefect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/google/shlex"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// Import is what was made of a Prefect server.
type Import struct {
	// Files are to be written, by their path: berth.yaml and the templates of its pools.
	Files map[string][]byte
	// Pools, Deployments, Schedules and Variables are how many are in the files.
	Pools, Deployments, Schedules, Variables int
	// Report says what does not carry over.
	Report []Note
}

// Note is what does not carry over as it was, of one thing or of several alike.
type Note struct {
	Kind    string   `json:"kind"` // pool, deployment, secret, automation, limit or server
	Names   []string `json:"names"`
	Left    bool     `json:"left"` // all of it is left out
	Message string   `json:"message"`
}

const (
	// FileName is the file with pools, variables and deployments.
	FileName = "berth.yaml"
	// templatesDir is the directory with the base job templates.
	templatesDir = "templates"
)

// runnable are the types of work pools that Berth has workers for.
var runnable = []string{"kubernetes", "process"}

// Convert makes a berth.yaml of what a Prefect server has. project is what all of it will belong to; empty: the file names
// none. It fails only where what it has made would be refused.
func Convert(found *Found, project string) (*Import, error) {
	c := &converter{out: &Import{Files: map[string][]byte{}}, root: yamldoc.NewObject(yamldoc.Place{}), pools: map[string]string{}}
	if project != "" {
		c.root.Add("project", yamldoc.Place{}, word(project))
	}
	for _, what := range found.unread {
		c.note("server", "", false, "could not read the %s", what)
	}
	if err := c.addPools(found.pools); err != nil {
		return nil, err
	}
	if err := c.addVariables(found.variables); err != nil {
		return nil, err
	}
	if err := c.addDeployments(found); err != nil {
		return nil, err
	}
	for _, b := range found.blocks {
		c.noteBlock(b)
	}
	for _, a := range found.automations {
		c.note("automation", a.Name, true, "Berth has no automations: what should start a run calls the API")
	}
	for _, l := range found.limits {
		if strings.HasPrefix(l.Name, "deployment:") { // that of a deployment, which is taken over
			continue
		}
		c.note("limit", l.Name, true, "Berth limits work pools, queues and deployments: put what shares the limit into one queue")
	}
	text, err := c.root.ToYAML()
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", FileName, err)
	}
	c.out.Files[FileName] = text
	return c.out, c.check()
}

type converter struct {
	out   *Import
	root  *yamldoc.Value
	pools map[string]string // types of the pools that are taken over, by name
}

func word(text string) *yamldoc.Value { return yamldoc.Word(yamldoc.Place{}, text) }

// note adds to the report. What was said of another thing of the kind is not said again.
func (c *converter) note(kind, name string, left bool, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	for i, n := range c.out.Report {
		if n.Kind == kind && n.Left == left && n.Message == message {
			c.out.Report[i].Names = append(n.Names, name)
			return
		}
	}
	c.out.Report = append(c.out.Report, Note{kind, []string{name}, left, message})
}

// noteDeployment is note with a message that has the name of the deployment in the path of a value.
func (c *converter) noteDeployment(name string, left bool, message string) {
	c.note("deployment", name, left, "%s", strings.TrimPrefix(strings.TrimPrefix(message, "deployments."+name+"."), "work_pool."))
}

func (c *converter) add(to *yamldoc.Value, name string, v *yamldoc.Value) {
	to.Add(name, yamldoc.Place{}, v)
}

// addText adds a text, unless it is empty.
func (c *converter) addText(to *yamldoc.Value, name string, text *string) {
	if text != nil && *text != "" {
		c.add(to, name, word(*text))
	}
}

func (c *converter) addNumber(to *yamldoc.Value, name string, n *int) {
	if n != nil {
		c.add(to, name, yamldoc.Whole(yamldoc.Place{}, int64(*n)))
	}
}

func (c *converter) addPools(pools []workPool) error {
	var list []*yamldoc.Value
	for _, p := range pools {
		if !slices.Contains(runnable, p.Type) {
			c.note("pool", p.Name, true, "Berth has no workers for pools of type %s; it has %s", p.Type, strings.Join(runnable, " and "))
			continue
		}
		to := yamldoc.NewObject(yamldoc.Place{})
		c.add(to, "name", word(p.Name))
		c.add(to, "type", word(p.Type))
		c.addText(to, "description", p.Description)
		c.addNumber(to, "concurrency_limit", p.ConcurrencyLimit)
		switch {
		case !says(p.BaseJobTemplate):
		case p.Type != "kubernetes":
			c.note("pool", p.Name, false, "its base job template has no Job, so it gets the default template of its type")
		default:
			file, err := c.addTemplate(p)
			if err != nil {
				return err
			}
			c.add(to, "template", word(file))
		}
		c.addQueues(to, p)
		if p.Paused {
			c.note("pool", p.Name, false, "it is paused: berth pool pause %s", p.Name)
		}
		list = append(list, to)
		c.pools[p.Name] = p.Type
	}
	if c.out.Pools = len(list); len(list) > 0 {
		c.add(c.root, "pools", yamldoc.List(yamldoc.Place{}, list))
	}
	return nil
}

var notInFileNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// addTemplate writes the base job template of a pool into a file, and says what is wrong with it here.
func (c *converter) addTemplate(p workPool) (file string, err error) {
	document, err := yamldoc.Parse(p.BaseJobTemplate)
	if err != nil {
		return "", fmt.Errorf("read the base job template of work pool %q: %w", p.Name, err)
	}
	text, err := document.ToYAML()
	if err != nil {
		return "", fmt.Errorf("write the base job template of work pool %q: %w", p.Name, err)
	}
	base := path.Join(templatesDir, strings.Trim(notInFileNames.ReplaceAllString(p.Name, "-"), ".-"))
	file = base + ".yaml"
	for n := 2; c.out.Files[file] != nil; n++ {
		file = fmt.Sprintf("%s-%d.yaml", base, n)
	}
	c.out.Files[file] = text
	return file, nil
}

// addQueues leaves out the queue that every pool has, unless something is set of it.
func (c *converter) addQueues(to *yamldoc.Value, p workPool) {
	var list []*yamldoc.Value
	for _, q := range p.queues {
		if q.Paused {
			c.note("pool", p.Name, false, "its queue %s is paused: berth queue pause %s --pool %s", q.Name, q.Name, p.Name)
		}
		if q.Name == "default" && q.ConcurrencyLimit == nil && (q.Priority == nil || *q.Priority == 1) {
			continue
		}
		queue := yamldoc.NewObject(yamldoc.Place{})
		c.add(queue, "name", word(q.Name))
		c.addNumber(queue, "priority", q.Priority)
		c.addNumber(queue, "concurrency_limit", q.ConcurrencyLimit)
		list = append(list, queue)
	}
	if len(list) > 0 {
		c.add(to, "queues", yamldoc.List(yamldoc.Place{}, list))
	}
}

func (c *converter) addVariables(variables []variable) error {
	to := yamldoc.NewObject(yamldoc.Place{})
	for _, v := range variables {
		document, err := exactly(v.Value)
		if err != nil {
			return fmt.Errorf("read variable %q: %w", v.Name, err)
		}
		value, err := yamldoc.Parse(document)
		if err != nil {
			return fmt.Errorf("read variable %q: %w", v.Name, err)
		}
		c.add(to, v.Name, value)
	}
	if c.out.Variables = len(to.Names); c.out.Variables > 0 {
		c.add(c.root, "variables", to)
	}
	return nil
}

// exactly writes the numbers of a document as Berth does: 1.0 is 1.
func exactly(document json.RawMessage) (json.RawMessage, error) {
	decoded, err := templating.DecodeJSON(document)
	if err != nil {
		return nil, err
	}
	return templating.EncodeJSON(decoded)
}

func (c *converter) addDeployments(found *Found) error {
	names := map[string]int{}
	for _, d := range found.deployments {
		names[d.Name]++
	}
	taken := map[string]bool{}
	var list []*yamldoc.Value
	for _, d := range found.deployments {
		name := d.Name
		if names[name] > 1 { // Prefect's names are those of a flow
			name = found.flows[d.FlowID] + "-" + d.Name
		}
		for base, n := name, 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		taken[name] = true
		converted, err := c.deployment(d, name)
		if err != nil {
			return fmt.Errorf("read deployment %q: %w", d.Name, err)
		}
		if converted == nil {
			continue
		}
		if name != d.Name {
			c.note("deployment", name, false, "it is %s/%s in Prefect: names of deployments are unique here", found.flows[d.FlowID], d.Name)
		}
		if schedules := converted.Get("schedules"); schedules != nil {
			c.out.Schedules += len(schedules.Items)
		}
		list = append(list, converted)
	}
	if c.out.Deployments = len(list); len(list) > 0 {
		c.add(c.root, "deployments", yamldoc.List(yamldoc.Place{}, list))
	}
	return nil
}

// deployment returns nil for one that is left out.
func (c *converter) deployment(d deployment, name string) (*yamldoc.Value, error) {
	switch pool := d.WorkPoolName; {
	case pool == nil || *pool == "":
		c.note("deployment", name, true, "it has no work pool: a separate process serves it")
		return nil, nil
	case c.pools[*pool] == "":
		c.note("deployment", name, true, "its work pool %s is left out", *pool)
		return nil, nil
	}
	if c.pools[*d.WorkPoolName] == "process" {
		if err := splitCommand(d); err != nil {
			return nil, err
		}
	}
	written, err := asWritten(d, name)
	if err != nil {
		return nil, err
	}
	converted, notes, err := berthfile.ImportPrefect(written)
	var problems berthfile.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			c.noteDeployment(name, true, p.Message)
		}
		return nil, nil
	}
	for _, note := range notes {
		c.noteDeployment(name, false, note)
	}
	return inOrder(converted), err
}

// order is that of the fields of a deployment in a berth.yaml.
var order = []string{
	"name", "pool", "queue", "version", "description", "tags", "job_variables", "parameters", "parameter_schema",
	"concurrency_limit", "schedules",
}

func inOrder(from *yamldoc.Value) *yamldoc.Value {
	to := yamldoc.NewObject(from.Place)
	for _, name := range order {
		if v := from.Get(name); v != nil && (v.Kind != yamldoc.Array || len(v.Items) > 0) {
			to.Add(name, from.Place, v)
		}
	}
	for _, m := range from.Names {
		if !slices.Contains(order, m.Name) {
			to.Add(m.Name, m.Place, m.Value)
		}
	}
	return to
}

// splitCommand makes a list of a command that is one text, as Prefect does when it starts a process.
func splitCommand(d deployment) error {
	var variables map[string]json.RawMessage
	if err := json.Unmarshal(orNull(d.fields["job_variables"]), &variables); err != nil {
		return err
	}
	var command string
	if json.Unmarshal(orNull(variables["command"]), &command) != nil || command == "" {
		return nil // a list, or none
	}
	words, err := shlex.Split(command)
	if err != nil {
		return fmt.Errorf("split the command %q: %w", command, err)
	}
	if variables["command"], err = json.Marshal(words); err != nil {
		return err
	}
	d.fields["job_variables"], err = json.Marshal(variables)
	return err
}

// asWritten is a deployment of the API in the form of a prefect.yaml.
func asWritten(d deployment, name string) (json.RawMessage, error) {
	written := map[string]any{"name": name}
	for _, same := range []string{
		"version", "description", "tags", "parameters", "paused", "entrypoint", "enforce_parameter_schema",
	} {
		if value := d.fields[same]; says(value) {
			written[same] = value
		}
	}
	if schema := d.fields["parameter_openapi_schema"]; hasProperties(schema) {
		written["parameter_openapi_schema"] = schema
	} else {
		delete(written, "enforce_parameter_schema")
	}
	pool := map[string]any{"name": *d.WorkPoolName}
	var queue *string
	if err := json.Unmarshal(orNull(d.fields["work_queue_name"]), &queue); err != nil {
		return nil, err
	}
	if queue != nil && *queue != "default" {
		pool["work_queue_name"] = *queue
	}
	if variables := d.fields["job_variables"]; len(variables) > 0 {
		pool["job_variables"] = variables
	}
	written["work_pool"] = pool
	if limit := limitOf(d); limit != nil {
		written["concurrency_limit"] = limit
	}
	if steps := d.fields["pull_steps"]; says(steps) {
		written["pull"] = steps
	}
	schedules, err := schedulesOf(d)
	if err != nil {
		return nil, err
	}
	if len(schedules) > 0 {
		written["schedules"] = schedules
	}
	text, err := json.Marshal(written)
	if err != nil {
		return nil, err
	}
	return exactly(text)
}

// says reports whether a document is there and not empty.
func says(document json.RawMessage) bool {
	return len(document) > 0 && !slices.Contains([]string{"null", "{}", "[]", `""`}, string(document))
}

func orNull(document json.RawMessage) json.RawMessage {
	if len(document) == 0 {
		return json.RawMessage("null")
	}
	return document
}

// hasProperties reports whether a schema says anything of parameters.
func hasProperties(schema json.RawMessage) bool {
	var s struct{ Properties map[string]json.RawMessage }
	return json.Unmarshal(orNull(schema), &s) == nil && len(s.Properties) > 0
}

// limitOf is the concurrency limit of a deployment, with its strategy, as a prefect.yaml has it; nil for none.
func limitOf(d deployment) any {
	var limit struct{ Limit *int }
	if json.Unmarshal(orNull(d.fields["global_concurrency_limit"]), &limit) != nil || limit.Limit == nil {
		if json.Unmarshal(orNull(d.fields["concurrency_limit"]), &limit.Limit) != nil || limit.Limit == nil {
			return nil
		}
	}
	options := d.fields["concurrency_options"]
	var strategy struct {
		Strategy string `json:"collision_strategy"`
	}
	if json.Unmarshal(orNull(options), &strategy) != nil || strategy.Strategy == "" {
		return limit.Limit
	}
	return map[string]any{"limit": limit.Limit, "collision_strategy": strategy.Strategy}
}

// schedulesOf are the schedules of a deployment, as a prefect.yaml has them.
func schedulesOf(d deployment) ([]any, error) {
	var schedules []struct {
		Schedule   map[string]json.RawMessage `json:"schedule"`
		Active     bool                       `json:"active"`
		Parameters json.RawMessage            `json:"parameters"`
		Slug       *string                    `json:"slug"`
		Most       *int                       `json:"max_scheduled_runs"`
	}
	if err := json.Unmarshal(orNull(d.fields["schedules"]), &schedules); err != nil {
		return nil, err
	}
	var all []any
	for _, s := range schedules {
		one := map[string]any{"active": s.Active}
		for name, value := range s.Schedule {
			one[name] = value
		}
		if day, ok := s.Schedule["day_or"]; ok && bytes.Equal(day, []byte("true")) {
			delete(one, "day_or")
		}
		if s.Slug != nil {
			one["slug"] = *s.Slug
		}
		if says(s.Parameters) {
			one["parameters"] = s.Parameters
		}
		all = append(all, one)
	}
	return all, nil
}

func (c *converter) noteBlock(b block) {
	kind := b.Type.Slug
	if kind == "" {
		kind = b.Type.Name
	}
	c.note("secret", b.Name, true, "block of type %s: make a Secret of what it has, and refer to it in the work pool's template: "+
		"kubectl create secret generic %s --from-literal=value=…", kind, secretName(b.Name))
}

var notInSecretNames = regexp.MustCompile(`[^a-z0-9.-]+`)

func secretName(name string) string {
	return strings.Trim(notInSecretNames.ReplaceAllString(strings.ToLower(name), "-"), "-.")
}

// check reads what was made as `berth deploy` will.
func (c *converter) check() error {
	read := func(name string) ([]byte, error) {
		if text, ok := c.out.Files[path.Clean(name)]; ok {
			return text, nil
		}
		return nil, fmt.Errorf("%s is not among %s", name, strings.Join(slices.Sorted(maps.Keys(c.out.Files)), ", "))
	}
	_, err := berthfile.Load(FileName, berthfile.Source{Read: read})
	return err
}

// Text is the report for people.
func (i *Import) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "imported %s, %s, %s, %s\n", plural(i.Pools, "work pool"), plural(i.Deployments, "deployment"),
		plural(i.Schedules, "schedule"), plural(i.Variables, "variable"))
	for _, part := range []struct {
		left  bool
		title string
	}{{true, "left out"}, {false, "taken over, with differences"}} {
		title := "\n" + part.title + ":\n"
		for _, n := range i.Report {
			if n.Left == part.left {
				b.WriteString(title + "- " + n.String() + "\n")
				title = ""
			}
		}
	}
	return b.String()
}

// namesMax is how many names a line of the report has.
const namesMax = 5

func (n Note) String() string {
	names := n.Names
	more := ""
	if len(names) > namesMax {
		more = fmt.Sprintf(" and %d more", len(names)-namesMax)
		names = names[:namesMax]
	}
	return strings.TrimSpace(n.Kind+" "+strings.Join(names, ", ")) + more + ": " + n.Message
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
