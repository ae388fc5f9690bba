package rule

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/templating/rule"
)

func libraryCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "library", Short: "Show the rules that come with Berth"}
	return cli.Group(cmd, libraryLsCommand(app), libraryShowCommand(app))
}

// libraryRule is a rule of the library as it is printed.
type libraryRule struct {
	Name              string                `json:"name"`
	Description       string                `json:"description"`
	Params            map[string]rule.Param `json:"params,omitempty"`
	Expression        string                `json:"expression,omitempty"`
	Message           string                `json:"message,omitempty"`
	MessageExpression string                `json:"message_expression,omitempty"`
}

func libraryLsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the rules of the library, with their parameters",
		Args: cobra.NoArgs,
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		rules := cli.Map(rule.Library(), shown)
		return cli.PrintList(app, *format, rules, []cli.Column[libraryRule]{
			{Title: "name", Cell: func(r libraryRule) string { return r.Name }},
			{Title: "params", Cell: func(r libraryRule) string {
				return strings.Join(slices.Sorted(maps.Keys(r.Params)), ", ")
			}},
			{Title: "description", Cell: func(r libraryRule) string { return r.Description }},
		})
	}
	return cmd
}

func shown(t rule.Template) libraryRule {
	return libraryRule{
		Name: t.Name, Description: t.Description, Params: t.Params, Expression: t.Expression,
		Message: t.Message, MessageExpression: t.MessageExpression,
	}
}

func libraryShowCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show a rule of the library", Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			names := cli.Map(rule.Library(), func(t rule.Template) string { return t.Name })
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		t, err := rule.FindTemplate(args[0])
		if err != nil {
			return cli.Usagef("%v", err)
		}
		fields := []cli.Field{
			{Name: "name", Value: t.Name}, {Name: "description", Value: t.Description},
			{Name: "expression", Value: t.Expression}, {Name: "message", Value: t.Message},
			{Name: "message expression", Value: t.MessageExpression},
		}
		for _, name := range slices.Sorted(maps.Keys(t.Params)) {
			fields = append(fields, cli.Field{Name: "param " + name, Value: paramText(t.Params[name])})
		}
		return cli.PrintObject(app, *format, shown(t), fields)
	}
	return cmd
}

func paramText(p rule.Param) string {
	var value any
	if json.Unmarshal(p.Default, &value) != nil {
		return p.Description
	}
	return p.Description + " (default " + string(p.Default) + ")"
}
