package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// verbatimTexts are values that programs like to change on their way.
func verbatimTexts() []string {
	return []string{
		"", " ", "plain", "3.10", "1.0", "007", "1e3", "1E400", "0x1F", "0o17", "1_000", "+1", "-0", ".5", "12:30:00",
		"9007199254740993", "123456789012345678901234567890", "true", "True", "yes", "no", "on", "off", "y", "null", "~", "Null",
		"nan", ".inf", "2026-01-01", "2026-01-01T00:00:00Z", " leading", "trailing ", "a\nb", "ends with a line\n", "\n", "\ttab\t",
		"a\r\nb", `"quoted"`, `'single'`, `back\slash`, `\n`, `C:\temp\new`, "a=b", "=", "a,b", "a;b|c&d", "# no comment", "a #b",
		"a: b", "- item", "*alias", "&anchor", "!tag", "%percent", "@at", "`tick`", "{}", "[]", `{"a": 1.0, "b": [1, 2]}`, "{a: b}",
		"$HOME", "${HOME}", "$(date)", "$5", "pa$$word", "$$", "$", "{{", "}}", "{{ other }}", "{{other}}", "${{ secrets.X }}",
		"{{{x}}}", "<b>&amp;</b>", "ünï", "e\u0301", "日本", "😀", "\u200b", "\ufeffbom", "\u2028", "x\x7f", "\x01", "\x1b[31m",
		"--flag", "-", "%s%d", "a" + strings.Repeat("b", 3000),
	}
}

// dump prints the environment and its arguments in a form that no terminal and no log changes.
const dump = `printf 'ENV %s\n' "$(env -0 | base64 | tr -d '\n')"; for a in "$@"; do printf 'ARG %s\n' "$(printf '%s.' "$a" | base64 | tr -d '\n')"; done`

// wayIn is a way by which a person gives values to a job. It deploys, and says what is refused; once nothing is, run
// starts the job with them and returns its ID.
type wayIn struct {
	name string
	// give makes the values, by name, those of the job; it returns the refusal.
	give func(t *testing.T, env, parameters map[string]string, args []string) result
	run  func(t *testing.T) string
	// fits reports whether a text can be written in this way at all.
	fits func(string) bool
	// place is what a refusal must have: where the value is.
	place string
}

// TestWhatAPersonWroteArrivesByteForByte: in an environment, a parameter or a job variable, through every way in. What does
// not is refused, with its place.
func TestWhatAPersonWroteArrivesByteForByte(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	for _, way := range waysIn(u) { // the last one changes the template of the pool
		t.Run(way.name, func(t *testing.T) {
			var values []given
			for i, text := range verbatimTexts() {
				if way.fits(text) {
					for _, what := range []string{"env", "parameter", "argument"} {
						values = append(values, given{what, fmt.Sprintf("T%03d", i), text})
					}
				}
			}
			taken := way.taken(t, values)
			env, parameters, args := parted(taken)
			if r := way.give(t, env, parameters, args); r.code != 0 {
				t.Fatalf("all values together are refused: %s", r.stderr)
			}
			way.check(t, u, way.run(t), env, parameters, args)
			t.Logf("%d values arrived, %d were refused", len(taken), len(values)-len(taken))
			if len(env) == 0 || len(parameters) == 0 || len(args) == 0 {
				t.Error("no value arrived")
			}
		})
	}
}

// given is a value that somewhere is given.
type given struct{ what, name, text string }

// taken are the values that the way in takes. A refusal of one of them must have its place.
func (w wayIn) taken(t *testing.T, values []given) []given {
	t.Helper()
	env, parameters, args := parted(values)
	r := w.give(t, env, parameters, args)
	switch n := len(values); {
	case r.code == 0:
		return values
	case n == 1:
		if !regexp.MustCompile(w.place).MatchString(r.stderr) {
			t.Errorf("%s %q is refused without its place: %s", values[0].what, values[0].text, r.stderr)
		}
		return nil
	default:
		return append(w.taken(t, values[:n/2]), w.taken(t, values[n/2:])...)
	}
}

func parted(values []given) (env, parameters map[string]string, args []string) {
	env, parameters = map[string]string{}, map[string]string{}
	for _, v := range values {
		switch v.what {
		case "env":
			env[v.name] = v.text
		case "parameter":
			parameters[v.name] = v.text
		default:
			args = append(args, v.text)
		}
	}
	return env, parameters, args
}

// check compares what the job got.
func (w wayIn) check(t *testing.T, u user, id string, env, parameters map[string]string, args []string) {
	t.Helper()
	output := u.ok(t, "run", "logs", id)
	got := map[string]string{}
	var gotArgs []string
	for _, line := range strings.Split(output, "\n") {
		kind, encoded, _ := strings.Cut(line, " ")
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		switch {
		case kind == "ENV" && err == nil:
			for _, entry := range bytes.Split(text, []byte{0}) {
				name, value, _ := strings.Cut(string(entry), "=")
				got[name] = value
			}
		case kind == "ARG" && err == nil:
			gotArgs = append(gotArgs, strings.TrimSuffix(string(text), "."))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if value, ok := got[name]; !ok || value != env[name] {
			t.Errorf("env %s: %.80q arrives as %.80q (there: %t)", name, env[name], value, ok)
		}
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(got["BERTH_PARAMETERS"]), &values); err != nil {
		t.Fatalf("parameters: %v in %.200q", err, got["BERTH_PARAMETERS"])
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		// A boolean or JSON is the value that it is, without its white space.
		if raw := string(values[name]); !isText(values[name], parameters[name]) && raw != compact(parameters[name]) {
			t.Errorf("parameter %s: %.80q arrives as %.80s", name, parameters[name], raw)
		}
	}
	if !slices.Equal(gotArgs, args) {
		for i := range args {
			if i >= len(gotArgs) || gotArgs[i] != args[i] {
				t.Errorf("argument %d: %.80q arrives as %.80q", i, args[i], gotArgs[min(i, len(gotArgs)-1)])
			}
		}
	}
}

func compact(text string) string {
	var b bytes.Buffer
	if text == "True" || json.Compact(&b, []byte(text)) != nil {
		return strings.ToLower(text)
	}
	return b.String()
}

func isText(raw json.RawMessage, want string) bool {
	var text string
	return json.Unmarshal(raw, &text) == nil && text == want
}

var isPlain = regexp.MustCompile(`^[A-Za-z0-9_.+][A-Za-z0-9_.+:-]*$`)

// isUnset: in YAML these words are no value, which takes a variable of an environment away.
func isUnset(text string) bool { return text == "null" || text == "Null" || text == "~" }

func waysIn(u user) []wayIn {
	quoted := func(text string) string { return string(mustJSON(text)) }
	plain := func(text string) string { return text }
	runIt := func(name string) func(*testing.T) string {
		return func(t *testing.T) string { return startedRun(t, u, name) }
	}
	berthYAML := func(name string, write func(string) string) func(*testing.T, map[string]string, map[string]string, []string) result {
		return func(t *testing.T, env, parameters map[string]string, args []string) result {
			return u.run(t, "deploy", "-f", write2(t, "berth.yaml", "deployments:\n- name: "+name+"\n  pool: local\n  parameters: "+
				block(parameters, write, "    ")+"\n  job_variables:\n    command: [sh, -c, "+quoted(dump)+", dump"+
				items(args, write)+"]\n    env: "+block(env, write, "      ")+"\n"))
		}
	}
	return []wayIn{
		{
			name: "berth.yaml, quoted", give: berthYAML("by-yaml", quoted), run: runIt("by-yaml"),
			fits: func(string) bool { return true }, place: `berth\.yaml:\d+`,
		},
		{
			name: "berth.yaml, as it is", give: berthYAML("by-plain-yaml", plain), run: runIt("by-plain-yaml"),
			fits: func(text string) bool { return isPlain.MatchString(text) && !isUnset(text) }, place: `berth\.yaml:\d+`,
		},
		{
			name: "prefect.yaml, quoted", run: runIt("by-prefect"),
			fits: func(string) bool { return true }, place: `prefect\.yaml:\d+`,
			give: prefectYAML(u, "by-prefect", quoted),
		},
		{
			name: "prefect.yaml, as it is", run: runIt("by-plain-prefect"),
			fits:  func(text string) bool { return isPlain.MatchString(text) && !isUnset(text) },
			place: `prefect\.yaml:\d+`, give: prefectYAML(u, "by-plain-prefect", plain),
		},
		commandLine(u), overTheAPI(u), byTemplate(u),
	}
}

// byTemplate gives the values as the defaults of a template; parameters are no matter of templates.
func byTemplate(u user) wayIn {
	return wayIn{
		name: "the defaults of a template", place: `(template|berth)\.yaml:( line )?\d+`, run: func(t *testing.T) string { return startedRun(t, u, "by-template") },
		fits: func(string) bool { return true },
		give: func(t *testing.T, env, parameters map[string]string, args []string) result {
			file := write2(t, "template.yaml", "variables:\n  properties:\n    command: {type: array, default: [sh, -c, "+
				string(mustJSON(dump))+", dump"+items(args, func(s string) string { return string(mustJSON(s)) })+"]}\n"+
				"    env:\n      type: object\n      default: "+block(env, func(s string) string { return string(mustJSON(s)) }, "        ")+
				"\njob_configuration:\n  job_manifest: {spec: {template: {spec: {containers: [{name: job, image: none, "+
				"command: '{{ command }}'}]}}}}\n")
			if r := u.run(t, "pool", "template", "set", "local", "-f", file); r.code != 0 {
				return r
			}
			return u.run(t, "deploy", "-f", write2(t, "berth.yaml", "deployments:\n- name: by-template\n  pool: local\n"+
				"  parameters: "+block(parameters, func(s string) string { return string(mustJSON(s)) }, "    ")+"\n"))
		},
	}
}

func prefectYAML(
	u user, name string, write func(string) string,
) func(*testing.T, map[string]string, map[string]string, []string) result {
	return func(t *testing.T, env, parameters map[string]string, args []string) result {
		return u.run(t, "deploy", "-f", write2(t, "prefect.yaml", "deployments:\n- name: "+name+
			"\n  parameters: "+block(parameters, write, "    ")+"\n  work_pool:\n    name: local\n    job_variables:\n      command: [sh, -c, "+
			string(mustJSON(dump))+", dump"+items(args, write)+"]\n      env: "+block(env, write, "        ")+"\n"))
	}
}

func commandLine(u user) wayIn {
	var given []string
	return wayIn{
		name: "the command line", place: `--(param|job-variable)|parameters|job_variables`,
		fits: func(text string) bool { return text != "null" }, // which takes a variable away
		give: func(t *testing.T, env, parameters map[string]string, args []string) result {
			u.ok(t, "deploy", "-f", write2(t, "berth.yaml", "deployments: [{name: by-flags, pool: local}]\n"))
			given = []string{"deployment", "run", "by-flags", "--job-variable",
				"command=" + string(mustJSON(append([]string{"sh", "-c", dump, "dump"}, args...)))}
			for name, text := range env {
				given = append(given, "--job-variable", "env."+name+"="+text)
			}
			for name, text := range parameters {
				given = append(given, "--param", name+"="+text)
			}
			return u.run(t, given...)
		},
		run: func(t *testing.T) string { return startedRun(t, u, given[2:]...) },
	}
}

func overTheAPI(u user) wayIn {
	var last string
	return wayIn{
		name: "the API, as the form of the page sends it", place: `/parameters|/job_variables`,
		fits: func(string) bool { return true },
		give: func(t *testing.T, env, parameters map[string]string, args []string) result {
			u.ok(t, "deploy", "-f", write2(t, "berth.yaml", "deployments: [{name: by-api, pool: local}]\n"))
			body := mustJSON(map[string]any{
				"parameters": orEmpty(parameters),
				"job_variables": map[string]any{
					"command": append([]string{"sh", "-c", dump, "dump"}, args...), "env": orEmpty(env),
				},
			})
			response, err := http.Post(u.url+"/api/v1/deployments/by-api/runs", "application/json", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			var answer bytes.Buffer
			if _, err := answer.ReadFrom(response.Body); err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != http.StatusCreated {
				return result{code: 1, stderr: answer.String()}
			}
			var run api.Run
			if err := json.Unmarshal(answer.Bytes(), &run); err != nil {
				t.Fatal(err)
			}
			last = run.ID.String()
			return result{}
		},
		run: func(t *testing.T) string {
			u.ok(t, "run", "watch", last)
			return last
		},
	}
}

// startedRun runs a deployment to its end and returns the ID of the run.
func startedRun(t *testing.T, u user, args ...string) string {
	t.Helper()
	run := decode[api.Run](t, u, append([]string{"deployment", "run"}, args...)...)
	u.ok(t, "run", "watch", run.ID.String())
	return run.ID.String()
}

func write2(t *testing.T, name, text string) string { return write(t, t.TempDir(), name, text) }

func block(values map[string]string, write func(string) string, indent string) string {
	if len(values) == 0 {
		return "{}"
	}
	text := ""
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text += "\n" + indent + name + ": " + write(values[name])
	}
	return text
}

func items(list []string, write func(string) string) string {
	text := ""
	for _, item := range list {
		text += ", " + write(item)
	}
	return text
}

func orEmpty(values map[string]string) map[string]string {
	if values == nil {
		return map[string]string{}
	}
	return values
}

func mustJSON(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
