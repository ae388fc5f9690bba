package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Format is a body that receivers take.
type Format string

// The formats.
const (
	JSON        Format = "json"
	CloudEvents Format = "cloudevents" // 1.0, structured mode
	Slack       Format = "slack"       // an incoming webhook
	Teams       Format = "teams"       // a workflow that takes an Adaptive Card
	PagerDuty   Format = "pagerduty"   // Events API v2
)

// Formats lists all.
func Formats() []Format { return []Format{JSON, CloudEvents, Slack, Teams, PagerDuty} }

// Envelope is what a body needs beside the event.
type Envelope struct {
	ID         string // of the delivery
	Source     string // who tells it, a URL or a path
	RoutingKey string // of PagerDuty
}

// Body is what is sent.
type Body struct {
	ContentType string
	Text        []byte
}

// Render makes the body of an event. The same event gives the same bytes.
func Render(f Format, e Event, envelope Envelope) (Body, error) {
	contentType, document := "application/json", any(e)
	switch f {
	case JSON:
	case CloudEvents:
		contentType, document = "application/cloudevents+json; charset=utf-8", cloudEvent(e, envelope)
	case Slack:
		document = slackMessage(e)
	case Teams:
		document = teamsMessage(e)
	case PagerDuty:
		document = pagerDutyEvent(e, envelope)
	default:
		return Body{}, fmt.Errorf("unknown format %q", f)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // it is no HTML, and bodies are bounded
	if err := encoder.Encode(document); err != nil {
		return Body{}, fmt.Errorf("encode an event as %s: %w", f, err)
	}
	return Body{contentType, bytes.TrimSuffix(text.Bytes(), []byte("\n"))}, nil
}

type object = map[string]any

// cloudEvent is an event of https://github.com/cloudevents/spec, version 1.0.
func cloudEvent(e Event, envelope Envelope) object {
	return object{
		"specversion": "1.0", "id": envelope.ID, "source": envelope.Source, "type": "dev.berth." + string(e.Type),
		"subject": e.Subject(), "time": e.At.UTC().Format(time.RFC3339Nano), "datacontenttype": "application/json",
		"data": e.Data,
	}
}

// Limits of the receivers.
const (
	slackHeaderMax, slackTextMax, slackFieldMax = 150, 2900, 1900
	slackFieldsMax                              = 10
	teamsSummaryMax, teamsTextMax, teamsFactMax = 1000, 2500, 200
	pagerDutySummaryMax                         = 1024
	pagerDutyKeyMax                             = 255
	pagerDutyTextMax                            = 10_000
)

// slackMessage is a message of https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
func slackMessage(e Event) object {
	blocks := []object{{
		"type": "header", "text": object{"type": "plain_text", "text": clip(e.mark()+e.Data.Summary, slackHeaderMax)},
	}}
	var fields []object
	for _, f := range e.facts() {
		if len(fields) < slackFieldsMax {
			fields = append(fields, object{"type": "mrkdwn", "text": "*" + f.name + "*\n" + escaped(f.value, slackFieldMax)})
		}
	}
	if len(fields) > 0 {
		blocks = append(blocks, object{"type": "section", "fields": fields})
	}
	if reason := e.reason(); reason != "" {
		text := "```" + strings.ReplaceAll(escaped(reason, slackTextMax), "```", "'''") + "```"
		blocks = append(blocks, object{"type": "section", "text": object{"type": "mrkdwn", "text": text}})
	}
	if e.Data.URL != "" {
		blocks = append(blocks, object{"type": "context", "elements": []object{
			{"type": "mrkdwn", "text": "<" + e.Data.URL + "|Open in Berth>"},
		}})
	}
	return object{"text": escaped(e.mark()+e.Data.Summary, slackTextMax), "blocks": blocks}
}

// escaped keeps a text from being read as Slack's markup, and bounds it without cutting an escape in two.
func escaped(text string, most int) string {
	text = clip(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text), most)
	if amp := strings.LastIndexByte(text, '&'); amp >= 0 && !strings.Contains(text[amp:], ";") {
		return text[:amp] + "…"
	}
	return text
}

// mark tells good from bad at a glance.
func (e Event) mark() string {
	switch e.Severity() {
	case Bad:
		return "\U0001F534 " // red circle
	case Good:
		return "\U0001F7E2 " // green circle
	}
	return ""
}

// teamsMessage is a message with an Adaptive Card, as the workflow "When a Teams webhook request is received" takes it.
func teamsMessage(e Event) object {
	color := map[Severity]string{Bad: "attention", Good: "good", Info: "default"}[e.Severity()]
	body := []object{{
		"type": "TextBlock", "text": literal(clip(e.Data.Summary, teamsSummaryMax)), "weight": "bolder", "size": "medium", "wrap": true, "color": color,
	}}
	var facts []object
	for _, f := range e.facts() {
		facts = append(facts, object{"title": f.name, "value": literal(clip(f.value, teamsFactMax))})
	}
	if len(facts) > 0 {
		body = append(body, object{"type": "FactSet", "facts": facts})
	}
	if reason := e.reason(); reason != "" {
		body = append(body, object{
			"type": "TextBlock", "text": literal(clip(reason, teamsTextMax)), "wrap": true, "fontType": "monospace",
		})
	}
	card := object{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body,
	}
	if e.Data.URL != "" {
		card["actions"] = []object{{"type": "Action.OpenUrl", "title": "Open in Berth", "url": e.Data.URL}}
	}
	return object{"type": "message", "attachments": []object{{
		"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card,
	}}}
}

// literal keeps the Markdown of Adaptive Cards from making links and lists of what a run said.
func literal(text string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`).Replace(text)
}

// pagerDutyEvent is an event of https://developer.pagerduty.com/docs/events-api-v2. What ends something resolves the
// alert that its begin has triggered, and so does a run that completes after it had failed.
func pagerDutyEvent(e Event, envelope Envelope) object {
	action, severity := "trigger", "error"
	switch e.Severity() {
	case Good:
		action = "resolve"
	case Info:
		severity = "info"
		if e.Type == RunEnded { // cancelled: it needs no attention any more
			action = "resolve"
		}
	}
	document := object{
		"routing_key": envelope.RoutingKey, "event_action": action, "dedup_key": dedupKey(e),
		"client": "Berth",
		"payload": object{
			"summary": clip(e.Data.Summary, pagerDutySummaryMax), "source": envelope.Source, "severity": severity,
			"timestamp": e.At.UTC().Format(time.RFC3339Nano), "component": e.Data.Deployment, "group": e.Data.Pool,
			"class": string(e.Type), "custom_details": e.details(),
		},
	}
	if e.Data.URL != "" {
		document["client_url"] = e.Data.URL
		document["links"] = []object{{"href": e.Data.URL, "text": "Open in Berth"}}
	}
	return document
}

// dedupKey is the same for all events about one subject of one installation.
func dedupKey(e Event) string {
	key := "berth/" + e.Data.Installation.String() + "/" + e.Subject()
	if len(key) > pagerDutyKeyMax {
		digest := sha256.Sum256([]byte(key))
		return "berth/" + hex.EncodeToString(digest[:])
	}
	return key
}

func (e Event) details() object {
	details := object{}
	for _, f := range e.facts() {
		details[f.name] = f.value
	}
	if reason := e.reason(); reason != "" {
		details["Reason"] = clip(reason, pagerDutyTextMax)
	}
	return details
}

// clip shortens a text to at most so many bytes, between two characters.
func clip(text string, most int) string {
	const more = "…"
	if len(text) <= most {
		return text
	}
	end := most - len(more)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}
