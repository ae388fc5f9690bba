package lookup

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// Parameters completes name=value of the parameters of the deployment that the first argument names.
func Parameters(app *cli.App) Completer {
	return runValues(app, func(s api.RunSchema) json.RawMessage { return s.Parameters })
}

// JobVariables completes name=value of its job variables.
func JobVariables(app *cli.App) Completer {
	return runValues(app, func(s api.RunSchema) json.RawMessage { return s.JobVariables })
}

func runValues(app *cli.App, schema func(api.RunSchema) json.RawMessage) Completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, directive := CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
			schemas, err := cli.Value(client.GetRunSchemaWithResponse(ctx, args[0]))
			if err != nil {
				return nil, err
			}
			return assignments(schema(schemas), typed)
		})(cmd, nil, typed)
		return found, directive | cobra.ShellCompDirectiveNoSpace
	}
}

// assignments are the names that a schema declares, each followed by =, or the values that it lists once the name has
// been typed.
func assignments(schema json.RawMessage, typed string) ([]string, error) {
	var declared struct {
		Properties map[string]struct {
			Type     any               `json:"type"`
			Enum     []json.RawMessage `json:"enum"`
			ReadOnly bool              `json:"readOnly"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(schema, &declared); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	name, _, isNamed := strings.Cut(typed, "=")
	var found []string
	for _, property := range slices.Sorted(maps.Keys(declared.Properties)) {
		one := declared.Properties[property]
		switch {
		case one.ReadOnly: // frozen
		case !isNamed:
			found = append(found, property+"=")
		case property == name && one.Type == "boolean":
			found = append(found, name+"=true", name+"=false")
		case property == name:
			for _, value := range one.Enum {
				text := string(value)
				var plain string
				if json.Unmarshal(value, &plain) == nil {
					text = plain
				}
				found = append(found, name+"="+text)
			}
		}
	}
	return found, nil
}

// Tags completes the tags of deployments, which their runs have.
func Tags(app *cli.App) Completer {
	return CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
		deployments, err := ListDeployments(ctx, client, api.ListDeploymentsParams{})
		tags := map[string]bool{}
		for _, d := range deployments {
			for _, tag := range d.Tags {
				tags[tag] = true
			}
		}
		return slices.Sorted(maps.Keys(tags)), err
	})
}

// Queues completes the queues of the pool in --pool, or of all pools.
func Queues(app *cli.App) Completer {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
			pools := []string{}
			if flag := cmd.Flags().Lookup("pool"); flag != nil && flag.Value.String() != "" {
				pools = append(pools, flag.Value.String())
			} else {
				all, err := ListPools(ctx, client)
				if err != nil {
					return nil, err
				}
				pools = cli.Map(all, func(p api.WorkPool) string { return p.Name })
			}
			names := map[string]bool{}
			for _, pool := range pools {
				queues, err := cli.Value(client.ListWorkQueuesWithResponse(ctx, pool))
				if err != nil {
					return nil, err
				}
				for _, q := range queues.Items {
					names[q.Name] = true
				}
			}
			return slices.Sorted(maps.Keys(names)), nil
		})(cmd, nil, typed)
	}
}
