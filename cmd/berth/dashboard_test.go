package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/charts/dashboard"
	"github.com/berth-dev/berth/internal/testenv"
)

// freeAddress is one that nothing listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// installed starts a server and a worker with a deployment of which a run has ended, and returns where their metrics are.
func installed(t *testing.T) (u user, server, worker string) {
	t.Helper()
	home := t.TempDir()
	s := start(t, user{home: home}.environ(), "server", "--listen", "127.0.0.1:0", "--auth", "none", "--data-dir", t.TempDir(),
		"--ensure-pool", "local=process")
	u = user{url: s.ready(t), home: home}
	worker = freeAddress(t)
	start(t, u.environ(), "worker", "start", "--pool", "local", "--metrics-listen", worker)
	u.ok(t, "deploy", "-f", write(t, t.TempDir(), "berth.yaml", `deployments:
- {name: etl, pool: local, job_variables: {command: [sh, -c, 'echo hello']}}
`))
	u.ok(t, "deployment", "run", "etl", "--watch")
	return u, strings.TrimPrefix(u.url, "http://"), worker
}

// TestEveryQueryOfTheDashboardsHasSeries in a Prometheus that scraped two installations, each with one run: none is empty, and
// with one installation selected none shows the other.
func TestEveryQueryOfTheDashboardsHasSeries(t *testing.T) {
	t.Parallel()
	binary := testenv.Program(t, "prometheus", "install Debian's package prometheus")
	var config strings.Builder
	config.WriteString("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n")
	var users []user
	for i, namespace := range []string{"one", "two"} {
		u, server, worker := installed(t)
		users = append(users, u)
		for pod, address := range map[string]string{"server": server, "worker": worker} {
			fmt.Fprintf(&config, "- job_name: %s-%s\n  static_configs: [{targets: [%q], labels: {cluster: c%d, namespace: %s, pod: %s-0}}]\n",
				namespace, pod, address, i, namespace, pod)
		}
	}
	dir := t.TempDir()
	p := &prometheusProcess{address: freeAddress(t)}
	p.start(t, binary, write(t, dir, "prometheus.yml", config.String()), filepath.Join(dir, "data"))
	// A rate needs a scrape before and one after what it counts.
	p.await(t, "count(berth_build_info) == 4")
	for _, u := range users {
		u.ok(t, "deployment", "run", "etl", "--watch")
	}
	p.await(t, `count(increase(berth_attempts_total{outcome="succeeded"}[1m]) > 0 and on (namespace) `+
		`increase(berth_worker_attempts_total{outcome="succeeded"}[1m]) > 0) == 2`)

	// What a run surely moves.
	busy := map[string]bool{
		"Dispatch: due → Job created": true, "Startup: Job created → running": true, "Recording: finished → recorded": true,
		"Claim": true, "Duration": true, "Template rendering": true, "Successful attempts": true,
	}
	var report strings.Builder
	for _, board := range dashboard.Boards() {
		for _, row := range board.Rows {
			for _, panel := range row.Panels {
				for _, q := range panel.Queries {
					both, first := p.query(t, q, ".*"), p.query(t, q, "one")
					fmt.Fprintf(&report, "%s / %s: %d series of two installations, %d of one\n", board.Title, panel.Title, len(both), len(first))
					if len(both) == 0 || len(first) == 0 {
						t.Errorf("%s / %s is empty: %s", board.Title, panel.Title, q.Expression())
					}
					if busy[panel.Title] && (len(both) != 2*len(first) || first[0]["namespace"] != "one") {
						t.Errorf("%s / %s shows nothing of the runs: %v", board.Title, panel.Title, both)
					}
					for _, series := range first {
						if n := series["namespace"]; n != "" && n != "one" {
							t.Errorf("%s / %s: namespace one shows a series of %s", board.Title, panel.Title, n)
						}
					}
				}
			}
		}
	}
	t.Log("\n" + report.String())
}

type prometheusProcess struct{ address string }

func (p *prometheusProcess) start(t *testing.T, binary, config, data string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "--config.file="+config, "--storage.tsdb.path="+data, "--web.listen-address="+p.address)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it says that it was killed
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("prometheus:\n%s", text)
		}
	})
}

// await waits until a query has a result.
func (p *prometheusProcess) await(t *testing.T, query string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		series, err := p.ask(query)
		if err == nil && len(series) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no result of %s: %v", query, err)
		}
		<-time.After(100 * time.Millisecond) // between two questions
	}
}

// query is what Grafana asks for a panel.
func (p *prometheusProcess) query(t *testing.T, q dashboard.Query, namespace string) []map[string]string {
	t.Helper()
	expr := strings.NewReplacer("$cluster", ".*", "$namespace", namespace, "$pool", ".*", "$deployment", ".*",
		"$__rate_interval", "1m", "$__range", "5m").Replace(q.Expression())
	series, err := p.ask(expr)
	if err != nil {
		t.Errorf("%s: %v", expr, err)
	}
	return series
}

func (p *prometheusProcess) ask(query string) ([]map[string]string, error) {
	response, err := http.Get("http://" + p.address + "/api/v1/query?query=" + url.QueryEscape(query)) //nolint:gosec // ours
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s", answer.Error)
	}
	series := make([]map[string]string, len(answer.Data.Result))
	for i, r := range answer.Data.Result {
		series[i] = r.Metric
	}
	return series, nil
}
