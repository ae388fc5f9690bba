package request

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
)

// maxFindings bounds an answer; who has more to correct asks again.
const maxFindings = 100

// findingsOf flattens what the schema library says.
func findingsOf(err error) []api.Finding {
	var findings []api.Finding
	var walk func(err error)
	walk = func(err error) {
		var many openapi3.MultiError
		var one *openapi3.SchemaError
		var parse *openapi3filter.ParseError
		switch {
		case err == nil || len(findings) >= maxFindings:
		case errors.As(err, &one):
			findings = append(findings, api.Finding{Pointer: pointer(one.JSONPointer()), Message: message(one)})
		case errors.As(err, &many):
			for _, each := range many {
				walk(each)
			}
		case errors.As(err, &parse):
			findings = append(findings, api.Finding{Message: parse.Error()})
		default:
			findings = append(findings, api.Finding{Message: err.Error()})
		}
	}
	// A MultiError holds SchemaErrors, so it has to be asked for first at the top.
	var many openapi3.MultiError
	if errors.As(err, &many) {
		for _, each := range many {
			walk(each)
		}
		return findings
	}
	walk(err)
	return findings
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

// DecodeError turns what the generated code says of a body or a parameter that it could not read into a refusal.
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
