package prefect_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/cmd/berth/internal/prefect"
)

var update = flag.Bool("update", false, "write the golden files")

// answers are what a server of Prefect 3.9.1 answered, by path, without what is not read.
func answers(t *testing.T) map[string][]json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("testdata/server.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// server answers as recorded, page by page. It fails the test at any other request than one that reads.
func server(t *testing.T, all map[string][]json.RawMessage) *prefect.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/api")
		rows, known := all[path]
		if r.Method != http.MethodPost || !strings.HasSuffix(path, "/filter") {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		var page struct{ Limit, Offset int }
		if err := json.NewDecoder(r.Body).Decode(&page); err != nil {
			t.Error(err)
		}
		if !known {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		from := min(page.Offset, len(rows))
		if err := json.NewEncoder(w).Encode(rows[from:min(from+page.Limit, len(rows))]); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return &prefect.Client{URL: s.URL + "/api/"}
}

func imported(t *testing.T, client *prefect.Client) *prefect.Import {
	t.Helper()
	found, err := client.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made, err := prefect.Convert(found, "")
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestAServerOfPrefectIsImported(t *testing.T) {
	made := imported(t, server(t, answers(t)))
	files := maps.Clone(made.Files)
	files["report.txt"] = []byte(made.Text())
	for _, name := range slices.Sorted(maps.Keys(files)) {
		golden := filepath.Join("testdata", "made", filepath.FromSlash(name))
		if *update {
			if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, files[name], 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(files[name])); diff != "" {
			t.Errorf("%s (-want +got; -update writes it):\n%s", golden, diff)
		}
	}
	if made.Pools != 2 || made.Deployments != 2 || made.Schedules != 4 || made.Variables != 2 {
		t.Errorf("%+v", made)
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	all := answers(t)
	all["/variables/filter"] = nil
	for n := range 250 {
		all["/variables/filter"] = append(all["/variables/filter"], json.RawMessage(fmt.Sprintf(`{"name":"v%d","value":%d}`, n, n)))
	}
	if made := imported(t, server(t, all)); made.Variables != 250 {
		t.Errorf("%d of 250 variables", made.Variables)
	}
}

func TestWhatAnOlderServerDoesNotKnowIsSaid(t *testing.T) {
	all := answers(t)
	delete(all, "/automations/filter")
	if report := imported(t, server(t, all)).Text(); !strings.Contains(report, "server: could not read the automations") {
		t.Errorf("the report is\n%s", report)
	}
	delete(all, "/deployments/filter")
	if _, err := server(t, all).Read(t.Context()); err == nil || !strings.Contains(err.Error(), "is this the URL of Prefect's API?") {
		t.Errorf("without deployments: %v", err)
	}
}

// TestTheSameIsSaidOnce: an installation has thousands of deployments with the same note.
func TestTheSameIsSaidOnce(t *testing.T) {
	all := answers(t)
	all["/deployments/filter"] = nil
	for n := range 120 {
		all["/deployments/filter"] = append(all["/deployments/filter"], json.RawMessage(fmt.Sprintf(
			`{"name":"d%d","flow_id":"f","work_pool_name":"k8s","entrypoint":"flows.py:f","schedules":[]}`, n)))
	}
	made := imported(t, server(t, all))
	if n := strings.Count(made.Text(), "entrypoint"); made.Deployments != 120 || n != 1 || !strings.Contains(made.Text(), "d4 and 115 more: entrypoint") {
		t.Errorf("%d deployments, said %d times:\n%s", made.Deployments, n, made.Text())
	}
}

func TestNamesThatAreTakenGetNumbers(t *testing.T) {
	all := answers(t)
	all["/flows/filter"] = []json.RawMessage{json.RawMessage(`{"id":"1","name":"a"}`), json.RawMessage(`{"id":"2","name":"b"}`)}
	all["/deployments/filter"] = nil
	for _, d := range []string{`"x","flow_id":"1"`, `"x","flow_id":"2"`, `"a-x","flow_id":"2"`, `"y","flow_id":"1"`} {
		all["/deployments/filter"] = append(all["/deployments/filter"], json.RawMessage(`{"name":`+d+`,"work_pool_name":"local"}`))
	}
	text := string(imported(t, server(t, all)).Files[prefect.FileName])
	for _, name := range []string{"a-x", "b-x", "a-x-2", "y"} {
		if !strings.Contains(text, "- name: "+name+"\n") {
			t.Errorf("no deployment %s in\n%s", name, text)
		}
	}
}

func TestTheKeyGoesToTheServerAndNowhereElse(t *testing.T) {
	for name, c := range map[string]struct {
		client prefect.Client
		want   string
	}{
		"a key":      {prefect.Client{Key: "pnu_1"}, "Bearer pnu_1"},
		"a password": {prefect.Client{Basic: "ada:a:b"}, "Basic YWRhOmE6Yg=="},
		"neither":    {prefect.Client{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				t.Errorf("a redirect was followed to %s with %q", r.URL, r.Header.Get("Authorization"))
			}))
			defer elsewhere.Close()
			asked := false
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = true
				if got := r.Header.Get("Authorization"); got != c.want {
					t.Errorf("asked with %q, want %q", got, c.want)
				}
				http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			}))
			defer s.Close()
			c.client.URL = s.URL
			if _, err := c.client.Read(t.Context()); err == nil || !asked || !strings.Contains(err.Error(), "307") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnswersThatAreNotPrefects(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"no key":             {http.StatusUnauthorized, `{"detail":"Unauthorized"}`, "PREFECT_API_KEY"},
		"a page":             {http.StatusOK, "<html>", "not what Prefect answers"},
		"another document":   {http.StatusOK, `{"items":[]}`, "not what Prefect answers"},
		"a refusal":          {http.StatusUnprocessableEntity, `{"detail":"limit is too high"}`, "limit is too high"},
		"the page of the UI": {http.StatusNotFound, "", "It ends with /api"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}))
			defer s.Close()
			if _, err := (&prefect.Client{URL: s.URL}).Read(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for _, url := range []string{"", "localhost:4200", "ftp://x/api", "http://", "http://a b"} {
		if prefect.CheckURL(url) == nil {
			t.Errorf("%q is taken for a URL", url)
		}
	}
}
