package lookup

import (
	"encoding/json"
)

// TemplateSchema is the schema of a pool's job variables, as far as the template declares one.
func TemplateSchema(document json.RawMessage) json.RawMessage {
	var template struct {
		Variables json.RawMessage `json:"variables"`
	}
	// A template that is not what we expect decides nothing; the server will say what is wrong with the
	// values.
	_ = json.Unmarshal(document, &template)
	return template.Variables
}
