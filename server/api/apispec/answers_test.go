package apispec_test

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestEveryOperationDeclaresTheAnswersThatAllCanGive holds the operations to the checks that all requests pass
// before their handler: `default` alone would let any status pass.
func TestEveryOperationDeclaresTheAnswersThatAllCanGive(t *testing.T) {
	for path, item := range specification(t).Paths.Map() {
		for method, operation := range item.Operations() {
			want := map[string]string{
				"400": "BadRequest", "403": "Forbidden", "415": "UnsupportedMediaType", "431": "HeadersTooLarge",
			}
			if operation.OperationID != "GetHealth" && operation.OperationID != "GetReady" {
				want["503"] = "Unavailable"
			}
			if operation.Security == nil || len(*operation.Security) > 0 {
				want["401"], want["429"] = "Unauthenticated", "RateLimited"
			}
			if operation.RequestBody != nil {
				want["408"], want["413"] = "BodyTooSlow", "BodyTooLarge"
			}
			for status, name := range want {
				reference := "#/components/responses/" + name
				if got := operation.Responses.Value(status); !refersTo(got, reference) {
					t.Errorf(`%s %s: declare "%s": {$ref: "%s"}`, method, path, status, reference)
				}
			}
		}
	}
}

func refersTo(response *openapi3.ResponseRef, reference string) bool {
	return response != nil && response.Ref == reference
}
