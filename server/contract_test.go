package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/berth-dev/berth/server/api"
)

// TestEveryOperationKeepsItsContract calls every operation of openapi.yaml: without a key, with everything
// that its schema says is wrong, and at last as its own example has it. What comes back is checked against
// the specification each time.
func TestEveryOperationKeepsItsContract(t *testing.T) {
	t.Parallel()
	all := operations(t)
	if len(all) < 60 {
		t.Fatalf("only %d operations were found", len(all))
	}
	for _, o := range all {
		t.Run(o.OperationID, func(t *testing.T) {
			t.Parallel()
			w := newContractWorld(t)
			valid := w.validCall(o)
			if !o.public() {
				stranger := valid
				stranger.key = ""
				w.send(stranger).refused(http.StatusUnauthorized, "unauthenticated")
			}
			before := w.traces()
			w.breakParameters(o, valid)
			if o.RequestBody != nil {
				w.breakBody(o, valid)
			}
			if after := w.traces(); after != before && !o.protocol() {
				t.Errorf("refused calls have changed something: %+v, was %+v", after, before)
			}
			w.succeeds(o, valid)
			if o.method == http.MethodGet {
				w.tryFilters(o, valid)
			}
		})
	}
}

// traces is what a change leaves.
type traces struct {
	audit string // the newest entry
	runs  string // by state
	event int64  // the newest of the unclaimed run
}

func (w *contractWorld) traces() traces {
	w.t.Helper()
	audit := read[api.AuditList](w.call(http.MethodGet, "/api/v1/audit?limit=1", "").is(http.StatusOK)).Items
	events := read[api.RunEventList](w.call(http.MethodGet, "/api/v1/runs/"+w.live.String()+"/events",
		"").is(http.StatusOK)).Items
	if len(audit) == 0 || len(events) == 0 {
		w.t.Fatal("nothing has left a trace yet")
	}
	counts := read[api.RunCounts](w.call(http.MethodGet, "/api/v1/runs/count", "").is(http.StatusOK))
	return traces{audit[0].ID.String(), fmt.Sprint(counts.ByState), events[0].Seq}
}

// succeeds checks that a call does, with an answer that the specification has.
func (w *contractWorld) succeeds(o operation, c aCall) {
	w.t.Helper()
	if o.streams() {
		w.begins(c)
		return
	}
	a := w.send(c)
	response := o.Responses.Value(fmt.Sprint(a.status))
	switch {
	case a.status >= 300 || response == nil:
		w.t.Fatalf("%s: status %d: %s", a.what, a.status, a.body)
	case len(response.Value.Content) == 0 && len(a.body) > 0:
		w.t.Errorf("%s: an answer without content has %q", a.what, a.body)
	case len(response.Value.Content) > 0 && response.Value.Content.Get(a.header.Get("Content-Type")) == nil:
		w.t.Errorf("%s: the answer is %q, which the specification has not", a.what,
			a.header.Get("Content-Type"))
	}
}

func (o operation) streams() bool {
	success := o.Responses.Value("200")
	return success != nil && success.Value.Content["text/event-stream"] != nil
}

// begins checks the first lines of a stream, which has no end.
func (w *contractWorld) begins(c aCall) {
	w.t.Helper()
	request := w.request(c.key, c.method, c.path+"?"+c.query, "")
	ctx, cancel := context.WithCancel(request.Context())
	defer cancel()
	response, err := w.http.Do(request.WithContext(ctx))
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("%s: %s %s", c.path, response.Status, response.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if name, _, ok := strings.Cut(lines.Text(), ": "); ok && name == "event" {
			return
		}
	}
	w.t.Errorf("%s: the stream ended without an event: %v", c.path, lines.Err())
}

// tryFilters gives each query parameter a value that it may have.
func (w *contractWorld) tryFilters(o operation, valid aCall) {
	w.t.Helper()
	for _, p := range o.parameters {
		if p.Value.In != openapi3.ParameterInQuery || p.Value.Name == "cursor" {
			continue
		}
		c := valid
		c.query = c.queryWith(p.Value.Name, w.aValue(p.Value))
		w.succeeds(o, c)
	}
}

func (w *contractWorld) aValue(p *openapi3.Parameter) string {
	schema := p.Schema.Value
	if schema.Type.Is("array") {
		schema = schema.Items.Value
	}
	switch {
	case p.Example != nil:
		return fmt.Sprint(p.Example)
	case len(schema.Enum) > 0:
		return fmt.Sprint(schema.Enum[0])
	case schema.Type.Is("integer"):
		return "1"
	case schema.Type.Is("boolean"):
		return "true"
	case schema.Format == "date-time":
		return "2026-01-01T00:00:00Z"
	case schema.Format == "uuid":
		return w.live.String()
	case w.parameters[p.Name] != "":
		return w.parameters[p.Name]
	}
	return "x"
}

// breakParameters sends what parameters may not be, one at a time.
func (w *contractWorld) breakParameters(o operation, valid aCall) {
	w.t.Helper()
	if !o.public() && !o.protocol() {
		c := valid
		c.query = strings.TrimPrefix(c.query+"&surprise=1", "&")
		w.send(c).refused(http.StatusBadRequest, "invalid-parameter")
	}
	for _, p := range o.parameters {
		if o.OperationID == "CreateRunToken" && p.Value.In == openapi3.ParameterInPath {
			continue // a job key is refused for anything but its run
		}
		for _, value := range wrongTexts(p.Value.Schema.Value) {
			c := valid
			switch p.Value.In {
			case openapi3.ParameterInPath:
				c.path = o.at(w.t, w.with(p.Value.Name, value))
			case openapi3.ParameterInQuery:
				c.query = c.queryWith(p.Value.Name, value)
			case openapi3.ParameterInHeader:
				c.header = map[string]string{p.Value.Name: value}
			}
			if problem := w.send(c).refused(http.StatusBadRequest,
				"invalid-parameter"); problem.Detail == nil ||
				!strings.Contains(*problem.Detail, p.Value.Name) {
				w.t.Errorf("%s=%s: the answer does not name the parameter: %+v", p.Value.Name, value, problem)
			}
		}
		w.breakReference(o, valid, p.Value)
	}
}

// breakReference asks for what is not there, and for a page that is of no list.
func (w *contractWorld) breakReference(o operation, valid aCall, p *openapi3.Parameter) {
	w.t.Helper()
	c := valid
	switch {
	case p.In == openapi3.ParameterInPath && creates(o.OperationID, p.Name):
		return // which makes it
	case p.In == openapi3.ParameterInPath:
		nobody := map[bool]string{true: "00000000-0000-7000-8000-000000000000",
			false: "nobody"}[p.Schema.Value.Format == "uuid"]
		if p.Schema.Value.Type.Is("integer") {
			nobody = "99"
		}
		c.path = o.at(w.t, w.with(p.Name, nobody))
		w.send(c).refused(http.StatusNotFound, "not-found")
	case p.Name == "cursor":
		for _, cursor := range []string{"nonsense", "e30", strings.Repeat("x", 1500)} {
			c.query = "cursor=" + cursor
			w.send(c).refused(http.StatusBadRequest, "invalid-cursor")
		}
	}
}

func (w *contractWorld) with(name, value string) map[string]string {
	values := map[string]string{name: value}
	for known, usual := range w.parameters {
		if known != name {
			values[known] = usual
		}
	}
	return values
}

// wrongTexts are values that a parameter's schema refuses; none where it takes any text.
func wrongTexts(schema *openapi3.Schema) []string {
	if schema.Type.Is("array") {
		wrong := wrongTexts(schema.Items.Value)
		return slices.DeleteFunc(wrong, func(text string) bool { return text == "" })
	}
	var wrong []string
	switch {
	case len(schema.Enum) > 0,
		schema.Format == "uuid",
		schema.Format == "date-time",
		schema.Type.Is("boolean"):
		wrong = append(wrong, "nonsense")
	case schema.Type.Is("integer"):
		wrong = append(wrong, "nonsense", "1.5", "99999999999999999999")
	}
	if schema.Min != nil {
		wrong = append(wrong, fmt.Sprint(int(*schema.Min)-1))
	}
	if schema.Max != nil {
		wrong = append(wrong, fmt.Sprint(int(*schema.Max)+1))
	}
	if schema.MaxLength != nil {
		wrong = append(wrong, strings.Repeat("x", int(*schema.MaxLength)+1))
	}
	if schema.Pattern != "" {
		wrong = append(wrong, "%20") // a space alone matches no pattern
	}
	return wrong
}

// creates tells parameters that name what the operation creates, so that any name will do.
func creates(operation, parameter string) bool {
	switch operation {
	case "SetVariable":
		return parameter == "variable"
	case "SetTrustRule":
		return parameter == "trust_rule"
	case "SetWebhook":
		return parameter == "webhook"
	case "SetRule", "SetPoolRule":
		return parameter == "rule"
	}
	return false
}
