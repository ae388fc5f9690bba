package lookup

import (
	"context"
	"encoding/json"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// PoolSchema is the schema of the job variables of a pool, in a version of its template; nil means the newest.
func PoolSchema(
	ctx context.Context, client *cli.Client, pool string, version *int32,
) (json.RawMessage, error) {
	saved, err := cli.Value(client.GetTemplateWithResponse(ctx, pool, &api.GetTemplateParams{Version: version}))
	return TemplateSchema(saved.Document), err
}

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
