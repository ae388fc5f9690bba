package request

import (
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

// Operation is what openapi.yaml says of one method of one path.
type Operation struct {
	ID    string
	route routers.Route
	// Protocol operations are for workers.
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

// Check reads the request's body and returns the request to go on with, or the refusal.
func (o *Operation) Check(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	if err := o.checkParameters(r); err != nil {
		return nil, err
	}
	return o.checkBody(w, r)
}

func (o *Operation) checkBody(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	wanted := o.route.Operation.RequestBody != nil
	if err := checkType(r, wanted || r.ContentLength != 0); err != nil {
		return nil, err
	}
	if !wanted {
		return r, nil
	}
	limit := int64(MaxBody)
	if o.Protocol {
		limit = MaxProtocolBody
	}
	body, err := read(w, r, limit)
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
	ids := openapi3.WithStringFormatValidator("uuid", openapi3.NewCallbackValidator(uuid.Validate))
	if findings := findingsOf(schema.VisitJSON(value, openapi3.MultiErrors(), ids)); len(findings) > 0 {
		return nil, &problem.Error{Code: problem.InvalidBody, Detail: summary(findings), Findings: findings}
	}
	return withDocument(withBody(r, body), value), nil
}

// checkParameters checks path, query and header parameters against their schemas, and refuses a query that
// nobody reads: a misspelt filter would silently list everything.
func (o *Operation) checkParameters(r *http.Request) error {
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: mux.Vars(r), QueryParams: r.URL.Query(), Route: &o.route,
		Options: &openapi3filter.Options{SkipSettingDefaults: true},
	}
	known := map[string]bool{}
	for _, parameters := range []openapi3.Parameters{o.route.PathItem.Parameters, o.route.Operation.Parameters} {
		for _, parameter := range parameters {
			known[parameter.Value.Name] = true
			if err := openapi3filter.ValidateParameter(r.Context(), input, parameter.Value); err != nil {
				return invalidParameter(parameter.Value, err)
			}
		}
	}
	if o.Protocol {
		return nil
	}
	for name := range input.QueryParams {
		if !known[name] {
			return problem.Newf(problem.InvalidParameter, "there is no query parameter %q here", name)
		}
	}
	return nil
}

func invalidParameter(parameter *openapi3.Parameter, err error) error {
	reason := err.Error()
	if findings := findingsOf(err); len(findings) > 0 {
		reason = findings[0].Message
	}
	return &problem.Error{
		Code: problem.InvalidParameter, Err: err,
		Detail: fmt.Sprintf("%s parameter %q: %s", parameter.In, parameter.Name, strings.TrimSpace(reason)),
	}
}
