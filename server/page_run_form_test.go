package server_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

// formValues are the values that a browser would send of the form of a page, without its buttons.
func (a answer) formValues() url.Values {
	a.t.Helper()
	_, form, found := strings.Cut(string(a.body), `id="run-form"`)
	if !found {
		a.t.Fatalf("no form in %s", a.body)
	}
	values := url.Values{}
	attribute := func(tag, name string) string {
		if m := regexp.MustCompile(`\s` + name + `="([^"]*)"`).FindStringSubmatch(tag); m != nil {
			return html.UnescapeString(m[1])
		}
		return ""
	}
	for _, m := range regexp.MustCompile(`(?s)<input[^>]*>|<textarea[^>]*>\n?(.*?)</textarea>|<select[^>]*>(.*?)</select>`).FindAllStringSubmatch(form, -1) {
		tag, _, _ := strings.Cut(m[0], ">")
		name := attribute(tag, "name")
		switch {
		case name == "" || attribute(tag, "type") == "radio" && !strings.Contains(tag, " checked"):
		case strings.HasPrefix(tag, "<input"):
			values.Set(name, attribute(tag, "value"))
		case strings.HasPrefix(tag, "<textarea"):
			values.Set(name, strings.ReplaceAll(html.UnescapeString(m[1]), "\n", "\r\n")) // as browsers do
		default:
			options := regexp.MustCompile(`<option[^>]*>`).FindAllString(m[2], -1)
			for i, option := range options {
				if i == 0 || strings.Contains(option, " selected") {
					values.Set(name, attribute(option, "value"))
				}
			}
		}
	}
	return values
}

// press sends the form of a page with a button.
func (a answer) press(r *running, path, button string, typed ...string) answer {
	a.t.Helper()
	values := a.formValues()
	for i := 0; i+1 < len(typed); i += 2 {
		if !values.Has(typed[i]) {
			a.t.Errorf("the form has no field %q: %v", typed[i], values)
		}
		values.Set(typed[i], typed[i+1])
	}
	values.Set("do", button)
	return r.sendForm(path, values)
}

// startedRun is the run that a form leads to.
func (a answer) startedRun(r *running) api.Run {
	a.t.Helper()
	to := a.is(http.StatusSeeOther).header.Get("Location")
	id := to[strings.LastIndex(to, "/")+1:]
	return read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+id, "").is(http.StatusOK)).Run
}

// plainTemplate takes the variables of a schema and uses none, so that each may have any type.
func plainTemplate(properties string) string {
	return `{"variables":{"type":"object","properties":{"image":{"type":"string","default":"etl:1"}` + properties + `}},
		"job_configuration":{"job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":{"containers":[{"name":"job","image":"{{ image }}"}]}}}}}}`
}

const everyKind = `{"type":"object","required":["day"],"additionalProperties":false,"properties":{
	"day":{"type":"string","format":"date","description":"The day to load","examples":["2026-01-31"]},
	"text":{"type":"string","default":"as it is"},
	"rate":{"type":"number","maximum":2},
	"rows":{"type":"integer","default":9007199254740993},
	"full":{"type":"boolean","default":false},
	"tier":{"enum":["slow","fast",3]},
	"fixed":{"const":"only this"},
	"at":{"type":"string","format":"date-time"},
	"id":{"type":"string","format":"uuid"},
	"link":{"type":"string","format":"uri"},
	"shops":{"type":"array","items":{"type":"string"},"default":["berlin"]},
	"tables":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"rows":{"type":"integer"}}}},
	"options":{"type":"object","properties":{"compression":{"type":"string","default":"zstd"},"deep":{"type":"object","properties":{"level":{"type":"integer"}}}}},
	"labels":{"type":"object","additionalProperties":{"type":"string"}},
	"target":{"oneOf":[{"title":"A file","type":"object","required":["kind","path"],"properties":{"kind":{"const":"file"},"path":{"type":"string"}}},
		{"title":"A table","type":"object","required":["kind","table"],"properties":{"kind":{"const":"table"},"table":{"type":"string"}}}]},
	"maybe":{"anyOf":[{"type":"integer"},{"type":"null"}]},
	"level":{"$ref":"#/$defs/level"},
	"matrix":{"type":"array","items":{"type":"array","items":{"type":"array","items":{}}}},
	"free":{"type":"object"},
	"locked":{"type":"integer","default":5}},
	"$defs":{"level":{"type":"string","enum":["low","high"]}}}`

func (r *running) deployEveryKind() {
	r.t.Helper()
	r.deploy("etl", `,"description":"Loads a day","parameters":{"locked":7},"frozen":{"parameters":["locked"]},"parameter_schema":`+everyKind)
}

// TestF1EachKindOfValueHasAField: and what is written there arrives as what it is.
func TestF1EachKindOfValueHasAField(t *testing.T) {
	r := start(t, withoutKeys)
	r.deployEveryKind()
	const path = "/deployments/etl/run"
	form := r.page(path).is(http.StatusOK).has("<h1>Run etl</h1>", "Loads a day", `type="date"`, "The day to load", "for example &#34;2026-01-31&#34;",
		"at most 2", `value="7" readonly`, ">frozen<", "as 2026-01-31T12:00:00Z")
	form = form.press(r, path, "add:/parameters/shops").is(http.StatusOK)
	form = form.press(r, path, "add:/parameters/tables", "/parameters/shops/1", "köln")
	form = form.press(r, path, "add:/parameters/tables", "/parameters/tables/0/name", "the one")
	form = form.press(r, path, "add:/parameters/labels", "/parameters/tables/1/name", "second")
	form = form.press(r, path, "remove:/parameters/tables/0", "/parameters/tables/1/rows", "12", "k:/parameters/labels/0", "a/b~c", "/parameters/labels/0", "d")
	form.hasNot("the one")
	run := form.press(r, path, "run",
		"/parameters/day", "2026-01-01", "/parameters/rate", "1.50", "/parameters/full", "true", "/parameters/tier", "3",
		"/parameters/fixed", `"only this"`, "/parameters/at", "2026-01-01T00:00:00Z", "/parameters/id", "0197a0b3-2f50-7e6b-87d1-6b2a3f4e5d02",
		"/parameters/link", "https://example.com/?a=b", "/parameters/options/compression", "none", "/parameters/options/deep/level", "9",
		"c:/parameters/target", "1", "/parameters/target#1/table", "sales", "c:/parameters/maybe", "1", "/parameters/level", `"high"`,
		"/parameters/matrix", "[[[1, 2.0]]]", "/parameters/free", "any: {thing: yes}",
	).startedRun(r)
	want := `{"day":"2026-01-01","text":"as it is","rate":1.50,"rows":9007199254740993,"full":true,"tier":3,"fixed":"only this","at":"2026-01-01T00:00:00Z",
		"id":"0197a0b3-2f50-7e6b-87d1-6b2a3f4e5d02","link":"https://example.com/?a=b","shops":["berlin","köln"],"tables":[{"name":"second","rows":12}],
		"options":{"compression":"none","deep":{"level":9}},"labels":{"a/b~c":"d"},"target":{"kind":"table","table":"sales"},"maybe":null,"level":"high",
		"matrix":[[[1,2.0]]],"free":{"any":{"thing":"yes"}},"locked":7}`
	wanted := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	arrived := map[string]json.RawMessage{}
	if err := json.Unmarshal(run.Parameters, &arrived); err != nil {
		t.Fatal(err)
	}
	for name, value := range wanted {
		if name == "text" || name == "rows" || name == "locked" { // untouched
			continue
		}
		if string(arrived[name]) != string(value) {
			t.Errorf("%s has arrived as %s, want %s", name, arrived[name], value)
		}
	}
}

// TestF2DefaultsAreValuesAndWhatIsUntouchedIsNotSent: in an empty form, after a reset, and as marks.
func TestF2DefaultsAreValuesAndWhatIsUntouchedIsNotSent(t *testing.T) {
	r := start(t, withoutKeys)
	r.deployEveryKind()
	const path = "/deployments/etl/run"
	form := r.page(path).has("\nas it is</textarea>", `value="9007199254740993"`, "\nberlin</textarea>", `>0 differ from the defaults<`)
	form = form.press(r, path, "preview", "/parameters/text", "other", "/parameters/day", "2026-01-01").has(">2 differ from the defaults<", "\nother</textarea>")
	form = form.press(r, path, "reset:/parameters/text").has(">1 differ from the defaults<", "\nas it is</textarea>")
	run := form.press(r, path, "run").startedRun(r)
	sent := map[string]json.RawMessage{}
	if err := json.Unmarshal(run.Parameters, &sent); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"text", "rows", "shops", "options", "target", "maybe", "labels", "full"} {
		if value, is := sent[name]; is {
			t.Errorf("%s was sent as %s", name, value)
		}
	}
}

// TestF3NumbersKeepTheirDigits: also beyond the range of a float, and with zeros at the end.
func TestF3NumbersKeepTheirDigits(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("exact", `,"parameters":{"large":9007199254740993,"set":7.500},`+
		`"parameter_schema":{"type":"object","properties":{"large":{"type":"integer","default":9007199254740993},"point":{"type":"number"},`+
		`"rate":{"type":"number","default":1.50},"set":{"type":"number","default":1},"list":{"type":"array","items":{"type":"number"},"default":[2.0,0.10]}}}`)
	const path = "/deployments/exact/run"
	form := r.page(path).has(`value="9007199254740993"`, `value="1.50"`, `value="7.500"`, `value="2.0"`, `value="0.10"`)
	run := form.press(r, path, "run", "/parameters/large", "9007199254740995", "/parameters/point", "2.50").startedRun(r)
	if text := string(run.Parameters); text != `{"large":9007199254740995,"point":2.50,"set":7.500}` {
		t.Errorf("the run has %s", text)
	}
	yaml := r.page(path).press(r, path, "yaml", "/parameters/large", "12345678901234567890123", "/parameters/point", "1.10").has("12345678901234567890123", "point: 1.10")
	yaml.press(r, path, "form").has(`value="12345678901234567890123"`, `value="1.10"`)
}

// TestF3NumbersOfJobVariablesKeepTheirDigits: in the form, on the page of the run, and when it is run again.
func TestF3NumbersOfJobVariablesKeepTheirDigits(t *testing.T) {
	r := withText(t)
	r.saveText(replaced("    image:\n", "    rate: {type: number, default: 1.50}\n    large: {type: integer, default: 9007199254740993}\n    image:\n"), "").is(http.StatusOK)
	r.deploy("exact", `,"job_variables":{"rate":7.500}`)
	const path = "/deployments/exact/run"
	form := r.page(path).is(http.StatusOK).has(`value="7.500"`, `value="9007199254740993"`)
	run := form.press(r, path, "run", "/job_variables/large", "9007199254740995", "/job_variables/rate", "8.500").startedRun(r)
	if text := string(run.JobVariables); text != `{"large":9007199254740995,"rate":8.500}` {
		t.Errorf("the run has %s", text)
	}
	r.page("/runs/"+run.ID.String()).is(http.StatusOK).has("9007199254740995", "8.500")
	r.page(path+"?from="+run.ID.String()).is(http.StatusOK).has(`value="9007199254740995"`, `value="8.500"`)
	yaml := form.press(r, path, "yaml", "/job_variables/large", "12345678901234567890123").has("12345678901234567890123")
	yaml.press(r, path, "form").has(`value="12345678901234567890123"`)
}

// TestF4RefusalsStandAtTheirFields: with what was typed, and the focus on the first.
func TestF4RefusalsStandAtTheirFields(t *testing.T) {
	r := start(t, withoutKeys)
	r.deployEveryKind()
	const path = "/deployments/etl/run"
	problem := func(a answer, name, text string) {
		t.Helper()
		m := regexp.MustCompile(`(?s)name="` + regexp.QuoteMeta(name) + `"[^>]*>.*?-problem" data-mark>([^<]*)<`).FindSubmatch(a.body)
		if m == nil || !strings.Contains(string(m[1]), text) {
			t.Errorf("no %q at %s: %q", text, name, m)
		}
	}
	refused := r.page(path).press(r, path, "run", "/parameters/rate", "3.00", "tags", "ok").is(http.StatusUnprocessableEntity).has(`value="3.00"`, "autofocus")
	problem(refused, "/parameters/day", "is required")
	problem(refused, "/parameters/rate", "must be at most 2")
	unread := refused.press(r, path, "run", "/parameters/rate", "many", "/parameters/day", "2026-01-01").is(http.StatusUnprocessableEntity).has(`value="many"`)
	problem(unread, "/parameters/rate", "must be a number")
	nested := unread.press(r, path, "run", "/parameters/rate", "1", "/parameters/options/deep/level", "1.5").is(http.StatusUnprocessableEntity)
	problem(nested, "/parameters/options/deep/level", "integer")
	nested.press(r, path, "run", "/parameters/options/deep/level", "1", "when", "at", "at", "tomorrow").is(http.StatusUnprocessableEntity).has("must be a time")
}

// TestF5FormAndYAMLLoseNothing: values, comments, and what cannot be read.
func TestF5FormAndYAMLLoseNothing(t *testing.T) {
	r := start(t, withoutKeys)
	r.deployEveryKind()
	const path = "/deployments/etl/run"
	form := r.page(path)
	yaml := form.press(r, path, "yaml", "/parameters/day", "2026-01-01", "/parameters/text", "null", "tags", "a, b").is(http.StatusOK).
		has("day: &#34;2026-01-01&#34;", "text: &#34;null&#34;", `value="a, b"`)
	broken := yaml.press(r, path, "form", "yaml", "parameters: {day: [}").is(http.StatusUnprocessableEntity).has("parameters: {day: [}", "line 1")
	yaml.press(r, path, "form", "yaml", "queue: x").is(http.StatusUnprocessableEntity).has("neither parameters nor job_variables")
	const text = "# of the week\nparameters:\n  day: 2026-01-02 # Friday\n  target: {kind: file, path: /tmp/x}\n  tables: [{name: a, other: 1.10}]\n  unknown: 0x1F\njob_variables:\n  env: {A: b}\n"
	back := broken.press(r, path, "form", "yaml", text).is(http.StatusOK).has(`value="2026-01-02"`, `/tmp/x`, "other: 1.10", "unknown: 31")
	again := back.press(r, path, "yaml").is(http.StatusOK)
	if kept := strings.ReplaceAll(again.formValues().Get("yaml"), "\r\n", "\n"); kept != text {
		t.Errorf("the YAML is now %s", kept)
	}
	again.press(r, path, "run").is(http.StatusUnprocessableEntity).has("unknown")
	run := again.press(r, path, "run", "yaml", strings.Replace(text, "  unknown: 0x1F\n", "", 1)).startedRun(r)
	if !strings.Contains(string(run.Parameters), `"tables":[{"name":"a","other":1.10}]`) {
		t.Errorf("the run has %s", run.Parameters)
	}
}

// TestF6ThePreviewIsThatOfTheAPI: and the command starts an equal run.
func TestF6ThePreviewIsThatOfTheAPI(t *testing.T) {
	r := start(t, withoutKeys)
	r.saveTemplate(plainTemplate(""), "").is(http.StatusOK)
	r.deploy("etl", `,"parameter_schema":{"type":"object","properties":{"text":{"type":"string"}}}`)
	const path = "/deployments/etl/run"
	form := r.page(path).has("image: etl:1")
	form.press(r, path, "preview", "/job_variables/image", "it's:2", "/parameters/text", "a\nb", "tags", "by-hand, x y", "when", "at", "at", "2099-01-01T10:00").has(
		"image: it&#39;s:2", html.EscapeString(`--job-variable 'image=it'\''s:2' --tag by-hand --tag 'x y' --at 2099-01-01T10:00:00Z <<'EOF'`))
}

// TestF9ValuesStayInTheirForm: a form of another deployment, and a new one, have none of them, and nothing is kept.
func TestF9ValuesStayInTheirForm(t *testing.T) {
	r := start(t)
	for _, name := range []string{"one", "two"} {
		r.deploy(name, `,"parameter_schema":{"type":"object","properties":{"text":{"type":"string"}}}`)
	}
	operator := []string{"Authorization", "Bearer " + r.makeKey("op", api.RoleOperator)}
	form := r.page("/deployments/one/run", operator...).is(http.StatusOK).has(`autocomplete="off"`)
	values := form.formValues()
	values.Set("/parameters/text", "secret of one")
	values.Set("do", "preview")
	shown := r.sendForm("/deployments/one/run", values, operator...).is(http.StatusOK).has("secret of one")
	if cache := shown.header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control %q", cache)
	}
	for _, path := range []string{"/deployments/one/run", "/deployments/two/run"} {
		r.page(path, operator...).hasNot("secret of one")
	}
	viewer := []string{"Authorization", "Bearer " + r.makeKey("v", api.RoleViewer)}
	r.page("/deployments/one/run", viewer...).is(http.StatusOK).has("does not allow you to start runs").hasNot(`value="run"`)
	values.Set("do", "run")
	r.sendForm("/deployments/one/run", values, viewer...).is(http.StatusForbidden)
}

// TestN7RunAgainFillsTheFormWithTheValuesOfTheRun: frozen ones are locked, and what no longer fits is said.
func TestN7RunAgainFillsTheFormWithTheValuesOfTheRun(t *testing.T) {
	r := start(t, withoutKeys)
	schema := `,"parameter_schema":{"type":"object","properties":{"a":{"type":"string","default":"x"},"b":{"type":"integer"}}}`
	r.deploy("etl", schema)
	run := r.startRun("etl", `{"parameters":{"a":"mine","b":5,"c":[1.50]},"tags":["again"]}`)
	path := "/deployments/etl/run?from=" + run.ID.String()
	r.page(path).is(http.StatusOK).has("\nmine</textarea>", `value="5"`, "- 1.50", `value="again"`, ">3 differ from the defaults<")
	r.deploy("etl", `,"parameters":{"b":6},"frozen":{"parameters":["b"]},"parameter_schema":{"type":"object","additionalProperties":false,"properties":{"a":{"type":"string","default":"x"},"b":{"type":"integer"}}}`)
	r.page(path).has("The run had b = 5, which is frozen now as 6.", "The run had the parameter c, which is no longer declared.", `value="6" readonly`)
	r.page("/deployments/etl/run?from=0197a0b3-2f50-7e6b-87d1-6b2a3f4e5d02").is(http.StatusNotFound)
	r.page("/deployments/etl/run?from=x").is(http.StatusBadRequest)
}

// TestF7AFormSentTwiceStartsOneRun: also where the answer was lost, or the second press came before the first answer.
func TestF7AFormSentTwiceStartsOneRun(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", `,"parameter_schema":{"type":"object","properties":{"text":{"type":"string"}}}`)
	const path = "/deployments/hello/run"
	form := r.page(path)
	first := form.press(r, path, "run").startedRun(r)
	if second := form.press(r, path, "run").startedRun(r); second.ID != first.ID {
		t.Error("the form has started two runs")
	}
	other := form.press(r, path, "run", "/parameters/text", "changed").is(http.StatusConflict).has("has started a run before")
	if third := other.press(r, path, "run").startedRun(r); third.ID == first.ID {
		t.Error("the second form has started no run")
	}
}

// TestTheRunFormSendsATextAsItWasTyped: a browser makes a line end of what is pasted as a return and a line feed, and an empty
// field is not sent; every other text arrives as it is.
func TestTheRunFormSendsATextAsItWasTyped(t *testing.T) {
	r := start(t, withoutKeys)
	texts := []string{
		" ", "3.10", "007", "1e3", "0x1F", "12:30:00", "9007199254740993", "true", "yes", "no", "null", "~", "2026-01-01",
		" leading", "trailing ", "a\nb", "\nfirst line empty", "ends with a line\n", "\ttab\t", `"quoted"`, `'single'`, `back\slash`, `\n`, "a=b", "# no comment",
		"a: b", "- item", "*alias", "{}", `{"a": 1.0}`, "$HOME", "${HOME}", "pa$$word", "<b>&amp;</b>", "ünï", "e\u0301", "日本", "😀", "\u200b",
		"--flag", "%s%d", strings.Repeat("x", 3000),
	}
	var properties []string
	want := map[string]string{}
	for i, text := range texts {
		name := fmt.Sprintf("t%02d", i)
		properties = append(properties, fmt.Sprintf("%q:{\"type\":\"string\"}", name))
		want[name] = text
	}
	r.deploy("texts", `,"parameter_schema":{"type":"object","properties":{`+strings.Join(properties, ",")+`,"empty":{"type":"string"}}}`)
	ctx := browser(t)
	do(t, ctx, "the form", chromedp.Navigate(r.url+"/deployments/texts/run"), shows("h1", "Run texts"))
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(`Object.entries(%s).every(([name, text]) => {
		const field = document.querySelector(`+"`[name=\"/parameters/${name}\"]`"+`);
		field.value = text;
		return field.value === text;
	})`, encode(t, want)))); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, "the texts after YAML and back", press(`button[value="yaml"]`), shows("textarea#yaml", "日本"), press(`button[value="form"]`),
		shows("textarea", "日本"), press(`button[value="run"]`))
	arrives(t, ctx, "the run", waitForPath("/runs/"))
	list := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs", "").is(http.StatusOK))
	if len(list.Items) != 1 {
		t.Fatalf("%d runs", len(list.Items))
	}
	run := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+list.Items[0].ID.String(), "").is(http.StatusOK)).Run
	var got map[string]string
	if err := json.Unmarshal(run.Parameters, &got); err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%q has arrived as %q", text, got[name])
		}
	}
	if _, sent := got["empty"]; sent {
		t.Error("an empty field was sent")
	}
}

// waitForPath waits until the browser is at a path.
func waitForPath(part string) step {
	return chromedp.PollFunction[chromedp.Void](`(part) => location.pathname.includes(part)`,
		chromedp.WithPollingArgs(part), chromedp.WithPollingTimeout(patience))
}

// TestF7TheFormKeepsItsKeyWhenTheAnswerIsLost: in a browser, whose network loses the first answer.
func TestF7TheFormKeepsItsKeyWhenTheAnswerIsLost(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", `,"parameter_schema":{"type":"object","properties":{"text":{"type":"string","default":"x"},"full":{"anyOf":[{"type":"integer"},{"type":"null"}]}}}`)
	ctx := browser(t)
	do(t, ctx, "the form", chromedp.Navigate(r.url+"/deployments/hello/run"), shows("h1", "Run hello"))
	do(t, ctx, "the marks and the command while one types", chromedp.SendKeys(chromedp.CSS(`[name="/parameters/text"]`), "y"),
		shows("#differs", "1 differ"), shows("#command", "text: "), shows("label .tag", "changed"))
	do(t, ctx, "a choice", chromedp.Click(chromedp.CSS(`[name="c:/parameters/full"][value="0"]`)), shows(".alternative label", "Value"),
		chromedp.Click(chromedp.CSS(`[name="c:/parameters/full"][value="-1"]`)))
	do(t, ctx, "a reset", press(`button[value="reset:/parameters/text"]`), shows("#differs", "0 differ"))
	do(t, ctx, "a network that loses the answer", chromedp.Evaluate[chromedp.Void](`void (() => {
		const real = XMLHttpRequest.prototype.send;
		XMLHttpRequest.prototype.send = function (body) {
			if (!(body instanceof URLSearchParams) || body.get("do") !== "run") return real.call(this, body);
			XMLHttpRequest.prototype.send = real;
			this.onload = () => this.onerror();
			real.call(this, body);
		};
	})()`), press(`button[value="run"]`), shows("#run-problem", "No response"), press(`button[value="run"]`))
	arrives(t, ctx, "the run", waitForPath("/runs/"))
	if runs := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs", "")).Items; len(runs) != 1 {
		t.Errorf("%d runs, want 1", len(runs))
	}
}
