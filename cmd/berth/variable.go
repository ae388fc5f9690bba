package main

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func variableCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "variable",
		Short: "Stored variables, for {{ berth.variables.NAME }} in deployments and runs",
	}
	cli.ClientFlags(cmd)
	return cli.Group(
		cmd,
		variableSetCommand(app),
		variableGetCommand(app),
		variableLsCommand(app),
		variableDeleteCommand(app),
	)
}

func listVariables(ctx context.Context, client *apiclient.ClientWithResponses) ([]api.Variable, error) {
	return cli.Pages(0, func(limit int32, cursor *string) ([]api.Variable, *string, error) {
		r, err := client.ListVariablesWithResponse(
			ctx,
			&api.ListVariablesParams{Limit: &limit, Cursor: cursor},
		)
		page, err := cli.Value(resultOf(r, err).JSON200, r, err)
		return page.Items, page.NextCursor, err
	})
}

func variableSetCommand(app *cli.App) *cobra.Command {
	var asString bool
	var file string
	cmd := &cobra.Command{
		Use:   "set NAME VALUE",
		Short: "Store a variable: JSON where it parses as JSON, otherwise a string",
		Args:  cobra.RangeArgs(1, 2), ValidArgsFunction: variableNames(app),
	}
	cmd.Flags().BoolVar(&asString, "string", false, "keep the value a string, whatever it looks like")
	cmd.Flags().
		StringVarP(&file, "file", "f", "", "take the value from a YAML or JSON file, - for standard input")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		value, err := variableValue(app, args[1:], file, asString)
		if err != nil {
			return err
		}
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.SetVariableWithResponse(cmd.Context(), args[0], api.VariableSet{Value: value})
		variable, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return printDone(app, *format, variable, "variable %q set", variable.Name)
	}
	return cmd
}

func variableValue(app *cli.App, args []string, file string, asString bool) (json.RawMessage, error) {
	switch {
	case file != "" && (len(args) > 0 || asString):
		return nil, cli.Usagef("the value comes from --file or from the command line, not both")
	case file != "":
		return app.ReadDocument(file)
	case len(args) == 0:
		return nil, cli.Usagef("give the value, or a file that holds it with --file")
	case !asString && json.Valid([]byte(args[0])):
		return json.RawMessage(args[0]), nil
	}
	return json.Marshal(args[0])
}

func variableGetCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "get NAME", Short: "Print the value of a variable; a string without quotes",
		Args: cobra.ExactArgs(1), ValidArgsFunction: variableNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.GetVariableWithResponse(cmd.Context(), args[0])
		variable, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.Document(*format, variable)
		}
		var text string
		if json.Unmarshal(variable.Value, &text) != nil {
			text = string(variable.Value)
		}
		return app.Printf("%s\n", text)
	}
	return cmd
}

func variableLsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List stored variables",
		Args:    cobra.NoArgs,
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		variables, err := listVariables(cmd.Context(), client)
		if err != nil {
			return err
		}
		return cli.List(app, *format, variables, []cli.Column[api.Variable]{
			{Title: "name", Cell: func(v api.Variable) string { return v.Name }},
			{Title: "value", Cell: func(v api.Variable) string { return shorten(string(v.Value), 60) }},
			{Title: "updated", Cell: func(v api.Variable) string { return app.Ago(v.UpdatedAt) }},
		})
	}
	return cmd
}

func shorten(s string, limit int) string {
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}

func variableDeleteCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a stored variable", Args: cobra.ExactArgs(1), ValidArgsFunction: variableNames(app),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.DeleteVariableWithResponse(cmd.Context(), args[0])
		if err := cli.Check(r, err); err != nil {
			return err
		}
		return app.Printf("variable %q deleted\n", args[0])
	}
	return cmd
}
