package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func newApp(env map[string]string) (app *cli.App, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &cli.App{
		In: strings.NewReader(""), Out: stdout, Err: stderr, Env: env, Now: func() time.Time { return now },
	}, stdout, stderr
}

func TestAFlagWinsOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "berth", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("api_url: \"http://file:1\\n\"\napi_key: from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte("from-key-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		env  map[string]string
		args []string
		want cli.Connection
	}{
		{"nothing given", nil, nil, cli.Connection{URL: "http://127.0.0.1:4200"}},
		{"the file", map[string]string{"XDG_CONFIG_HOME": dir}, nil, cli.Connection{URL: "http://file:1", Key: "from-file"}},
		{"the environment", map[string]string{"XDG_CONFIG_HOME": dir, "BERTH_API_URL": "http://env:2", "BERTH_API_KEY": "from-env"}, nil, cli.Connection{URL: "http://env:2", Key: "from-env"}},
		{"an environment that ends with line breaks, as files and Secrets do",
			map[string]string{"BERTH_API_URL": "\uFEFFhttp://env:2\r\n", "BERTH_API_KEY": "from-env\n"}, nil,
			cli.Connection{URL: "http://env:2", Key: "from-env"}},
		{"flags", map[string]string{"XDG_CONFIG_HOME": dir, "BERTH_API_URL": "http://env:2", "BERTH_API_KEY": "from-env"},
			[]string{"--api-url", "http://flag:3", "--api-key-file", keyFile}, cli.Connection{URL: "http://flag:3", Key: "from-key-file"}},
		{"a URL with the path of the API, as other servers want it", map[string]string{"BERTH_API_URL": "http://env:2/api/v1/"}, nil, cli.Connection{URL: "http://env:2"}},
		{"a file that is named", map[string]string{"BERTH_CONFIG": path}, nil, cli.Connection{URL: "http://file:1", Key: "from-file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			app, _, stderr := newApp(test.env)
			var got cli.Connection
			cmd := &cobra.Command{
				Use:  "x",
				RunE: func(cmd *cobra.Command, _ []string) (err error) { got, err = app.Connection(cmd); return err },
			}
			cli.ClientFlags(cmd)
			if code := app.Execute(t.Context(), cmd, test.args); code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestEveryFlagHasAnEnvironmentVariable(t *testing.T) {
	type values struct {
		count         int
		lines, commas []string
		attempt, port string
	}
	run := func(env map[string]string) (got values, code int) {
		app, _, _ := newApp(env)
		cmd := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return nil }}
		cmd.Flags().IntVar(&got.count, "some-count", 0, "")
		cmd.Flags().StringArrayVar(&got.lines, "line", nil, "")
		cmd.Flags().StringSliceVar(&got.commas, "comma", nil, "")
		cmd.Flags().StringVar(&got.attempt, "attempt", "", "")
		cmd.Flags().StringVar(&got.port, "port", "", "")
		cli.EnvPerLine(cmd, "line")
		code = app.Execute(t.Context(), cmd, nil)
		return got, code
	}
	got, code := run(map[string]string{
		"BERTH_SOME_COUNT": "7\n", "BERTH_LINE": "a=1,2\nb=3", "BERTH_COMMA": "x, y",
		"BERTH_ATTEMPT": "3", "BERTH_PORT": "tcp://10.0.0.1:4200",
	})
	if want := (values{count: 7, lines: []string{"a=1,2", "b=3"}, commas: []string{"x", "y"}}); code != 0 ||
		fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf(
			"exit code %d, got %+v, want %+v: what a job is told of itself, and what Kubernetes says of a Service, are no settings",
			code, got, want)
	}
	if _, code := run(map[string]string{"BERTH_SOME_COUNT": "many"}); code != cli.ExitUsage {
		t.Errorf("a broken value: exit code %d, want 2", code)
	}
}

func TestErrorsArePrintedForPeopleAndBecomeExitCodes(t *testing.T) {
	detail, suggestion, line := "the template has errors", "did you mean image?", int32(2)
	placed := "/a: " + suggestion
	problem := func(status int) error {
		return &cli.ProblemError{
			Status: status,
			Problem: api.Problem{Title: "Template invalid", Detail: &detail, Errors: &[]api.Finding{
				{
					Pointer: "/a/b", Message: "imgae is not declared", Suggestion: &suggestion,
					Line: &line, Column: &line,
				}, {Pointer: "", Message: "too large"},
			}},
		}
	}
	for _, test := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{"a problem that is the user's", problem(422), 2, "error: the template has errors\n  /a/b:2:2: imgae is not declared (did you mean image?)\n  too large\n"},
		{"a problem that is the world's", problem(409), 1, "error: the template has errors\n  /a/b:2:2: imgae is not declared (did you mean image?)\n  too large\n"},
		{"no key", &cli.ProblemError{Status: 401, Problem: api.Problem{Title: "Unauthenticated"}}, 1,
			"error: Unauthenticated\n  sign in with berth login, or set an API key with BERTH_API_KEY, --api-key-file or api_key in the configuration file\n"},
		{"a problem that is its one finding", &cli.ProblemError{Status: 422, Problem: api.Problem{Title: "Invalid", Detail: &suggestion, Errors: &[]api.Finding{{Pointer: "/a", Message: suggestion}}}}, 2,
			"error: /a: did you mean image?\n"},
		{"a problem that is its one finding, with its place", &cli.ProblemError{Status: 422, Problem: api.Problem{Title: "Invalid", Detail: &placed, Errors: &[]api.Finding{{Pointer: "/a", Message: suggestion}}},
			Locate: func(string) string { return "berth.yaml:3" }}, 2, "error: berth.yaml:3: did you mean image?\n"},
		{"a problem that repeats its first finding", &cli.ProblemError{Status: 422, Problem: api.Problem{Title: "Invalid", Detail: &suggestion, Errors: &[]api.Finding{{Pointer: "/a", Message: suggestion}, {Pointer: "/b", Message: "no"}}}}, 2,
			"error: Invalid\n  /a: did you mean image?\n  /b: no\n"},
		{"not there", &cli.ProblemError{Status: 404, Problem: api.Problem{Title: "no such pool"}}, 2, "error: no such pool\n"},
		{"anything", errors.New("it broke"), 1, "error: it broke\n"},
		{"said already", &cli.SilentError{Code: 1}, 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			app, _, stderr := newApp(nil)
			cmd := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return test.err }}
			if code := app.Execute(t.Context(), cmd, nil); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if stderr.String() != test.want {
				t.Errorf("got %q, want %q", stderr, test.want)
			}
		})
	}
}

func TestWhatAnswersInsteadOfAServerIsToldFromOne(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"another web server", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") }, "not from a Berth server"},
		{"a proxy in front of nothing", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no backend", http.StatusBadGateway) }, "the server responded with 502 Bad Gateway: no backend"},
		{"JSON of something else", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			fmt.Fprint(w, "a,b")
		}, "this version of berth cannot read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			app, _, _ := newApp(nil)
			client, err := app.NewClient(cli.Connection{URL: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			_, err = cli.Value(client.GetInfoWithResponse(t.Context()))
			if err == nil || !strings.Contains(err.Error(), test.want) ||
				cli.ExitCode(err) != cli.ExitFailed {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestTheKeyIsSentAsABearerToken(t *testing.T) {
	var got string
	server := httptest.NewServer(
		http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }),
	)
	defer server.Close()
	app, _, _ := newApp(nil)
	client, err := app.NewClient(cli.Connection{URL: server.URL, Key: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetInfoWithResponse(t.Context()); err == nil {
		t.Error("an answer without a type was taken for an answer")
	}
	if got != "Bearer secret" {
		t.Errorf("got %q", got)
	}
}

func TestTablesAlignAndDocumentsKeepTheirNames(t *testing.T) {
	type item struct {
		Name string `json:"name"`
		Note string `json:"note"`
	}
	items := []item{{"a", "first\nline"}, {"longer", ""}}
	columns := []cli.Column[item]{
		{Title: "name", Cell: func(i item) string { return i.Name }},
		{Title: "note", Cell: func(i item) string { return i.Note }},
	}
	for format, want := range map[cli.Format]string{
		cli.Table: "NAME    NOTE\na       first line\nlonger  -\n",
		cli.YAML:  "items:\n  - name: a\n    note: |-\n      first\n      line\n  - name: longer\n    note: \"\"\n",
	} {
		app, stdout, _ := newApp(nil)
		if err := cli.PrintList(app, format, items, columns); err != nil {
			t.Fatal(err)
		}
		if stdout.String() != want {
			t.Errorf("%s: got\n%s\nwant\n%s", format, stdout, want)
		}
	}
	app, stdout, stderr := newApp(nil)
	if err := cli.PrintList(app, cli.JSON, []item{}, columns); err != nil {
		t.Fatal(err)
	}
	var empty struct{ Items []item }
	if err := json.Unmarshal(stdout.Bytes(), &empty); err != nil || empty.Items == nil {
		t.Errorf("no items are %q, want an empty list: %v", stdout, err)
	}
	if err := cli.PrintList(app, cli.Table, []item{}, columns); err != nil ||
		stderr.String() != "no items found\n" {
		t.Errorf("got %q, %v", stderr, err)
	}
}

func TestTimesAreToldRelativeToNow(t *testing.T) {
	app, _, _ := newApp(nil)
	for ago, want := range map[time.Duration]string{
		0: "0s ago", 8 * time.Second: "8s ago", 192 * time.Second: "3m12s ago", 65 * time.Minute: "1h5m ago", 26 * time.Hour: "1d2h ago",
		90 * 24 * time.Hour: "90d ago", -90 * time.Second: "in 1m30s",
	} {
		if got := app.Ago(now.Add(-ago)); got != want {
			t.Errorf("%s: got %q, want %q", ago, got, want)
		}
	}
}
