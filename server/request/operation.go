// Package request checks a request before any handler sees it: content type, size, that the body is one JSON
// document without duplicate keys, and that body and parameters match openapi.yaml. Unknown fields are
// refused, so that a misspelled one cannot be ignored silently.
//
// The worker protocol is decoded leniently, so that workers and servers of neighboring releases work
// together. Its size is bounded all the same.
package request

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/uuid"
	"github.com/gorilla/mux"

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

	limit := int64(MaxBody)
	if o.Protocol {
		limit = MaxProtocolBody
	}
	body, err := readBody(w, r, limit)
	if err != nil {
		return nil, err
	}
	if o.Protocol {
		return withBody(r, body), nil
	}

	value, err := decode(body)
	if err != nil {
		return nil, err
	}

	schema := o.route.Operation.RequestBody.Value.Content.Get("application/json").Schema.Value
	uuids := openapi3.WithStringFormatValidator("uuid", openapi3.NewCallbackValidator(uuid.Validate))
	if findings := findingsOf(schema.VisitJSON(value, openapi3.MultiErrors(), uuids)); len(findings) > 0 {
		return nil, &problem.Error{Code: problem.InvalidBody, Detail: summary(findings), Findings: findings}
	}
	return withDocument(withBody(r, body), value), nil
}

// checkParameters checks path, query and header parameters against their schemas. It refuses unknown query
// parameters: a misspelled filter would silently list everything.
func (o *Operation) checkParameters(r *http.Request) error {
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: mux.Vars(r), QueryParams: r.URL.Query(), Route: &o.route,
		Options: &openapi3filter.Options{SkipSettingDefaults: true},
	}
	known := map[string]bool{}
	for _, parameters := range []openapi3.Parameters{o.route.PathItem.Parameters,
		o.route.Operation.Parameters} {
		for _, parameter := range parameters {
			known[parameter.Value.Name] = true
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
			return problem.Newf(problem.InvalidParameter, "unknown query parameter %q", name)
		}
	}
	return nil
}

func invalidParameter(parameter *openapi3.Parameter, err error) error {
	reason := err.Error()
	var parse *openapi3filter.ParseError
	switch findings := findingsOf(err); {
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
