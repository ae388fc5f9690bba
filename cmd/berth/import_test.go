package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// prefectServer answers every list of Prefect's API with a few rows, or with none.
func prefectServer(t *testing.T, rows map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := rows[strings.TrimPrefix(r.URL.Path, "/api/")]
		if !ok {
			text = "[]"
		}
		if r.Header.Get("Authorization") != "Bearer pnu_1" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/api"
}

func TestImportWritesWhatDeployReads(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	url := prefectServer(t, map[string]string{
		"work_pools/filter": `[{"name":"jobs","type":"process"},{"name":"cloud","type":"ecs"}]`,
		"flows/filter":      `[{"id":"1","name":"etl"}]`,
		"deployments/filter": `[{"name":"nightly","flow_id":"1","work_pool_name":"jobs","job_variables":{"command":"echo moin"},
			"schedules":[{"schedule":{"cron":"@daily"},"active":true}]}]`,
		"variables/filter": `[{"name":"team","value":"data"}]`,
	})
	dir := filepath.Join(t.TempDir(), "made")
	env := []string{"PREFECT_API_KEY=pnu_1", "PREFECT_API_URL=" + url}
	r := u.runEnv(t, "", env, "import", "prefect", "--out", dir)
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	file := filepath.Join(dir, "berth.yaml")
	demand(t, "import", r.stdout, "wrote "+file, "imported 1 work pool, 1 deployment, 1 schedule, 1 variable",
		"left out:\n- pool cloud: Berth has no workers for pools of type ecs", "next: ", "berth deploy --dry-run -f "+file)
	report, err := os.ReadFile(filepath.Join(dir, "report.txt"))
	if err != nil || !strings.Contains(string(report), "- pool cloud: ") {
		t.Errorf("the report is %q: %v", report, err)
	}
	u.ok(t, "deploy", "-f", file, "--yes")
	demand(t, "schedule ls", u.ok(t, "schedule", "ls", "nightly"), "every day at 00:00 UTC")

	// What is there stays, all of it.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	r = u.runEnv(t, "", env, "import", "prefect", "--out", dir)
	if _, err := os.Stat(file); r.code != 2 || !strings.Contains(r.stderr, "--force") || err == nil {
		t.Errorf("over a file that is there: exit code %d, %v\n%s", r.code, err, r.stderr)
	}
	r = u.runEnv(t, "", env, "import", "prefect", "--out", dir, "--force", "--project", "sales", "-o", "json")
	var s struct {
		Files  []string
		Pools  int
		Report []struct {
			Kind  string
			Names []string
			Left  bool
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil || s.Pools != 1 || len(s.Files) != 2 || len(s.Report) != 1 || !s.Report[0].Left {
		t.Errorf("%+v, %v\n%s%s", s, err, r.stdout, r.stderr)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "project: sales\n") {
		t.Errorf("wrote %q: %v", text, err)
	}
}

func TestImportSaysWhichServerAndKeyItNeeds(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := filepath.Join(t.TempDir(), "made")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no URL":         {nil, 2, "--prefect-url URL, or PREFECT_API_URL"},
		"no URL of ours": {[]string{"--prefect-url", "localhost:4200"}, 2, "such as http://127.0.0.1:4200/api"},
		"no key":         {[]string{"--prefect-url", prefectServer(t, nil)}, 1, "PREFECT_API_KEY"},
		"nobody there":   {[]string{"--prefect-url", "http://127.0.0.1:1/api"}, 1, "reach the Prefect server"},
	} {
		t.Run(name, func(t *testing.T) {
			r := u.run(t, append([]string{"import", "prefect", "--out", dir}, c.args...)...)
			if r.code != c.code || !strings.Contains(r.stderr, c.want) {
				t.Errorf("exit code %d, want %d and %q\n%s", r.code, c.code, c.want, r.stderr)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("something was written")
			}
		})
	}
}
