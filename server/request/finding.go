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

// findingsOf flattens the errors of the schema library into at most maxFindings findings, without duplicates.
// With lenient, unknown words of an enumeration are none.
func findingsOf(err error, lenient bool) []api.Finding {
	var findings []api.Finding
	seen := map[string]bool{}
	for _, single := range flatten(err, nil) {
		if len(findings) >= maxFindings {
			break
		}
		finding, ok := toFinding(single, lenient)
		if key := finding.Pointer + "\x00" + finding.Message; ok && !seen[key] {
			seen[key] = true
			findings = append(findings, finding)
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

// toFinding describes one error; ok is false if it says nothing.
func toFinding(err error, lenient bool) (finding api.Finding, ok bool) {
	var schemaError *openapi3.SchemaError
	if !errors.As(err, &schemaError) {
		return api.Finding{Message: clip(err.Error())}, true
	}
	switch {
	case schemaError.SchemaField == "pattern" && schemaError.Value == "":
		return api.Finding{}, false // minLength already says that it must not be empty
	case schemaError.SchemaField == "enum" && lenient:
		return api.Finding{}, false
	}
	return api.Finding{
		Pointer: pointer(schemaError.JSONPointer()), Message: schemaMessage(schemaError),
	}, true
}

// unknownField describes a field that an object must not have.
func unknownField(pointer, name string, schema *openapi3.Schema) api.Finding {
	finding := api.Finding{Pointer: pointer, Message: "unknown field " + shown(name)}
	known := slices.Sorted(maps.Keys(schema.Properties))
	if near := templating.Nearest(name, known); near != "" {
		suggestion := fmt.Sprintf("did you mean %q?", near)
		finding.Suggestion = &suggestion
	}
	return finding
}

// maxPointer bounds the pointer of one finding, in bytes.
const maxPointer = 2000

// pointer returns the JSON pointer of a path. It is cut if it is longer than anyone reads.
func pointer(path []string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(escape.Replace(step))
	}
	if text := b.String(); len(text) <= maxPointer {
		return text
	}
	return strings.ToValidUTF8(b.String()[:maxPointer], "") + "…"
}

// refusal refuses a body with findings.
func refusal(findings []api.Finding) error {
	return &problem.Error{Code: problem.InvalidBody, Detail: summary(findings), Findings: findings}
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
