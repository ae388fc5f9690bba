package main

import (
	"html"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// TestF8TheCommandOfARunFormStartsAnEqualRun: a shell splits what the page shows, and the command line makes of it what the
// form would have sent.
func TestF8TheCommandOfARunFormStartsAnEqualRun(t *testing.T) {
	_, u := startDev(t, t.TempDir())
	file := write(t, t.TempDir(), "berth.yaml", "deployments:\n- name: etl\n  pool: local\n"+
		"  parameter_schema: {type: object, properties: {text: {type: string}, large: {type: integer}, list: {type: array, items: {type: string}}}}\n")
	u.ok(t, "deploy", "-f", file, "--yes")
	const texts = "it's \"two\"\nlines $HOME `x` \\n"
	form := url.Values{
		"do": {"preview"}, "when": {"now"}, "tags": {"by hand, b'c"}, "name": {"as typed"},
		"/parameters/text": {texts}, "/parameters/large": {"9007199254740993"},
		"n:/parameters/list": {"2"}, "/parameters/list/0": {"3.10"}, "/parameters/list/1": {"yes"},
		"/job_variables/working_dir": {"/tmp/it's"}, "/job_variables/env": {"A: '1'"},
	}
	command := html.UnescapeString(commandOf(t, u.url, form))
	split := exec.CommandContext(t.Context(), "sh", "-s")
	split.Stdin = strings.NewReader("berth() { printf '%s\\0' \"$@\"; cat; }\n" + command + "\n")
	out, err := split.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, command)
	}
	words := strings.Split(string(out), "\x00")
	given := words[len(words)-1]
	if r := u.runInput(t, given, words[:len(words)-1]...); r.code != 0 {
		t.Fatalf("%s: %s%s", command, r.stdout, r.stderr)
	}
	form.Set("do", "run")
	form.Set("key", "k")
	form.Set("name", "by the form")
	sendForm(t, u.url, form)
	runs := decode[api.RunList](t, u, "run", "ls")
	if len(runs.Items) != 2 {
		t.Fatalf("%d runs", len(runs.Items))
	}
	one, other := decode[api.RunDetail](t, u, "run", "get", runs.Items[0].ID.String()).Run, decode[api.RunDetail](t, u, "run", "get", runs.Items[1].ID.String()).Run
	if string(one.Parameters) != string(other.Parameters) || string(one.JobVariables) != string(other.JobVariables) ||
		strings.Join(one.Tags, "|") != strings.Join(other.Tags, "|") {
		t.Errorf("%s %s %v is not %s %s %v: %s", one.Parameters, one.JobVariables, one.Tags, other.Parameters, other.JobVariables, other.Tags, command)
	}
}

func commandOf(t *testing.T, server string, form url.Values) string {
	t.Helper()
	page := sendForm(t, server, form)
	m := regexp.MustCompile(`(?s)id="command"[^>]*>(.*?)</pre>`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no command in %s", page)
	}
	return m[1]
}

// sendForm sends the form of a run as a browser does.
func sendForm(t *testing.T, server string, form url.Values) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/deployments/etl/run", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "text/html")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var page strings.Builder
	if err := response.Write(&page); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotFound {
		t.Fatalf("%d: %s", response.StatusCode, &page)
	}
	return page.String()
}
