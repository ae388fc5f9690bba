package request

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/templating"
)

// maxFindings bounds the findings in one response.
const maxFindings = 100

// findingsOf flattens the errors of the schema library into findings, without duplicates.
func findingsOf(err error) []api.Finding {
	var findings []api.Finding
	seen := map[string]bool{}
	for _, single := range flatten(err, nil) {
		for _, finding := range toFindings(single) {
			if key := finding.Pointer + "\x00" + finding.Message; !seen[key] && len(findings) < maxFindings {
				seen[key] = true
				findings = append(findings, finding)
			}
		}
	}
	return findings
}

// flatten appends the single errors in err to singles. It checks for lists first, because errors.As also
// finds the items of a list.
func flatten(err error, singles []error) []error {
	var many openapi3.MultiError
	switch {
	case err == nil:
		return singles
	case errors.As(err, &many):
		for _, each := range many {
			singles = flatten(each, singles)
		}
		return singles
	}
	return append(singles, err)
}

func toFindings(err error) []api.Finding {
	var schemaError *openapi3.SchemaError
	if !errors.As(err, &schemaError) {
		return []api.Finding{{Message: err.Error()}}
	}
	if schemaError.SchemaField == "pattern" && schemaError.Value == "" {
		return nil // minLength already says that it must not be empty
	}

	at := pointer(schemaError.JSONPointer())
	object, ok := schemaError.Value.(map[string]any)
	if schemaError.SchemaField != "properties" || !ok {
		return []api.Finding{{Pointer: at, Message: schemaMessage(schemaError)}}
	}

	// The library reports the object; report each unknown field.
	known := slices.Sorted(maps.Keys(schemaError.Schema.Properties))
	var unknown []api.Finding
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if slices.Contains(known, name) {
			continue
		}
		finding := api.Finding{
			Pointer: at + pointer([]string{name}),
			Message: fmt.Sprintf("unknown field %q", name),
		}
		if near := templating.Nearest(name, known); near != "" {
			suggestion := fmt.Sprintf("did you mean %q?", near)
			finding.Suggestion = &suggestion
		}
		unknown = append(unknown, finding)
	}
	if len(unknown) == 0 {
		return []api.Finding{{Pointer: at, Message: schemaMessage(schemaError)}}
	}
	return unknown
}

// pointer returns the JSON pointer of a path.
func pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

// summary is the first finding and the number of further ones.
func summary(findings []api.Finding) string {
	first := findings[0].Message
	if findings[0].Pointer != "" {
		first = findings[0].Pointer + ": " + first
	}
	if len(findings) == 1 {
		return first
	}
	return fmt.Sprintf("%s (and %d more)", first, len(findings)-1)
}

// DecodeError turns an error of the generated decoder, which could not read a body or a parameter, into a
// refusal.
func DecodeError(err error) error {
	var refusal *problem.Error
	if errors.As(err, &refusal) {
		return err
	}

	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		place := "/" + strings.ReplaceAll(typed.Field, ".", "/")
		message := fmt.Sprintf("want %s, got a %s", goKind(typed.Type), typed.Value)
		return problem.Newf(problem.InvalidBody, "%s: %s", place, message).At(place, "%s", message)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &problem.Error{Code: problem.InvalidJSON, Detail: syntaxMessage(syntax), Err: err}
	}
	return &problem.Error{Code: problem.InvalidBody, Detail: err.Error(), Err: err}
}
