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

// scenarioTest is one scenario while it runs.
type scenarioTest struct {
	*hosted
	scenario
	t           *testing.T
	id          string   // run ID
	first       *process // the worker that is started before the run
	kubeProxy   *proxy   // of the first worker
	serverProxy *proxy
	moreFlags   []string // further flags of workers, which prepare may add
	config      string   // kubeconfig of the first worker
	census      *census
	others      []string // further runs
	node        string   // node created for the scenario
	back        func()   // brings back what prepare took away
}

// tableTemplate is the template that every scenario overlays.
const tableTemplate = `
variables:
  type: object
  properties:
    script: {type: string}
    memory: {type: integer, default: 32, minimum: 16}
    namespace: {type: string}
    node: {type: string}
    priority: {type: string}
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

func TestWorkerSurvivesEveryFault(t *testing.T) {
	c := connect(t)
	tally := &summary{rows: map[string]string{}}
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

func (s scenario) perform(t *testing.T, c *cluster, tally *summary) {
	began := time.Now()
	p := &scenarioTest{scenario: s, t: t, hosted: startBare(t, c, s.labels)}
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
	r := p.assertOutcome()
	p.record(r)
	pods, _ := p.census.all()
	tally.add(
		s.name,
		fmt.Sprintf("%-9s  %-18s  %2d pods  %3d s", r.Run.State.Type, outcomesOf(r), pods,
			int(time.Since(began).Seconds())),
	)
}

// overlay merges one tree over another: mappings by key, lists by index; null deletes.
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

func unmarshalYAML(t *testing.T, text string) any {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return tree
}

func marshalYAML(t *testing.T, tree any) string {
	t.Helper()
	text, err := yaml.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// template is the scenario's base job template.
func (s scenario) template(t *testing.T) string {
	tree := unmarshalYAML(t, tableTemplate)
	within := func(text string, keys ...string) {
		if text == "" {
			return
		}
		layer := unmarshalYAML(t, text)
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
	within(s.metadata, "job_configuration", "job_manifest", "metadata")
	within(s.spec, "job_configuration", "job_manifest", "spec")
	within(s.pod, "job_configuration", "job_manifest", "spec", "template", "spec")
	within(s.container, "job_configuration", "job_manifest", "spec", "template", "spec", "containers", "[]")
	return marshalYAML(t, tree)
}

func (s scenario) deploymentFile(t *testing.T) string {
	variables := map[string]any{"script": s.script}
	maps.Copy(variables, s.variables)
	deployment := any(map[string]any{"name": "play", "pool": "hosted", "job_variables": variables})
	if s.deployment != "" {
		deployment = overlay(deployment, unmarshalYAML(t, s.deployment))
	}
	return marshalYAML(t, map[string]any{"deployments": []any{deployment}})
}

// proxies starts the proxies that the scenario asks for.
func (p *scenarioTest) proxies() {
	if p.kube {
		p.kubeProxy, p.config = p.apiProxy(p.t)
	}
	if p.scenario.server {
		p.serverProxy = newProxy(p.t, p.url, nil)
	}
}

// worker starts a worker; the one named "first" goes through the proxies.
func (p *scenarioTest) worker(name string) *process {
	p.t.Helper()
	url, kubeconfig := p.url, p.kubeconfig
	if name == "first" {
		kubeconfig = p.config
		if p.serverProxy != nil {
			url = p.serverProxy.url
		}
	}
	args := append(
		[]string{
			"worker", "start", "--pool", p.pool, "--type", "kubernetes", "--name", name, "--kubeconfig",
			kubeconfig, "--namespace", p.jobs, "--metrics-listen", "127.0.0.1:0",
			"--log-level", "debug",
		},
		slices.Concat(p.flags, p.moreFlags)...)
	if !p.identify {
		args = append(args, "--cluster-id", "e2e")
	}
	w, _ := startProcess(p.t, []string{"BERTH_API_URL=" + url}, args...)
	return w
}

// currentRun returns the run as the server shows it now.
func (p *scenarioTest) currentRun() run { return p.show(p.t, p.id) }

// awaitRun waits until the run satisfies wanted.
func (p *scenarioTest) awaitRun(what string, wanted func(r run) bool) run {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 150*time.Second)
	defer cancel()
	var r run
	err := poll(ctx, func() (bool, error) {
		r = p.currentRun()
		return wanted(r), nil
	})
	if err != nil {
		p.t.Fatalf("waiting for %s: %v; the run is %+v", what, err, r)
	}
	return r
}

// awaitDiagnosis waits until a message or diagnosis of the run contains words.
func (p *scenarioTest) awaitDiagnosis(words string) {
	p.t.Helper()
	r := p.awaitRun("the run to report "+words,
		func(r run) bool { return strings.Contains(messagesOf(r), words) })
	last := r.Attempts[len(r.Attempts)-1]
	p.writeRecording(
		last.Number,
		" waits",
		map[string]any{
			"phase":     map[bool]string{true: "pending", false: "running"}[r.Run.State.Type == "PENDING"],
			"diagnosis": words,
		},
	)
}

// messagesOf returns every message and diagnosis of the run and its attempts.
func messagesOf(r run) string {
	text := r.Run.State.Message
	for _, a := range r.Attempts {
		text += "\n" + a.Diagnosis + "\n" + a.Message
	}
	return text
}

func hasEnded(r run) bool {
	return slices.Contains([]string{"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}, r.Run.State.Type)
}

// outcomesOf lists the categories of the attempts in order; "ok" for success.
func outcomesOf(r run) string {
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

// assertOutcome checks the outcome that the scenario expects, and that nothing is left in the cluster.
func (p *scenarioTest) assertOutcome() run {
	p.t.Helper()
	r := p.awaitRun("the end of the run", hasEnded)
	if r.Run.State.Type != p.state || outcomesOf(r) != p.ends {
		p.t.Errorf("the run is %s and its attempts ended as %q, want %s and %q; it says:\n%s",
			r.Run.State.Type, outcomesOf(r), p.state, p.ends, messagesOf(r))
	}
	if !strings.Contains(messagesOf(r), p.says) {
		p.t.Errorf("the run does not say %q:\n%s", p.says, messagesOf(r))
	}
	p.recordedOnce(p.t, p.id)
	p.logsHave(p.t, p.id, p.logs...)
	for _, id := range append(p.others, p.id) {
		p.assertNothingLeft(id)
	}
	pods, twice := p.census.all()
	if pods != p.pods || (len(twice) > 0 && !p.resumed && !p.many) {
		p.t.Errorf("there were %d pods, want %d; %v", pods, p.pods, twice)
	}
	return r
}

func (p *scenarioTest) assertNothingLeft(id string) {
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
		p.t.Errorf("run %s left something behind: %s (%v)", id, left, err)
	}
}

// summary collects the outcome of each scenario.
type summary struct {
	mu   sync.Mutex
	rows map[string]string
}

func (y *summary) add(name, line string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.rows[name] = line
}

// marshalYAML prints the table of what came of each row; E2E_TABLE names a file for it.
func (y *summary) print(t *testing.T) {
	y.mu.Lock()
	defer y.mu.Unlock()
	var text strings.Builder
	for _, name := range requiredScenarios() {
		if line, ok := y.rows[name]; ok {
			fmt.Fprintf(&text, "%-62s %s\n", name, line)
		}
	}
	t.Logf("outcomes of the scenarios that ended:\n%s", text.String())
	if path := os.Getenv("E2E_TABLE"); path != "" {
		writeFile(t, path, text.String())
	}
}
