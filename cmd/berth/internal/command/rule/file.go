package rule

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// given is a rule that flags or a file describe.
type given struct {
	file, from, expression, message, action string
	params                                  []string
}

// named is a rule in a file.
type named struct {
	Name string `json:"name"`
	api.RuleSpec
}

func (g *given) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&g.file, "file", "f", "", "YAML or JSON file with the rule; - for standard input")
	flags.StringVar(&g.from, "from", "", "rule of the library; see berth pool rule library ls")
	flags.StringVar(&g.expression, "expression", "", "CEL that is true for a Job that complies")
	flags.StringVar(&g.message, "message", "", "what a person reads whose run is refused")
	flags.StringVar(&g.action, "action", "", "deny or warn (default deny)")
	flags.StringArrayVar(&g.params, "rule-param", nil,
		"parameter of the rule as name=value; value is JSON if it is valid JSON, else a string (repeatable)")
	cmd.MarkFlagsMutuallyExclusive("file", "from", "expression")
	cmd.MarkFlagsOneRequired("file", "from", "expression")
	cli.EnvPerLine(cmd, "rule-param")
}

// read is the rule that file and flags describe; flags override the file.
func (g *given) read(app *cli.App) (named, error) {
	var r named
	if g.file != "" {
		document, err := app.ReadDocument(g.file)
		if err != nil {
			return r, err
		}
		decoder := json.NewDecoder(bytes.NewReader(document))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&r); err != nil {
			return r, cli.Usagef("%s: not a rule: %v; a rule has name, expression, message, action, params or from",
				g.file, err)
		}
	}
	set := func(field **string, value string) {
		if value != "" {
			*field = &value
		}
	}
	set(&r.From, g.from)
	set(&r.Expression, g.expression)
	set(&r.Message, g.message)
	if g.action != "" {
		action := api.RuleAction(g.action)
		if action != api.RuleDeny && action != api.RuleWarn {
			return r, cli.Usagef("--action must be deny or warn, not %q", g.action)
		}
		r.Action = &action
	}
	return r, g.addParams(&r)
}

func (g *given) addParams(r *named) error {
	if len(g.params) == 0 {
		return nil
	}
	params := map[string]json.RawMessage{}
	if len(r.Params) > 0 {
		if err := json.Unmarshal(r.Params, &params); err != nil {
			return cli.Usagef("%s: params must be an object", g.file)
		}
	}
	values, err := cli.Assignments("rule-param", g.params, nil)
	if err != nil {
		return err
	}
	for name, value := range values {
		params[name] = value
	}
	encoded, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("encode the parameters of the rule: %w", err)
	}
	r.Params = encoded
	return nil
}
