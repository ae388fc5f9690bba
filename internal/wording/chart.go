package wording

import (
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// alertKeys hold what people read of an alert or a dashboard.
func alertKeys() map[string]bool {
	return map[string]bool{"summary": true, "description": true, "title": true}
}

// MonitoringFile returns the texts of alert rules or of a dashboard, YAML or JSON: summaries, descriptions
// and titles, of one word too.
func MonitoringFile(name string, source []byte) ([]Message, error) {
	var document any
	if err := yaml.Unmarshal(source, &document); err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	var out []Message
	var walk func(any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			for key, inner := range value {
				if text, ok := inner.(string); ok && alertKeys()[key] && text != "" {
					out = append(out, Message{Surface: Alert, File: name, Line: 1, Text: strings.TrimSpace(text)})
				}
				walk(inner)
			}
		case []any:
			for _, inner := range value {
				walk(inner)
			}
		}
	}
	walk(document)
	return out, nil
}

var (
	chartLiteral = regexp.MustCompile("\"(?:\\\\.|[^\"\\\\])*\"|`[^`]*`")
	chartAction  = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	chartComment = regexp.MustCompile(`(?s)\{\{-?\s*/\*.*?\*/\s*-?\}\}`)
)

// ChartFile returns the texts of a chart template: the literals of its actions (what fail prints), and for
// NOTES.txt every line of text.
func ChartFile(name string, source []byte) []Message {
	source = chartComment.ReplaceAll(source, nil)
	var out []Message
	for _, at := range chartAction.FindAllIndex(source, -1) {
		for _, text := range chartLiteral.FindAll(source[at[0]:at[1]], -1) {
			out = appendText(out, Message{Surface: Chart, File: name, Line: lineOf(source, at[0])},
				text[1:len(text)-1])
		}
	}
	if strings.HasSuffix(name, "NOTES.txt") {
		for i, line := range strings.Split(chartAction.ReplaceAllString(string(source), "{…}"), "\n") {
			out = appendText(out, Message{Surface: Chart, File: name, Line: i + 1}, []byte(line))
		}
	}
	return out
}
