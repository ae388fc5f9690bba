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

// maxFindings bounds an answer; who has more to correct asks again.
const maxFindings = 100

// findingsOf flattens what the schema library says.
func findingsOf(err error) []api.Finding {
	var findings []api.Finding
	seen := map[string]bool{}
	for _, leaf := range leaves(err, nil) {
		for _, finding := range describe(leaf) {
			if key := finding.Pointer + "\x00" + finding.Message; !seen[key] && len(findings) < maxFindings {
				seen[key] = true
				findings = append(findings, finding)
			}
		}
	}
	return findings
}

// leaves takes the library's lists of errors apart. Lists are looked for before single errors: a list unwraps
// to its items.
func leaves(err error, found []error) []error {
	var many openapi3.MultiError
	switch {
	case err == nil:
		return found
	case errors.As(err, &many):
		for _, each := range many {
			found = leaves(each, found)
		}
		return found
	}
	return append(found, err)
}

func describe(err error) []api.Finding {
	var one *openapi3.SchemaError
	if !errors.As(err, &one) {
		return []api.Finding{{Message: err.Error()}}
	}
	at := pointer(one.JSONPointer())
	object, ok := one.Value.(map[string]any)
	if one.SchemaField != "properties" || !ok {
		return []api.Finding{{Pointer: at, Message: message(one)}}
	}
	// The library names the object, people look for the field.
	known := slices.Sorted(maps.Keys(one.Schema.Properties))
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
		return []api.Finding{{Pointer: at, Message: message(one)}}
	}
	return unknown
}

func message(err *openapi3.SchemaError) string {
	if err.Reason != "" {
		return err.Reason
	}
	return "does not match " + err.SchemaField
}

func pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

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

// DecodeError turns what the generated code says of a body or a parameter that it could not read into a
// refusal.
func DecodeError(err error) error {
	var refusal *problem.Error
	if errors.As(err, &refusal) {
		return err
	}
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		place := "/" + strings.ReplaceAll(typed.Field, ".", "/")
		return problem.Newf(problem.InvalidBody, "%s: a %s can not be read as %s", place, typed.Value, typed.Type).
			At(place, "a %s is not allowed here", typed.Value)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &problem.Error{Code: problem.InvalidJSON, Detail: syntax.Error(), Err: err}
	}
	return &problem.Error{Code: problem.InvalidBody, Detail: err.Error(), Err: err}
}
