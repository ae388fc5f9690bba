package catalog

import (
	"encoding/json"
	"fmt"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// ReadReferences returns the list of what job variables may refer to in the form in which it is stored; nil for
// nil. Entries that can name nothing in a cluster are refused with their place.
func ReadReferences(list *api.AllowedReferences) (json.RawMessage, error) {
	if list == nil {
		return nil, nil
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode the allowed references: %w", err)
	}
	allowed, err := Allowed(raw)
	if err != nil {
		return nil, err
	}
	if invalid := allowed.Check(); len(invalid) > 0 {
		refusal := problem.Newf(problem.InvalidBody, "references: %s", invalid[0].Message)
		for _, i := range invalid {
			refusal.At("/references"+i.Pointer, "%s", i.Message)
		}
		return nil, refusal
	}
	return json.Marshal(allowed)
}

// Allowed reads a stored list; empty text allows nothing.
func Allowed(raw json.RawMessage) (reference.Allowed, error) {
	var allowed reference.Allowed
	if len(raw) == 0 {
		return allowed, nil
	}
	if err := json.Unmarshal(raw, &allowed); err != nil {
		return allowed, fmt.Errorf("read the allowed references of the work pool: %w", err)
	}
	return allowed, nil
}
