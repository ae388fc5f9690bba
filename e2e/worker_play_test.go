package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// play is one scenario on its way.
type play struct {
	*hosted
	scenario
	t       *testing.T
	id      string   // of the run
	first   *process // the worker that is there from the start
	toKube  *proxy   // of the first worker
	toBerth *proxy
	more    []string // further flags of workers, which prepare may add
	config  string   // the kubeconfig of the first worker
	census  *census
	others  []string // further runs
	node    string   // that was made for the scenario
}

// tableTemplate is what every scenario lays its own over.
const tableTemplate = `
variables:
  type: object
  properties:
    script: {type: string}
    memory: {type: integer, default: 32, minimum: 16}
    namespace: {type: string}
  required: [script]
job_configuration:
  namespace: "{{ namespace }}"
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          terminationGracePeriodSeconds: 1
          automountServiceAccountToken: false
          securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
          containers:
          - name: job
            image: "busybox:1.36"
            command: [sh, -c, "{{ script }}"]
            securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

func TestTheWorkerWhateverBreaks(t *testing.T) {
	c := connect(t)
	tally := &tally{rows: map[string]string{}}
	t.Cleanup(func() { tally.print(t) })
	t.Run("alone", func(t *testing.T) { // before the others begin
		for _, s := range scenarios() {
			if s.alone {
				t.Run(s.name, func(t *testing.T) { s.perform(t, c, tally) })
			}
		}
	})
	for _, s := range scenarios() {
		if !s.alone {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.perform(t, c, tally)
			})
		}
	}
}

func (s scenario) perform(t *testing.T, c *cluster, tally *tally) {
	began := time.Now()
	p := &play{scenario: s, t: t, hosted: startBare(t, c, s.labels)}
	p.census = c.count(t, p.jobs)
	p.config = c.kubeconfig
	p.write(t, "template.yaml", s.template(t))
	p.ok(t, "pool", "create", p.pool, "--type", "kubernetes", "--template", "template.yaml")
	p.proxies()
	if s.prepare != nil {
		s.prepare(p) // may change the scenario
	}
	if !s.idle {
		p.first = p.worker("first")
	}
	p.write(t, "deployment.yaml", p.deploymentFile(t))
	p.ok(t, "deploy", "-f", "deployment.yaml")
	p.id = p.start(t, "play")
	if p.act != nil {
		p.act(p)
	}
	r := p.judge()
	p.record(r)
	pods, _ := p.census.all()
	tally.add(s.name, fmt.Sprintf("%-9s  %-18s  %2d pods  %3d s", r.Run.State.Type, ended(r), pods, int(time.Since(began).Seconds())))
}

// overlay lays one tree over another: mappings key by key, lists item by item, null takes away.
func overlay(under, over any) any {
	switch over := over.(type) {
	case map[string]any:
		result, ok := under.(map[string]any)
		if !ok {
			result = map[string]any{}
		}
		result = maps.Clone(result)
		for key, value := range over {
			if value == nil {
				delete(result, key)
				continue
			}
			result[key] = overlay(result[key], value)
		}
		return result
	case []any:
		result, _ := under.([]any)
		result = slices.Clone(result)
		for i, item := range over {
			if i < len(result) {
				result[i] = overlay(result[i], item)
			} else {
				result = append(result, item)
			}
		}
		return result
	}
	return over
}

func parse(t *testing.T, text string) any {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return tree
}

func print(t *testing.T, tree any) string {
	t.Helper()
	text, err := yaml.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// template is the scenario's base job template.
func (s scenario) template(t *testing.T) string {
	tree := parse(t, tableTemplate)
	within := func(text string, keys ...string) {
		if text == "" {
			return
		}
		layer := parse(t, text)
		for _, key := range slices.Backward(keys) {
			if key == "[]" {
				layer = []any{layer}
				continue
			}
			layer = map[string]any{key: layer}
		}
		tree = overlay(tree, layer)
	}
	within(s.config, "job_configuration")
	within(s.spec, "job_configuration", "job_manifest", "spec")
	within(s.pod, "job_configuration", "job_manifest", "spec", "template", "spec")
	within(s.container, "job_configuration", "job_manifest", "spec", "template", "spec", "containers", "[]")
	return print(t, tree)
}

func (s scenario) deploymentFile(t *testing.T) string {
	deployment := any(map[string]any{"name": "play", "pool": "hosted", "job_variables": map[string]any{"script": s.script}})
	if s.deployment != "" {
		deployment = overlay(deployment, parse(t, s.deployment))
	}
	return print(t, map[string]any{"deployments": []any{deployment}})
}

// proxies puts proxies where the scenario wants them.
func (p *play) proxies() {
	if p.kube {
		p.toKube, p.config = p.apiProxy(p.t)
	}
	if p.scenario.server {
		p.toBerth = newProxy(p.t, p.url, nil)
	}
}

// worker starts a worker; the one called first goes through the proxies.
func (p *play) worker(name string) *process {
	p.t.Helper()
	url, kubeconfig := p.url, p.kubeconfig
	if name == "first" {
		kubeconfig = p.config
		if p.toBerth != nil {
			url = p.toBerth.url
		}
	}
	args := append([]string{"worker", "start", "--pool", p.pool, "--type", "kubernetes", "--name", name, "--kubeconfig", kubeconfig,
		"--namespace", p.jobs, "--cluster-id", "e2e", "--metrics-listen", "127.0.0.1:0", "--log-level", "debug"}, slices.Concat(p.flags, p.more)...)
	w, _ := startProcess(p.t, []string{"BERTH_API_URL=" + url}, args...)
	return w
}

// now is the run as it is.
func (p *play) now() run { return p.show(p.t, p.id) }

// until waits until the run is as wanted.
func (p *play) until(what string, wanted func(r run) bool) run {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 150*time.Second)
	defer cancel()
	var r run
	err := poll(ctx, func() (bool, error) {
		r = p.now()
		return wanted(r), nil
	})
	if err != nil {
		p.t.Fatalf("waiting for %s: %v; the run is %+v", what, err, r)
	}
	return r
}

// waits waits until an attempt says that it waits for this.
func (p *play) waits(words string) {
	p.t.Helper()
	r := p.until("the run to say "+words, func(r run) bool { return strings.Contains(said(r), words) })
	last := r.Attempts[len(r.Attempts)-1]
	p.keep(last.Number, " waits", map[string]any{"phase": map[bool]string{true: "pending", false: "running"}[r.Run.State.Type == "PENDING"], "diagnosis": words})
}

// said is all that the run and its attempts say.
func said(r run) string {
	text := r.Run.State.Message
	for _, a := range r.Attempts {
		text += "\n" + a.Diagnosis + "\n" + a.Message
	}
	return text
}

func over(r run) bool {
	return slices.Contains([]string{"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}, r.Run.State.Type)
}

// ended is how the attempts ended, in their order.
func ended(r run) string {
	var ends []string
	for _, a := range r.Attempts {
		end := a.Category
		if end == "" && a.EndedAt != "" {
			end = "ok"
		}
		ends = append(ends, end)
	}
	return strings.Join(ends, " ")
}

// judge demands what must come of the scenario, and that nothing is left of it.
func (p *play) judge() run {
	p.t.Helper()
	r := p.until("the end of the run", over)
	if r.Run.State.Type != p.state || ended(r) != p.ends {
		p.t.Errorf("the run is %s and its attempts ended as %q, want %s and %q; it says:\n%s", r.Run.State.Type, ended(r), p.state, p.ends, said(r))
	}
	if !strings.Contains(said(r), p.says) {
		p.t.Errorf("the run does not say %q:\n%s", p.says, said(r))
	}
	p.recordedOnce(p.t, p.id)
	p.logsHave(p.t, p.id, p.logs...)
	for _, id := range append(p.others, p.id) {
		p.nothingHeld(id)
	}
	pods, twice := p.census.all()
	if pods != p.pods || (len(twice) > 0 && !p.resumed) {
		p.t.Errorf("there were %d pods, want %d; %v", pods, p.pods, twice)
	}
	return r
}

func (p *play) nothingHeld(id string) {
	p.t.Helper()
	left := ""
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		var err error
		left, err = p.held(ctx, p.jobs, id)
		return left == "", err
	})
	if err != nil {
		p.t.Errorf("something is left of run %s: %s (%v)", id, left, err)
	}
}

// tally collects what came of the rows.
type tally struct {
	mu   sync.Mutex
	rows map[string]string
}

func (y *tally) add(name, line string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.rows[name] = line
}

// print prints the table of what came of each row; E2E_TABLE names a file for it.
func (y *tally) print(t *testing.T) {
	y.mu.Lock()
	defer y.mu.Unlock()
	var text strings.Builder
	for _, name := range required() {
		if line, ok := y.rows[name]; ok {
			fmt.Fprintf(&text, "%-62s %s\n", name, line)
		}
	}
	t.Logf("what came of the rows that ended:\n%s", text.String())
	if path := os.Getenv("E2E_TABLE"); path != "" {
		writeFile(t, path, text.String())
	}
}
