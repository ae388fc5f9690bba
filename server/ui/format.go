package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/berth-dev/berth/server/api"
)

// functions of the templates.
var functions = template.FuncMap{
	"ago":        ago,
	"iso":        iso,
	"lower":      strings.ToLower,
	"number":     number,
	"join":       strings.Join,
	"text":       text,
	"took":       took,
	"shape":      shape,
	"stateWords": stateWords,
	"nav":        func() []navigationEntry { return navigation },
	"size":       size,
	"dict":       dict,
	"seconds":    seconds,
	"rawText":    func(document api.JSONValue) string { return string(document) },
	"or0":        func(n *int32) int32 { return valueOf(n) },
	"slots":      func(used int32, limit *int32) slotBar { return slotBar{used, limit} },
	"columns":    columnsOf,
	"whyListed":  whyListed,
	"later":      func(r api.Run) bool { return r.State.Type == api.SCHEDULED && time.Until(r.ScheduledTime) > 0 },
	"impact":     func(s *api.TemplateImpactSummary) string { return impactText(*s) },
}

// navigationEntry is a place of the navigation. Needs is the operation of the API that its page calls, where not all roles may.
type navigationEntry struct{ Path, Label, Needs string }

var navigation = []navigationEntry{
	{Path: "", Label: "Overview"}, {Path: "runs", Label: "Runs"}, {Path: "deployments", Label: "Deployments"},
	{Path: "schedules", Label: "Schedules"}, {Path: "pools", Label: "Pools"},
}

// menu are the places that are not visited every day.
var menu = []navigationEntry{
	{Path: "variables", Label: "Variables"}, {Path: "approvals", Label: "Approvals"}, {Path: "rules", Label: "Rules"},
	{Path: "webhooks", Label: "Webhooks"}, {Path: "keys", Label: "API keys", Needs: "ListAPIKeys"},
	{Path: "audit", Label: "Audit", Needs: "ListAudit"}, {Path: "about", Label: "About"},
}

// dict is a map for a template that takes several values.
func dict(pairs ...any) (map[string]any, error) {
	made := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("key %v is no text", pairs[i])
		}
		made[key] = pairs[i+1]
	}
	return made, nil
}

func valueOf[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// text shows what may be missing.
func text(of any) string {
	switch v := of.(type) {
	case nil:
		return ""
	case *string:
		return valueOf(v)
	case *int32:
		if v == nil {
			return ""
		}
		return strconv.Itoa(int(*v))
	case *api.Category:
		return string(valueOf(v))
	case *api.ApproverRole:
		return string(valueOf(v))
	default:
		return fmt.Sprint(v)
	}
}

// shapes are the signs of the states, so that colour is not all that tells them apart.
var shapes = map[api.StateType]string{
	api.SCHEDULED: "○", api.PENDING: "◐", api.RUNNING: "●", api.COMPLETED: "✓", api.FAILED: "✕", api.CRASHED: "▲",
	api.CANCELLING: "⊘", api.CANCELLED: "⊘",
}

// stateWords is the name of a state as words: "Awaiting slot" for AwaitingSlot.
func stateWords(name string) string {
	var text strings.Builder
	for i, c := range name {
		if i > 0 && unicode.IsUpper(c) {
			text.WriteByte(' ')
			c = unicode.ToLower(c)
		}
		text.WriteRune(c)
	}
	return text.String()
}

func shape(state api.State) string {
	if state.Type == api.SCHEDULED && (state.Name == "AwaitingSlot" || state.Name == "Late") {
		return "◌"
	}
	return shapes[state.Type]
}

func iso(t any) string {
	switch at := t.(type) {
	case time.Time:
		return at.UTC().Format(time.RFC3339)
	case *time.Time:
		if at != nil {
			return at.UTC().Format(time.RFC3339)
		}
	}
	return ""
}

// ago is a time as a reader says it. live.ts says it anew as time goes by, in the same words.
func ago(t any) string {
	var at time.Time
	switch given := t.(type) {
	case time.Time:
		at = given
	case *time.Time:
		if given == nil {
			return ""
		}
		at = *given
	}
	distance := time.Since(at)
	switch {
	case distance.Abs() < 5*time.Second:
		return "just now"
	case distance > 0:
		return span(distance) + " ago"
	default:
		return "in " + span(-distance)
	}
}

const day = 24 * time.Hour

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 2*day:
		text := fmt.Sprintf("%d h", int(d.Hours()))
		if minutes := int(d.Minutes()) % 60; minutes > 0 && d < 10*time.Hour {
			text += fmt.Sprintf(" %d min", minutes)
		}
		return text
	default:
		return fmt.Sprintf("%d d", int(d/day))
	}
}

// length is a duration with the precision that a reader needs.
func length(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return span(d)
	}
}

func secondsOf(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// took is how long a run has run.
func took(r api.Run) string {
	if r.StartedAt == nil || r.State.Type == api.SCHEDULED || r.State.Type == api.PENDING {
		return ""
	}
	end := time.Now()
	if r.EndedAt != nil {
		end = *r.EndedAt
	}
	return length(end.Sub(*r.StartedAt))
}

// whyListed is what a run of a list waits for, and the first line of why it did not succeed so far.
func whyListed(r api.Run) string {
	line, _, _ := strings.Cut(strings.TrimSpace(valueOf(r.State.Message)), "\n")
	if r.State.Type == api.COMPLETED {
		line = ""
	}
	return strings.Trim(valueOf(r.Waits)+" · "+line, " ·")
}

// columnsOf are the columns that a template asks for, or the usual ones.
func columnsOf(given any) runColumns {
	if chosen, ok := given.(runColumns); ok {
		return chosen
	}
	return usualRunColumns
}

// number groups digits.
func number(n any) string {
	digits := fmt.Sprint(n)
	if strings.ContainsAny(digits, ".e-") {
		return digits
	}
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, groups...), ",")
}

// size is a number of bytes.
func size(bytes int64) string {
	const unit = 1 << 10
	if bytes < unit {
		return fmt.Sprintf("%d B", bytes)
	}
	value, prefix := float64(bytes)/unit, 0
	for value >= unit && prefix < 3 {
		value, prefix = value/unit, prefix+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGT"[prefix])
}

// indented is a JSON document for people. Numbers keep their digits.
func indented(document any) (string, error) {
	raw, ok := document.(json.RawMessage)
	if !ok {
		made, err := json.Marshal(document)
		if err != nil {
			return "", fmt.Errorf("encode: %w", err)
		}
		raw = made
	}
	if len(raw) == 0 {
		return "", nil
	}
	return indent(raw)
}

func indent(raw json.RawMessage) (string, error) {
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return "", fmt.Errorf("indent: %w", err)
	}
	return out.String(), nil
}

// queryOf is the query of an address, of names and values in turn.
func queryOf(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return q.Encode()
}
