package ui

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
)

// runFormView is the form that starts a run.
type runFormView struct {
	Frame
	Deployment             api.Deployment
	Parameters, Variables  *formField
	IsYAML                 bool
	YAML                   string
	Key                    string // idempotency key: sent twice, the form starts one run
	Name, Tags, When, At   string
	NameProblem, AtProblem string
	TagsProblem, Problem   string
	Notes                  []string // what does not fit of the run that is repeated
	Differs                int      // values that differ from the defaults
	Preview                api.TemplatePreview
	PreviewProblem         string
	Command                string
	MayRun, MayPreview     bool
	Slots                  slotsForm // of when "slots"
	Focus                  string    // id of what gets the focus

	schemas runSchemas
	earlier *api.Run
}

// runSchemas are the schemas of the values of a run.
type runSchemas struct{ parameters, variables *schemaNode }

const (
	parametersName = "/parameters"
	variablesName  = "/job_variables"
	atLayout       = "2006-01-02T15:04"
)

// runFormPage is the form with the defaults, or with the values of the run that `from` names.
func (s *Site) runFormPage(v *visit) (page, error) {
	view, err := v.newRunForm()
	if err != nil {
		return page{}, err
	}
	view.Key = rand.Text()
	view.askSlots(v.query)
	given := map[string]json.RawMessage{}
	if view.earlier != nil {
		given[parametersName], given[variablesName] = view.earlier.Parameters, view.earlier.JobVariables
		view.Tags = strings.Join(view.earlier.Tags, ", ")
		view.Notes = view.misfits()
	}
	view.fill(&formReader{}, given)
	return v.showRunForm(view, http.StatusOK)
}

// newRunForm reads what the form needs to know.
func (v *visit) newRunForm() (*runFormView, error) {
	name := v.path("name")
	f, err := v.newFrame("Run "+name, "Deployments")
	if err != nil {
		return nil, err
	}
	f.Scripts = []string{"form"}
	view := &runFormView{Frame: f, When: "now"}
	var schema api.RunSchema
	var calls errgroup.Group
	calls.Go(into(&view.Deployment, func() (api.Deployment, error) { return value(v.api.GetDeploymentWithResponse(v.Context(), name)) }))
	calls.Go(into(&schema, func() (api.RunSchema, error) { return value(v.api.GetRunSchemaWithResponse(v.Context(), name)) }))
	if from := v.query.Get("from"); from != "" {
		id, err := uuid.Parse(from)
		if err != nil {
			return nil, badParameter("from=%q is no id of a run", from)
		}
		calls.Go(func() error {
			detail, err := value(v.api.GetRunWithResponse(v.Context(), id))
			view.earlier = &detail.Run
			return err
		})
	}
	if err := calls.Wait(); err != nil {
		return nil, err
	}
	if view.schemas.parameters, err = parseSchema(schema.Parameters); err != nil {
		return nil, err
	}
	if view.schemas.variables, err = parseSchema(schema.JobVariables); err != nil {
		return nil, err
	}
	view.MayRun, view.MayPreview = f.May("CreateRun", view.Deployment.Pool), f.May("PreviewTemplate", view.Deployment.Pool)
	return view, nil
}

// misfits says which values of the earlier run the deployment takes no longer.
func (f *runFormView) misfits() []string {
	var notes []string
	check := func(schema *schemaNode, given json.RawMessage, what string) {
		members := membersOf(given)
		for _, name := range sortedNames(members) {
			p := schema.Properties[name]
			switch {
			case p == nil && (schema.AdditionalProperties == nil || !schema.AdditionalProperties.never):
			case p == nil:
				notes = append(notes, fmt.Sprintf("The run had the %s %s, which is no longer declared.", what, name))
			case p.ReadOnly && !sameJSON(p.Const, members[name]):
				notes = append(notes, fmt.Sprintf("The run had %s = %s, which is frozen now as %s.", name, members[name], p.Const))
			}
		}
	}
	check(f.schemas.parameters, f.earlier.Parameters, "parameter")
	check(f.schemas.variables, f.earlier.JobVariables, "job variable")
	return notes
}

// fill makes the fields, with given values over the defaults.
func (f *runFormView) fill(r *formReader, given map[string]json.RawMessage) {
	group := func(schema *schemaNode, name string) *formField {
		values, whole := membersOf(given[name]), map[string]json.RawMessage{}
		for property, p := range schema.Properties {
			if len(p.Default) > 0 {
				whole[property] = p.Default
			}
		}
		for property, value := range values {
			whole[property] = value
		}
		var members []jsonMember
		for _, property := range sortedNames(whole) {
			members = append(members, jsonMember{property, whole[property]})
		}
		return r.field(place{schema: schema.asObject(), root: schema, read: name, name: name, path: name, value: joinMembers(members)})
	}
	f.Parameters = group(f.schemas.parameters, parametersName)
	f.Variables = group(f.schemas.variables, variablesName)
	for _, part := range append(f.Parameters.Fields, f.Variables.Fields...) {
		if part.Changed {
			f.Differs++
		}
	}
}

// asObject is the schema of a group, which is an object whatever else it says.
func (n *schemaNode) asObject() *schemaNode {
	made := *n
	made.Type, made.ReadOnly, made.Default, made.OneOf, made.AnyOf, made.AllOf = schemaTypes{"object"}, false, nil, nil, nil, nil
	made.Ref, made.Enum, made.Const, made.any, made.never, made.Title = "", nil, nil, false, false, ""
	if made.Properties == nil {
		made.Properties = map[string]*schemaNode{}
	}
	return &made
}

// changedMembers are the values of a group that differ from the defaults: what is sent.
func changedMembers(group *formField) json.RawMessage {
	parts := *group
	parts.Fields = nil
	for _, part := range group.Fields {
		if part.Changed {
			parts.Fields = append(parts.Fields, part)
		}
	}
	return joinMembers(parts.members())
}

// hasProblem reports whether a value cannot be read.
func (f *runFormView) hasProblem() bool {
	found := f.AtProblem != "" || f.Slots.Problem != ""
	for _, group := range []*formField{f.Parameters, f.Variables} {
		group.each(func(part *formField) { found = found || part.Problem != "" })
	}
	return found
}

// sendRunForm does what the button that was pressed says.
func (s *Site) sendRunForm(v *visit) (page, error) {
	if err := v.ParseForm(); err != nil {
		return page{}, badParameter("the form cannot be read: %v", err)
	}
	view, err := v.newRunForm()
	if err != nil {
		return page{}, err
	}
	form := v.PostForm
	action, argument, _ := strings.Cut(form.Get("do"), ":")
	view.Key, view.Name, view.Tags, view.When, view.At = form.Get("key"), form.Get("name"), form.Get("tags"), form.Get("when"), form.Get("at")
	if view.When != "at" && view.When != whenSlots {
		view.When = "now"
	}
	view.readSlots(form)
	view.IsYAML, view.YAML = form.Get("mode") == "yaml", strings.ReplaceAll(form.Get("yaml"), "\r\n", "\n")
	reader := &formReader{typed: form}
	switch action {
	case "add":
		reader.add = argument
	case "remove":
		reader.drop = argument
	case "reset":
		reader.reset = argument
	}
	given := map[string]json.RawMessage{}
	if view.IsYAML {
		reader.typed = nil
		if given, err = valuesOf(view.YAML); err != nil {
			view.Problem, view.Focus = err.Error(), "yaml"
			view.fill(&formReader{}, nil)
			return v.showRunForm(view, http.StatusUnprocessableEntity)
		}
	}
	view.fill(reader, given)
	body, err := view.body(given)
	if err != nil {
		return page{}, err
	}
	switch action {
	case "yaml":
		return v.toYAML(view, body)
	case "form":
		view.IsYAML = false
		return v.showRunForm(view, http.StatusOK)
	case "run":
		if view.When == whenSlots {
			return v.createSlots(view, body)
		}
		return v.createRun(view, body)
	case "preview":
		view.forgiveEmpty()
	default:
		view.focusOn(action, argument)
	}
	return v.showRunForm(view, http.StatusOK)
}

// forgiveEmpty drops the problems of fields that are not filled in yet.
func (f *runFormView) forgiveEmpty() {
	for _, group := range []*formField{f.Parameters, f.Variables} {
		group.each(func(part *formField) {
			if part.Text == "" && part.Kind != "yaml" {
				part.Problem = ""
			}
		})
	}
}

// focusOn finds what gets the focus after a part of the form was added, removed or reset.
func (f *runFormView) focusOn(action, name string) {
	for _, group := range []*formField{f.Parameters, f.Variables} {
		group.each(func(part *formField) {
			if part.Name != name {
				return
			}
			f.Focus = part.ID
			if last := len(part.Fields) - 1; action == "add" && last >= 0 {
				f.Focus = part.Fields[last].ID
				if part.Fields[last].Key != nil {
					f.Focus = part.Fields[last].Key.ID
				}
			}
		})
	}
}

// valuesOf reads the YAML of the form.
func valuesOf(text string) (map[string]json.RawMessage, error) {
	document, err := readYAML(text)
	if err != nil {
		return nil, err
	}
	if string(document) == "null" {
		return map[string]json.RawMessage{}, nil
	}
	if document[0] != '{' {
		return nil, errors.New("write parameters: and job_variables:, each with names and values")
	}
	given := map[string]json.RawMessage{}
	for name, value := range membersOf(document) {
		if "/"+name != parametersName && "/"+name != variablesName {
			return nil, fmt.Errorf("%q is neither parameters nor job_variables", name)
		}
		if string(value) == "null" {
			continue
		}
		if value[0] != '{' {
			return nil, fmt.Errorf("%s must be names with values", name)
		}
		given["/"+name] = value
	}
	return given, nil
}

// body is the request that the form stands for.
func (f *runFormView) body(given map[string]json.RawMessage) (api.RunCreate, error) {
	b := api.RunCreate{Name: optional(f.Name)}
	b.Parameters, b.JobVariables = changedMembers(f.Parameters), changedMembers(f.Variables)
	if f.IsYAML {
		b.Parameters, b.JobVariables = given[parametersName], given[variablesName]
	}
	if tags := f.tags(); len(tags) > 0 {
		b.Tags = &tags
	}
	if f.When == "at" {
		at, err := moment("at", f.At)
		if err != nil || at == nil {
			f.AtProblem = "must be a time, as 2026-01-31T12:00"
		}
		b.ScheduledTime = at
	}
	return b, nil
}

// tags are the typed ones.
func (f *runFormView) tags() []string {
	var tags []string
	for _, tag := range strings.Split(f.Tags, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}

// toYAML shows the values as YAML. A text that says the same already keeps its comments.
func (v *visit) toYAML(view *runFormView, body api.RunCreate) (page, error) {
	if view.hasProblem() {
		view.Problem = "Correct the values that cannot be read first."
		return v.showRunForm(view, http.StatusUnprocessableEntity)
	}
	document := joinMembers([]jsonMember{{"parameters", orEmpty(body.Parameters)}, {"job_variables", orEmpty(body.JobVariables)}})
	before, err := valuesOf(view.YAML)
	same := err == nil && sameJSON(orEmpty(before[parametersName]), orEmpty(body.Parameters)) &&
		sameJSON(orEmpty(before[variablesName]), orEmpty(body.JobVariables))
	if view.YAML == "" || !same {
		if view.YAML, err = asYAML(document); err != nil {
			return page{}, err
		}
	}
	view.IsYAML, view.Focus = true, "yaml"
	return v.showRunForm(view, http.StatusOK)
}

func orEmpty(object json.RawMessage) json.RawMessage {
	if len(object) == 0 {
		return json.RawMessage("{}")
	}
	return object
}

// createRun starts the run and leads to it, or shows what was refused at its field.
func (v *visit) createRun(view *runFormView, body api.RunCreate) (page, error) {
	if !view.IsYAML && view.hasProblem() {
		view.focusProblem()
		return v.showRunForm(view, http.StatusUnprocessableEntity)
	}
	answer, err := v.api.CreateRunWithResponse(v.Context(), view.Deployment.Name, &api.CreateRunParams{IdempotencyKey: optional(view.Key)}, body)
	if err = check(answer, err); err == nil {
		run := answer.JSON201
		if run == nil { // the form was sent before
			run = answer.JSON200
		}
		return v.redirectTo("runs", run.ID.String()), nil
	}
	return v.refuseRun(view, err, "This form has started a run before, with other values. Press Run once more to start another: ")
}

// refuseRun shows the form with what was refused. Where its key was used for something else, the next press has another key.
func (v *visit) refuseRun(view *runFormView, err error, keyUsed string) (page, error) {
	refused := &apiError{}
	if !errors.As(err, &refused) || refused.status >= http.StatusInternalServerError || refused.status == http.StatusUnauthorized ||
		refused.status == http.StatusForbidden || refused.status == http.StatusNotFound {
		return page{}, err
	}
	if refused.status == http.StatusConflict {
		view.Key = rand.Text()
		view.Problem = keyUsed + refused.Error()
		return v.showRunForm(view, http.StatusConflict)
	}
	view.refuse(refused)
	return v.showRunForm(view, refused.status)
}

var missingName = regexp.MustCompile(`^is missing "(.*)"$`)

// refuse puts each problem that the API found at its field, and all others above the form.
func (f *runFormView) refuse(err *apiError) {
	var rest []string
	for _, finding := range valueOf(err.Errors) {
		text, pointer := finding.Message, finding.Pointer
		if m := missingName.FindStringSubmatch(text); m != nil {
			text, pointer = "is required", pointer+"/"+pointerStep(m[1])
		}
		switch at := f.at(pointer); {
		case at != nil && !f.IsYAML:
			at.Problem = text
		case strings.HasPrefix(pointer, "/name"):
			f.NameProblem = text
		case strings.HasPrefix(pointer, "/tags"):
			f.TagsProblem = text
		case strings.HasPrefix(pointer, "/scheduled_time"):
			f.AtProblem = text
		default:
			rest = append(rest, strings.TrimPrefix(pointer+": "+text, ": "))
		}
	}
	if len(valueOf(err.Errors)) == 0 {
		rest = append(rest, err.Error())
	}
	f.Problem = strings.Join(rest, "; ")
	f.focusProblem()
}

// at is the field whose value a pointer leads to or into.
func (f *runFormView) at(pointer string) *formField {
	var best *formField
	for _, group := range []*formField{f.Parameters, f.Variables} {
		group.each(func(part *formField) {
			inside := pointer == part.Path || strings.HasPrefix(pointer, part.Path+"/")
			if inside && part != group && (best == nil || len(part.Path) > len(best.Path)) {
				best = part
			}
		})
	}
	return best
}

func (f *runFormView) focusProblem() {
	for _, group := range []*formField{f.Parameters, f.Variables} {
		group.each(func(part *formField) {
			if part.Problem != "" && f.Focus == "" {
				f.Focus = part.ID
			}
		})
	}
}

// showRunForm shows the form with the Job that a run would have, and the command that starts the same run.
func (v *visit) showRunForm(view *runFormView, status int) (page, error) {
	parameters, variables := changedMembers(view.Parameters), changedMembers(view.Variables)
	if view.When == whenSlots {
		if err := v.findSlots(view); err != nil {
			return page{}, err
		}
		parameters, variables = view.Slots.withSchedule(parameters, variables)
	}
	var err error
	if view.Command, err = view.command(parameters, variables); err != nil {
		return page{}, err
	}
	if view.MayPreview {
		name := view.Deployment.Name
		view.Preview, err = value(v.api.PreviewTemplateWithResponse(v.Context(), view.Deployment.Pool, api.TemplatePreviewRequest{
			Deployment: &name, Parameters: parameters, JobVariables: variables,
		}))
		refused := &apiError{}
		switch {
		case errors.As(err, &refused):
			view.PreviewProblem = refused.Error()
		case err != nil:
			return page{}, err
		}
	}
	return page{status: status, template: "run_form", view: view}, nil
}

// command is a line for a shell that starts the same run.
func (f *runFormView) command(parameters, variables json.RawMessage) (string, error) {
	words := []string{"berth", "deployment", "run", shellWord(f.Deployment.Name)}
	stdin := ""
	if members := membersOf(parameters); len(members) > 0 {
		// Values from a file are read as they are, whatever the schema says.
		written, err := asYAML(parameters)
		if err != nil {
			return "", err
		}
		words, stdin = append(words, "--params", "-"), " <<'EOF'\n"+written+"EOF"
		if strings.Contains("\n"+written, "\nEOF\n") {
			words, stdin = append(words[:len(words)-2], "--params", "<(printf %s "+shellWord(string(parameters))+")"), ""
		}
	}
	members := membersOf(variables)
	for _, name := range sortedNames(members) {
		value := string(members[name])
		if text, ok := jsonText(members[name]); ok {
			declared := f.schemas.variables.resolve(f.schemas.variables.Properties[name])
			if declared != nil && len(declared.Type) == 1 && declared.Type[0] == "string" || !json.Valid([]byte(text)) {
				value = text
			}
		}
		words = append(words, "--job-variable", shellWord(name+"="+value))
	}
	if f.Name != "" && f.When != whenSlots {
		words = append(words, "--name", shellWord(f.Name))
	}
	for _, tag := range f.tags() {
		words = append(words, "--tag", shellWord(tag))
	}
	switch f.When {
	case "at":
		if at, err := moment("at", f.At); err == nil && at != nil {
			words = append(words, "--at", at.Format(time.RFC3339))
		}
	case whenSlots:
		return f.slotsCommand(strings.Join(words, " "), stdin), nil
	}
	return strings.Join(words, " ") + stdin, nil
}

// OpenVariables reports whether the job variables are shown at once: where one is changed or is wrong, or must be set.
func (f *runFormView) OpenVariables() bool {
	open := false
	f.Variables.each(func(part *formField) {
		if part != f.Variables {
			open = open || part.Changed || part.Problem != "" || part.Required
		}
	})
	return open
}

// Rows is how many lines a field shows.
func (f *formField) Rows() int {
	least, most := 1, 12
	if f.Kind == "yaml" {
		least = 2
	}
	return max(least, min(most, strings.Count(f.Text, "\n")+1))
}
