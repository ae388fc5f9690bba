package cli

import (
	"encoding/json"
	"strings"

	"github.com/berth-dev/berth/templating"
)

func ReadValues(app *App, file string) (map[string]any, error) {
	document, err := app.readValues(file)
	if err != nil {
		return nil, err
	}
	value, err := templating.DecodeJSON(document)
	if err != nil {
		return nil, Usagef("%s: %v", file, err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, Usagef("%s: must be an object", file)
	}
	return object, nil
}

func ReadValueArg(app *App, args []string, file string, asString bool) (json.RawMessage, error) {
	switch {
	case file != "" && (len(args) > 0 || asString):
		return nil, Usagef("specify the value on the command line or with --file, not both")
	case file != "":
		return app.readValues(file)
	case len(args) == 0:
		return nil, Usagef("no value: specify VALUE or --file")
	case !asString && json.Valid([]byte(args[0])) && isExact(json.RawMessage(strings.TrimSpace(args[0]))):
		return json.RawMessage(args[0]), nil
	}
	return json.Marshal(args[0])
}
