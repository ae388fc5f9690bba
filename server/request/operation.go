// Package request checks a request before any handler sees it: content type, size, that the body is one JSON
// document without duplicate keys, and that body and parameters match openapi.yaml. Unknown fields are
// refused, so that a misspelled one cannot be ignored silently.
//
// In the worker protocol, unknown fields and unknown words of an enumeration are passed on, so that workers and
// servers of neighboring releases work together. All else is checked in the same way.
package request

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
)

const protocolPrefix = "/api/v1/worker/"

// Operation is one operation of openapi.yaml: a method of a path.
type Operation struct {
	ID    string
	route routers.Route
	// Protocol is true for operations of the worker protocol.
	Protocol bool
}

// Operations returns the operations of the specification by "METHOD /path".
func Operations(spec *openapi3.T) map[string]*Operation {
	operations := map[string]*Operation{}
	for path, item := range spec.Paths.Map() {
		for method, operation := range item.Operations() {
			operations[method+" "+path] = &Operation{
				ID:       operation.OperationID,
				Protocol: strings.HasPrefix(path, protocolPrefix),
				route: routers.Route{
					Spec:      spec,
					Path:      path,
					PathItem:  item,
					Method:    method,
					Operation: operation,
				},
			}
		}
	}
	return operations
}

// TakesLong reports whether a response takes as long as its reader likes: streams and output of any size.
func (o *Operation) TakesLong() bool {
	if o.ID == "GetRunLogs" {
		return true
	}
	success := o.route.Operation.Responses.Value("200")
	return success != nil && success.Value.Content["text/event-stream"] != nil
}

// Check checks parameters and body. It returns the request to pass on, whose body is in memory, or the
// refusal.
func (o *Operation) Check(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	if err := o.checkParameters(r); err != nil {
		return nil, err
	}
	return o.checkBody(w, r)
}

func (o *Operation) checkBody(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	hasBody := o.route.Operation.RequestBody != nil
	if err := checkContentType(r, hasBody || r.ContentLength != 0); err != nil {
		return nil, err
	}
	if !hasBody {
		return r, nil
	}

	bounds := boundsOf(o.ID)
	body, err := readBody(w, r, bounds.bytes)
	if err != nil {
		return nil, err
	}
	schema := o.route.Operation.RequestBody.Value.Content.Get("application/json").Schema.Value
	value, values, findings, err := decode(r.Context(), body, schema, bounds, o.Protocol)
	if err != nil {
		return nil, err
	}
	if len(findings) < maxFindings {
		findings = append(findings, o.visit(schema, value, values)...)
	}
	if len(findings) > 0 {
		return nil, refusal(findings[:min(len(findings), maxFindings)])
	}
	if o.Protocol {
		return withBody(r, body), nil
	}
	return withDocument(withBody(r, body), value), nil
}

// visit checks a value against its schema. Of a large value it returns the first problem only: the schema
// library keeps several hundred bytes for each.
func (o *Operation) visit(schema *openapi3.Schema, value any, values int) []api.Finding {
	options := formats()
	if values <= maxDetailed {
		options = append(options, openapi3.MultiErrors())
	}
	return findingsOf(schema.VisitJSON(value, options...), o.Protocol)
}

// formats are the checks of the formats of texts.
func formats() []openapi3.SchemaValidationOption {
	return []openapi3.SchemaValidationOption{
		openapi3.WithStringFormatValidator("uuid", openapi3.NewCallbackValidator(uuid.Validate)),
		openapi3.WithStringFormatValidator("date-time", openapi3.NewCallbackValidator(validTime)),
	}
}

// checkParameters checks path, query and header parameters against their schemas. It refuses unknown query
// parameters, and queries that do not parse: a misspelled filter would silently list everything.
func (o *Operation) checkParameters(r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &problem.Error{Code: problem.InvalidParameter, Err: err, Detail: "the query does not parse: " +
			"want name=value pairs, separated by & and percent-encoded"}
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: mux.Vars(r), QueryParams: query, Route: &o.route,
		Options: &openapi3filter.Options{SkipSettingDefaults: true, SchemaValidationOptions: formats()},
	}
	known := map[string]bool{}
	for _, parameters := range []openapi3.Parameters{o.route.PathItem.Parameters,
		o.route.Operation.Parameters} {
		for _, parameter := range parameters {
			known[parameter.Value.Name] = true
			if err := checkTexts(input, parameter.Value); err != nil {
				return err
			}
			if err := openapi3filter.ValidateParameter(r.Context(), input, parameter.Value); err != nil {
				return invalidParameter(parameter.Value, err)
			}
		}
	}

	if o.Protocol { // a newer worker may send parameters that this server does not know
		return nil
	}
	for name := range input.QueryParams {
		if !known[name] {
			return problem.Newf(problem.InvalidParameter, "unknown query parameter %s", shown(name))
		}
	}
	return nil
}

// checkTexts refuses a parameter that is repeated although it has one value, and texts that cannot be stored
// or shown.
func checkTexts(input *openapi3filter.RequestValidationInput, parameter *openapi3.Parameter) error {
	var texts []string
	switch parameter.In {
	case openapi3.ParameterInPath:
		texts = []string{input.PathParams[parameter.Name]}
	case openapi3.ParameterInQuery:
		texts = input.QueryParams[parameter.Name]
	case openapi3.ParameterInHeader:
		texts = input.Request.Header.Values(parameter.Name)
	}

	reason := ""
	if len(texts) > 1 && !parameter.Schema.Value.Type.Is("array") {
		reason = fmt.Sprintf("must be given once, but was given %d times", len(texts))
	}
	for _, text := range texts {
		switch {
		case reason != "":
		case !utf8.ValidString(text):
			reason = "must be valid UTF-8"
		default:
			reason = controlMessage(text, true)
		}
	}
	if reason == "" {
		return nil
	}
	return problem.Newf(problem.InvalidParameter, "%s parameter %q: %s", parameter.In, parameter.Name, reason)
}

func invalidParameter(parameter *openapi3.Parameter, err error) error {
	reason := err.Error()
	var parse *openapi3filter.ParseError
	switch findings := findingsOf(err, false); {
	case errors.Is(err, openapi3filter.ErrInvalidEmptyValue):
		reason = "must not be empty"
	case errors.Is(err, openapi3filter.ErrInvalidRequired):
		reason = "required parameter is missing"
	case errors.As(err, &parse):
		reason = fmt.Sprintf("want %s, got %s", typeNames(parameter.Schema.Value), shown(parse.Value))
	case len(findings) > 0:
		reason = findings[0].Message
	}
	return &problem.Error{
		Code: problem.InvalidParameter, Err: err,
		Detail: fmt.Sprintf("%s parameter %q: %s", parameter.In, parameter.Name, reason),
	}
}
