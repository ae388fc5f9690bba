package event

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

var update = flag.Bool("update", false, "write the golden files")

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

// examples are events with what makes bodies go wrong: markup, and text without end.
func examples() map[string]Event {
	installation := uuid.MustParse("7d2b1a1e-6f0e-4a39-9d0a-1d1f3f2b7c11")
	started, code := at("2026-01-01T05:00:02Z"), int32(137)
	run := &Run{
		ID: uuid.MustParse("019b76da-a800-7000-8000-000000000000"), Name: "etl-brave-otter", State: "FAILED", StateName: "Failed",
		Message: "<b>out of memory</b> & ```more``` [link](https://x) *bold*", Cause: "oom", ExitCode: &code, Attempt: 2,
		CreatedBy: "schedule:morning", StartedAt: &started, EndedAt: at("2026-01-01T05:03:20Z"),
	}
	completed := *run
	completed.State, completed.Message, completed.Cause, completed.ExitCode = "COMPLETED", "", "", nil
	data := Data{
		Installation: installation, Summary: "Run etl-brave-otter of deployment etl failed (oom)", Pool: "team-a",
		Deployment: "etl", Tags: []string{"nightly"}, Run: run, URL: "https://berth.example.com/runs/" + run.ID.String(),
	}
	well := data
	well.Run, well.Summary = &completed, "Run etl-brave-otter of deployment etl completed"
	failing := data
	failing.Run, failing.Failures, failing.Since, failing.Summary = nil, 3, &started, "Deployment etl fails: its last 3 runs failed"
	recovered := failing
	until := at("2026-01-01T06:00:00Z")
	recovered.Failures, recovered.Until, recovered.Summary = 0, &until, "Deployment etl works again"
	long := data
	endless := *run
	endless.Message = strings.Repeat("ü<&>", 20_000)
	long.Run, long.Deployment, long.Summary = &endless, strings.Repeat("d", 200), strings.Repeat("ü & <x>", 2_000)
	return map[string]Event{
		"run-failed": {RunEnded, at("2026-01-01T05:03:20Z"), data}, "run-completed": {RunEnded, at("2026-01-01T05:03:20Z"), well},
		"failing":   {DeploymentFailing, at("2026-01-01T05:03:20Z"), failing},
		"recovered": {DeploymentRecovered, until, recovered},
		"schedule": {ScheduleFailing, until, Data{
			Installation: installation, Summary: "Schedule morning of deployment etl could not create its run", Pool: "team-a",
			Deployment: "etl", Schedule: "morning", Reason: `variable "x" does not exist`, Since: &started,
		}},
		"no-worker": {PoolNoWorker, until, Data{
			Installation: installation, Summary: "Pool team-a has no live worker while runs wait", Pool: "team-a", Since: &started,
		}},
		"test": {Test, until, Data{Installation: installation, Summary: "Test of webhook x"}},
		"long": {RunEnded, until, long},
	}
}

func render(t *testing.T, f Format, e Event) (Body, map[string]any) {
	t.Helper()
	body, err := Render(f, e, Envelope{ID: "msg_1", Source: "https://berth.example.com", RoutingKey: "key"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Render(f, e, Envelope{ID: "msg_1", Source: "https://berth.example.com", RoutingKey: "key"})
	if err != nil || string(again.Text) != string(body.Text) {
		t.Errorf("%s differs from attempt to attempt", f)
	}
	var document map[string]any
	if err := json.Unmarshal(body.Text, &document); err != nil {
		t.Fatalf("%s: %v", body.Text, err)
	}
	return body, document
}

func TestBodiesAreAsReviewed(t *testing.T) {
	for _, f := range Formats() {
		for name, e := range examples() {
			if name == "long" {
				continue
			}
			body, _ := render(t, f, e)
			var pretty strings.Builder
			var document any
			if err := json.Unmarshal(body.Text, &document); err != nil {
				t.Fatal(err)
			}
			encoder := json.NewEncoder(&pretty)
			encoder.SetIndent("", "  ")
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(document); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", string(f), name+".json")
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(pretty.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || string(want) != pretty.String() {
				t.Errorf("%s differs from what was rendered (%v): run this test with -update and review it", path, err)
			}
		}
	}
}

// in follows a path of names and indexes in a document.
func in(t *testing.T, document any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := document.(map[string]any)
			document = object[step]
		case int:
			list, _ := document.([]any)
			if step >= len(list) {
				t.Fatalf("no element %d", step)
			}
			document = list[step]
		}
	}
	return document
}

// each calls do with every object in a document.
func each(document any, do func(map[string]any)) {
	switch d := document.(type) {
	case map[string]any:
		do(d)
		for _, member := range d {
			each(member, do)
		}
	case []any:
		for _, item := range d {
			each(item, do)
		}
	}
}

func TestCloudEventsHaveTheAttributesOfTheSpecification(t *testing.T) {
	for name, e := range examples() {
		body, d := render(t, CloudEvents, e)
		if !strings.HasPrefix(body.ContentType, "application/cloudevents+json") || d["specversion"] != "1.0" || d["id"] != "msg_1" ||
			d["source"] != "https://berth.example.com" || d["type"] != "dev.berth."+string(e.Type) ||
			d["datacontenttype"] != "application/json" || in(t, d, "data", "summary") == nil {
			t.Errorf("%s: %.300s", name, body.Text)
		}
		if _, err := time.Parse(time.RFC3339, d["time"].(string)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for attribute := range d { // names of attributes: lower-case letters and digits
			if strings.ToLower(attribute) != attribute || strings.ContainsAny(attribute, "_-") {
				t.Errorf("%s: attribute %s", name, attribute)
			}
		}
	}
}

// TestSlackTakesEveryMessage holds messages to the limits of Block Kit, and its markup to what Berth means.
func TestSlackTakesEveryMessage(t *testing.T) {
	for name, e := range examples() {
		_, d := render(t, Slack, e)
		if d["text"] == "" || len(d["blocks"].([]any)) == 0 || len(d["blocks"].([]any)) > 50 {
			t.Errorf("%s: %v", name, d)
		}
		for _, block := range d["blocks"].([]any) {
			b := block.(map[string]any)
			fields, _ := b["fields"].([]any)
			if len(fields) > 10 {
				t.Errorf("%s: %d fields", name, len(fields))
			}
			switch b["type"] {
			case "header":
				checkText(t, name, in(t, b, "text", "text"), 150)
			case "section":
				if b["text"] != nil {
					checkText(t, name, in(t, b, "text", "text"), 3000)
				}
				for _, field := range fields {
					checkText(t, name, in(t, field, "text"), 2000)
				}
			}
		}
		each(d, func(o map[string]any) {
			text, _ := o["text"].(string)
			if o["type"] == "mrkdwn" && strings.Contains(strings.ReplaceAll(text, "<https://berth.example.com/", ""), "<") {
				t.Errorf("%s: what a run said is markup: %s", name, text)
			}
		})
	}
}

func checkText(t *testing.T, name string, text any, most int) {
	t.Helper()
	s, ok := text.(string)
	if !ok || s == "" || len(s) > most || !utf8.ValidString(s) {
		t.Errorf("%s: a text of %d bytes, of which %d are allowed", name, len(s), most)
	}
	if amp := strings.LastIndexByte(s, '&'); strings.HasSuffix(s, "…") && amp >= 0 && !strings.Contains(s[amp:], ";") &&
		strings.Contains(s, "&amp;") {
		t.Errorf("%s: an escape is cut in two: %s", name, s[max(0, len(s)-20):])
	}
}

// TestTeamsTakesEveryMessage holds messages to the form that workflows read, and to 28 KB.
func TestTeamsTakesEveryMessage(t *testing.T) {
	for name, e := range examples() {
		body, d := render(t, Teams, e)
		card, _ := in(t, d, "attachments", 0, "content").(map[string]any)
		if d["type"] != "message" || in(t, d, "attachments", 0, "contentType") != "application/vnd.microsoft.card.adaptive" ||
			card["type"] != "AdaptiveCard" || card["version"] != "1.4" || len(card["body"].([]any)) == 0 {
			t.Errorf("%s: %.300s", name, body.Text)
		}
		if len(body.Text) > 28<<10 {
			t.Errorf("%s: %d bytes", name, len(body.Text))
		}
		each(card, func(o map[string]any) {
			if text, _ := o["text"].(string); o["type"] == "TextBlock" && strings.Contains(text, "[link]") {
				t.Errorf("%s: what a run said is Markdown: %s", name, text)
			}
		})
	}
}

// TestPagerDutyTakesEveryEvent holds events to the Events API v2.
func TestPagerDutyTakesEveryEvent(t *testing.T) {
	keys := map[string]string{}
	for name, want := range map[string]string{
		"run-failed": "trigger", "run-completed": "resolve", "failing": "trigger", "recovered": "resolve",
		"schedule": "trigger", "no-worker": "trigger", "test": "trigger", "long": "trigger",
	} {
		body, d := render(t, PagerDuty, examples()[name])
		payload, _ := d["payload"].(map[string]any)
		severity := map[string]bool{"critical": true, "error": true, "warning": true, "info": true}
		if d["routing_key"] != "key" || d["event_action"] != want || payload["source"] != "https://berth.example.com" ||
			!severity[payload["severity"].(string)] {
			t.Errorf("%s: %.300s", name, body.Text)
		}
		checkText(t, name, payload["summary"], 1024)
		checkText(t, name, d["dedup_key"], 255)
		if len(body.Text) > 512<<10 {
			t.Errorf("%s: %d bytes", name, len(body.Text))
		}
		keys[name] = d["dedup_key"].(string)
	}
	if keys["failing"] != keys["recovered"] || keys["run-failed"] != keys["run-completed"] || keys["failing"] == keys["run-failed"] {
		t.Errorf("%v", keys)
	}
}

func TestAKeyThatIsTooLongIsADigest(t *testing.T) {
	e := examples()["failing"]
	e.Data.Deployment = strings.Repeat("d", 300)
	if key := dedupKey(e); len(key) > pagerDutyKeyMax || !strings.HasPrefix(key, "berth/") {
		t.Errorf("%q", key)
	}
}
