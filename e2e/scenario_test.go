package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// site is one running installation as the scenarios see it.
type site struct {
	*cluster
	cli
	jobs string // the namespace that Jobs run in
	pool string
}

// run as `berth run get -o json` prints it.
type run struct {
	Run struct {
		ID, Name string
		Attempt  int
		ExitCode *int   `json:"exit_code"`
		Category string `json:"category"`
		State    struct{ Type, Name, Message string }
	}
	Attempts []struct {
		Number    int
		Worker    string
		Category  string
		EndedAt   string `json:"ended_at"`
		JobName   string `json:"job_name"`
		JobUID    string `json:"job_uid"`
		Diagnosis string
		Message   string
		Indexes   struct {
			Total            int
			SucceededIndexes string `json:"succeeded_indexes"`
			FailedIndexes    string `json:"failed_indexes"`
		}
	}
}

// event of a run's history, as the API has it.
type event struct {
	Seq   int
	State struct{ Type, Name string }
}

// lightTemplate uses every kind of leaf once: typed (grace), partial (memory), without a value
// (priority_class), and a sprig expression (team).
const lightTemplate = `
variables:
  type: object
  properties:
    image: {type: string, default: "busybox:1.36"}
    command: {type: array, items: {type: string}}
    grace: {type: integer, default: 1}
    memory: {type: integer, default: 32, minimum: 16}
    priority_class: {type: string}
    team: {type: string, default: Data Platform}
  required: [command]
job_configuration:
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    metadata:
      labels:
        team: '{{ .team | lower | replace " " "-" }}'
    spec:
      template:
        spec:
          terminationGracePeriodSeconds: "{{ grace }}"
          priorityClassName: "{{ priority_class }}"
          automountServiceAccountToken: false
          securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
          containers:
          - name: job
            image: "{{ image }}"
            command: "{{ command }}"
            resources: {requests: {memory: "{{ memory }}Mi"}, limits: {memory: "{{ memory }}Mi"}}
            securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// createPool makes a pool with the template of the scenarios.
func (s site) createPool(t testing.TB) {
	t.Helper()
	s.write(t, "template.yaml", lightTemplate)
	s.ok(t, "pool", "create", s.pool, "--type", "kubernetes", "--template", "template.yaml")
}

// deploy deploys one deployment that runs the shell script, with more fields as YAML.
func (s site) deploy(t testing.TB, name, script string, more ...string) {
	t.Helper()
	lines := []string{
		"deployments:",
		"- name: " + name,
		"  pool: " + s.pool,
		"  job_variables:",
		"    command: [sh, -c, " + quote(t, script) + "]",
	}
	s.write(t, name+".yaml", strings.Join(append(lines, more...), "\n")+"\n")
	s.ok(t, "deploy", "-f", name+".yaml")
}

// start creates a run and returns its id.
func (s site) start(t testing.TB, deployment string, args ...string) string {
	t.Helper()
	var created struct{ ID string }
	s.get(t, &created, append([]string{"deployment", "run", deployment}, args...)...)
	if created.ID == "" {
		t.Fatalf("berth deployment run %s printed no id", deployment)
	}
	return created.ID
}

// end waits for the run's end and demands the state.
func (s site) end(t testing.TB, id, want string) run {
	t.Helper()
	watched := s.cli.run(t, "run", "watch", id)
	r := s.show(t, id)
	if r.Run.State.Type != want {
		t.Fatalf("run %s is %s (%s: %s), want %s\n%s", id, r.Run.State.Type, r.Run.State.Name,
			r.Run.State.Message, want, watched)
	}
	if wantCode := map[bool]int{true: 0, false: 1}[want == "COMPLETED"]; watched.code != wantCode {
		t.Errorf("watching a run that ended %s: exit code %d, want %d\n%s", want, watched.code, wantCode,
			watched)
	}
	return r
}

func (s site) show(t testing.TB, id string) run {
	t.Helper()
	var r run
	s.get(t, &r, "run", "get", id)
	return r
}

// recordedOnce demands that the run's history holds exactly one end.
func (s site) recordedOnce(t testing.TB, id string) {
	t.Helper()
	var history struct{ Items []event }
	s.fetch(t, &history, "/api/v1/runs/"+id+"/events?limit=500")
	ends := 0
	for i, e := range history.Items {
		if want := len(history.Items) - i; e.Seq != want {
			t.Errorf("event %d of run %s has number %d", want, id, e.Seq)
		}
		switch e.State.Type {
		case "COMPLETED", "FAILED", "CRASHED", "CANCELLED":
			ends++
		}
	}
	if ends != 1 {
		t.Errorf("run %s has %d ends in its history, want 1: %+v", id, ends, history.Items)
	}
}

// logsHave waits until the run's output holds the texts: an outcome never waits for output, so that may come
// later. A text that the node itself has lost is excused, see nodeLost.
func (s site) logsHave(t testing.TB, id string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		eventually(t, fmt.Sprintf("%q in the logs of run %s", text, id), func() (bool, error) {
			if strings.Contains(s.ok(t, "run", "logs", id), text) {
				return true, nil
			}
			lost, err := s.nodeLost(t, id, text)
			switch {
			case err != nil: // the API server restarts in some scenarios: ask again
				t.Logf("asking the node for the output of run %s: %v", id, err)
			case lost:
				t.Logf("the node lost %q of run %s", text, id)
			}
			return lost, nil
		})
	}
}

// nodeLost reports whether every container of the run has ended, the node still has the log of each, and none
// holds the text. A containerd of release 1.6 may close the pipe of a container that exits while it still
// writes, even of one that wrote a single line: then there is nothing that Berth could have read.
func (s site) nodeLost(t testing.TB, id, text string) (bool, error) {
	pods, err := s.client.CoreV1().Pods(s.jobs).
		List(t.Context(), metav1.ListOptions{LabelSelector: "berth.dev/run-id=" + id})
	if err != nil {
		return false, err
	}
	for _, pod := range pods.Items {
		if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			return false, nil
		}
		for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			options := &corev1.PodLogOptions{Container: container.Name}
			log, err := s.client.CoreV1().Pods(s.jobs).GetLogs(pod.Name, options).DoRaw(t.Context())
			if err != nil {
				return false, err
			}
			if strings.Contains(string(log), text) {
				return false, nil
			}
		}
	}
	return len(pods.Items) > 0, nil
}

// onePod demands that the run has had exactly one Job and one pod.
func (s site) onePod(t testing.TB, id string) {
	t.Helper()
	if jobs := s.cluster.jobs(t, s.jobs, id); len(jobs) != 1 {
		t.Errorf("run %s has %d Jobs, want 1", id, len(jobs))
	}
	if pods := s.cluster.pods(t, s.jobs, id); len(pods) != 1 {
		t.Errorf("run %s has %d pods, want 1", id, len(pods))
	}
}

// firstLight is the path that everything else is built on.
func firstLight(t testing.TB, s site) {
	const script = `echo "parameters: $BERTH_PARAMETERS"; env | grep ^BERTH_ | sort`
	s.deploy(t, "light", script, "  parameters: {greeting: hello}")
	watched := s.cli.run(t, "deployment", "run", "light", "--param", "greeting=bonjour", "--watch")
	if watched.code != 0 {
		t.Fatalf("exit code %d\n%s", watched.code, watched)
	}
	t.Logf("berth deployment run light --param greeting=bonjour --watch\n%s%s", watched.stdout,
		watched.stderr)
	contains(t, "--watch", watched.stdout+watched.stderr, "COMPLETED", `parameters: {"greeting":"bonjour"}`)

	var runs struct{ Items []struct{ ID string } }
	s.get(t, &runs, "run", "ls", "--deployment", "light")
	if len(runs.Items) != 1 {
		t.Fatalf("run ls shows %d runs, want 1", len(runs.Items))
	}
	id := runs.Items[0].ID
	r := s.show(t, id)

	s.logsHave(t, id, `parameters: {"greeting":"bonjour"}`, "BERTH_RUN_ID="+id, "BERTH_RUN_NAME="+r.Run.Name,
		"BERTH_ATTEMPT=1", "BERTH_DEPLOYMENT=light", "BERTH_WORK_POOL="+s.pool)
	s.manifestIsWhatRan(t, id)
	s.recordedOnce(t, id)
	s.onePod(t, id)
}

// manifestIsWhatRan compares `berth run manifest` with the Job in the cluster, leaf kinds first.
func (s site) manifestIsWhatRan(t testing.TB, id string) {
	t.Helper()
	text := s.ok(t, "run", "manifest", id)
	var manifest struct {
		Metadata struct {
			Name   string
			Labels map[string]string
		}
		Spec struct{ Template struct{ Spec map[string]any } }
	}
	if err := yaml.Unmarshal([]byte(text), &manifest); err != nil {
		t.Fatalf("run manifest: %v\n%s", err, text)
	}
	pod := manifest.Spec.Template.Spec
	if grace, ok := pod["terminationGracePeriodSeconds"].(float64); !ok || grace != 1 {
		t.Errorf("a typed placeholder became %#v, want the number 1", pod["terminationGracePeriodSeconds"])
	}
	if v, there := pod["priorityClassName"]; there {
		t.Errorf("a placeholder without a value left its key with %#v", v)
	}
	contains(t, "run manifest", text, "memory: 32Mi", "team: data-platform")
	jobs := s.cluster.jobs(t, s.jobs, id)
	if len(jobs) != 1 || jobs[0].Name != manifest.Metadata.Name {
		t.Fatalf("the cluster has %d Jobs of the run; the manifest is named %s", len(jobs),
			manifest.Metadata.Name)
	}
	for key, value := range manifest.Metadata.Labels {
		if jobs[0].Labels[key] != value {
			t.Errorf("label %s is %q in the cluster and %q in the manifest", key, jobs[0].Labels[key], value)
		}
	}
}

func exitCodeIsKept(t testing.TB, s site) {
	s.deploy(t, "three", "echo about to fail; exit 3")
	r := s.end(t, s.start(t, "three"), "FAILED")
	if r.Run.ExitCode == nil || *r.Run.ExitCode != 3 || r.Run.Category != "app" {
		t.Errorf("exit code %v, category %q, want 3 and app", r.Run.ExitCode, r.Run.Category)
	}
}

func missingImageIsSaidWhileItWaits(t testing.TB, s site) {
	s.deploy(t, "imageless", "true")
	id := s.start(t, "imageless", "--job-variable", "image=registry.invalid/no/such:image")
	eventually(t, "the run to say that its image can not be had", func() (bool, error) {
		r := s.show(t, id)
		text := r.Run.State.Name + r.Run.State.Message
		for _, a := range r.Attempts {
			text += a.Diagnosis
		}
		return r.Run.State.Type == "PENDING" && strings.Contains(text, "registry.invalid/no/such:image"), nil
	})
	contains(t, "run explain", s.ok(t, "run", "explain", id), "registry.invalid/no/such:image")
	s.ok(t, "run", "cancel", id)
	s.end(t, id, "CANCELLED")
	eventually(t, "the cancelled run's pods to go",
		func() (bool, error) { return len(s.cluster.pods(t, s.jobs, id)) == 0, nil })
}

func impossibleTemplateIsRefused(t testing.TB, s site) {
	before := s.templateVersions(t)
	s.write(t, "broken.yaml",
		strings.Replace(lightTemplate, "command: \"{{ command }}\"", "comand: \"{{ command }}\"", 1))
	out := s.cli.run(t, "pool", "template", "set", s.pool, "-f", "broken.yaml")
	if out.code != 2 {
		t.Errorf("exit code %d, want 2", out.code)
	}
	contains(t, "the refusal", out.stderr, "/job_configuration/job_manifest/spec/template/spec/containers/0",
		"comand")
	if after := s.templateVersions(t); after != before {
		t.Errorf("the pool has %d template versions after the refusal, and had %d", after, before)
	}
}

func (s site) templateVersions(t testing.TB) int {
	t.Helper()
	var versions struct{ Items []json.RawMessage }
	s.get(t, &versions, "pool", "template", "versions", s.pool)
	return len(versions.Items)
}

func quote(t testing.TB, text string) string {
	t.Helper()
	b, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
