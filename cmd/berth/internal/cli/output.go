package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/templating/yamldoc"
)

// Format is how a command prints: a table for people, JSON or YAML for programs.
type Format string

// The formats there are.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// String, Set and Type make a Format a flag.
func (f *Format) String() string { return string(*f) }

// Set refuses what is no format, so that it is wrong use before anything has happened.
func (f *Format) Set(value string) error {
	switch Format(value) {
	case Table, JSON, YAML:
		*f = Format(value)
		return nil
	}
	return fmt.Errorf("must be table, json or yaml")
}

// Type is what help calls the value.
func (f *Format) Type() string { return "table|json|yaml" }

// OutputFlag adds -o.
func OutputFlag(cmd *cobra.Command) *Format {
	format := Table
	cmd.Flags().VarP(&format, "output", "o", "output format")
	// The only error there is: a flag of another name.
	_ = cmd.RegisterFlagCompletionFunc("output",
		cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return &format
}

// Column of a table of T.
type Column[T any] struct {
	Title string
	Cell  func(T) string
}

// PrintList prints items: a table, or a document that holds them as `items`, as the API does.
func PrintList[T any](a *App, format Format, items []T, columns []Column[T]) error {
	if format != Table {
		return a.PrintDocument(format, map[string]any{"items": items})
	}
	if len(items) == 0 {
		a.Notef("no items found")
		return nil
	}
	rows := make([][]string, 0, len(items)+1)
	header := make([]string, 0, len(columns))
	for _, column := range columns {
		header = append(header, strings.ToUpper(column.Title))
	}
	rows = append(rows, header)
	for _, item := range items {
		row := make([]string, 0, len(columns))
		for _, column := range columns {
			row = append(row, oneLine(column.Cell(item)))
		}
		rows = append(rows, row)
	}
	return a.printTable(rows)
}

func oneLine(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Join(strings.Fields(s), " ")
}

// columnGap is what stands between two columns.
const columnGap = 2

// printTable prints rows, the first of which is the header, so that they fit the terminal.
func (a *App) printTable(rows [][]string) error {
	widths := fit(naturalWidths(rows), a.Width(a.Out))
	if left := len(rows[0]) - len(widths); left > 0 {
		a.Notef("columns hidden because the terminal is too narrow: %s; to show all, use -o yaml",
			strings.Join(rows[0][len(widths):], ", "))
	}
	w := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", strings.Repeat(" ", columnGap)
	w.SetStyle(style)
	for _, cells := range rows {
		row := make(table.Row, 0, len(widths))
		for i, width := range widths {
			row = append(row, text.Snip(cells[i], width, "…"))
		}
		w.AppendRow(row)
	}
	for _, line := range strings.Split(w.Render(), "\n") {
		if err := a.Printf("%s\n", strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

// Field of one thing that is shown alone.
type Field struct{ Name, Value string }

// PrintObject prints one thing: its fields below one another, or the document. Fields without a value are
// left out.
func PrintObject[T any](a *App, format Format, item T, fields []Field) error {
	if format != Table {
		return a.PrintDocument(format, item)
	}
	return a.PrintFields(fields)
}

// PrintFields prints names and values below one another.
func (a *App) PrintFields(fields []Field) error {
	width := 0
	for _, field := range fields {
		if field.Value != "" {
			width = max(width, len(field.Name)+1)
		}
	}
	for _, field := range fields {
		if field.Value == "" {
			continue
		}
		value := strings.TrimRight(field.Value, "\n")
		if strings.Contains(value, "\n") {
			value = "\n  " + strings.ReplaceAll(value, "\n", "\n  ")
		}
		line := fmt.Sprintf("%-*s  %s", width, field.Name+":", value)
		if strings.HasPrefix(value, "\n") {
			line = field.Name + ":" + value
		}
		if err := a.Printf("%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// PrintDocument prints a value as JSON or YAML.
func (a *App) PrintDocument(format Format, value any) error {
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false) // a shell command stays readable
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	text := data.Bytes()
	if format == YAML {
		var err error
		if text, err = yamldoc.FromJSON(text); err != nil {
			return fmt.Errorf("encode output: %w", err)
		}
	}
	return a.Printf("%s\n", bytes.TrimRight(text, "\n"))
}

// FormatYAML is a JSON value as YAML, for one thing that is shown alone; an empty object is nothing.
func FormatYAML(value json.RawMessage) string {
	if s := strings.TrimSpace(string(value)); s == "{}" || s == "null" || s == "" {
		return ""
	}
	text, err := yamldoc.FromJSON(value)
	if err != nil {
		return string(value)
	}
	return string(text)
}

// Number is a number that may not be there.
func Number[T int32 | int64](n *T) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

// Text is a string that may not be there.
func Text[T ~string](s *T) string {
	if s == nil {
		return ""
	}
	return string(*s)
}

// PrintConfirmation confirms in one line what the command did, or prints the document for programs.
func PrintConfirmation(app *App, format Format, document any, text string, args ...any) error {
	if format == Table {
		return app.Printf(text+"\n", args...)
	}
	return app.PrintDocument(format, document)
}
