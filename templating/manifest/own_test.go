package manifest_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// job wraps a pod spec, YAML flow style, into a whole template.
func job(configuration, spec, pod string) string {
	return "job_configuration:\n  job_manifest:\n    spec: {" + spec + "template: {spec: {" + pod + "}}}\n" + configuration
}

const oneContainer = "containers: [{name: main, image: 'busybox:1.36'}]"

func build(t *testing.T, source string) *manifest.Finished {
	t.Helper()
	finished, err := manifest.Build(render(t, source, nil), identity())
	if err != nil {
		t.Fatal(err)
	}
	return finished
}

func TestWhatIsBerthsAloneIsSetWhateverTheTemplateSays(t *testing.T) {
	f := build(t, `
job_configuration:
  env: {BERTH_RUN_ID: mine, KEEP: me}
  labels: {berth.dev/pool: mine, team: "a b"}
  job_manifest:
    metadata:
      name: chosen
      labels: {berth.dev/run-id: mine}
      annotations: {berth.dev/ttl: "5"}
      finalizers: [example.com/theirs]
      resourceVersion: "7"
    spec:
      backoffLimit: 4
      ttlSecondsAfterFinished: 600
      template:
        metadata: {labels: {berth.dev/attempt: "99"}}
        spec:
          containers:
          - {name: main, image: "busybox:1.36", env: [{name: BERTH_ATTEMPT, value: "9"}, {name: OWN, value: x}]}
          - {name: second, image: "busybox:1.36"}
          initContainers: [{name: first, image: "busybox:1.36"}]
`)
	j := f.Job
	if want := "chosen-33ybencwpcnl-2"; j.Name != want {
		t.Errorf("name %q, want %q", j.Name, want)
	}
	if diff := cmp.Diff([]string{"example.com/theirs", manifest.Finalizer}, j.Finalizers); diff != "" {
		t.Errorf("finalizers (-want +got):\n%s", diff)
	}
	pod := map[string]string{
		"berth.dev/attempt": "2", "berth.dev/installation": "0197b8f0-0000-7000-8000-000000000001",
		"berth.dev/run-id": "0197b8f0-1234-7abc-9def-0123456789ab", "team": "a-b",
	}
	if diff := cmp.Diff(pod, j.Spec.Template.Labels); diff != "" {
		t.Errorf("labels of pods (-want +got):\n%s", diff)
	}
	ofJob := map[string]string{
		"app.kubernetes.io/component": "run", "app.kubernetes.io/managed-by": "berth", "app.kubernetes.io/name": "berth-run",
		"berth.dev/deployment": "etl", "berth.dev/pool": "default",
	}
	maps.Copy(ofJob, pod)
	if diff := cmp.Diff(ofJob, j.Labels); diff != "" {
		t.Errorf("labels of the Job (-want +got):\n%s", diff)
	}
	if got := j.Annotations[manifest.AnnotationTTL]; got != "600" || j.Spec.TTLSecondsAfterFinished != nil {
		t.Errorf("ttl annotation %q, spec %v", got, j.Spec.TTLSecondsAfterFinished)
	}
	if *j.Spec.BackoffLimit != 0 || f.InfrastructureRetries == nil || *f.InfrastructureRetries != 4 {
		t.Errorf("backoffLimit %d, infrastructure retries %v", *j.Spec.BackoffLimit, f.InfrastructureRetries)
	}
	if j.ResourceVersion != "" || j.Annotations[manifest.AnnotationJobContainer] != "main" ||
		f.JobContainer != "main" {
		t.Errorf("resourceVersion %q, job container %q", j.ResourceVersion, f.JobContainer)
	}
	env := environ(j.Spec.Template.Spec.Containers[0].Env)
	want := map[string]string{
		"BERTH_RUN_ID": "0197b8f0-1234-7abc-9def-0123456789ab", "BERTH_RUN_NAME": "Étl: daily #4", "BERTH_ATTEMPT": "2", "BERTH_DEPLOYMENT": "etl",
		"BERTH_WORK_POOL": "default", "BERTH_PARAMETERS": `{"cost":"$(HOME) $$5"}`, "KEEP": "me", "OWN": "x",
		"TRACEPARENT":          "00-0197b8f012347abc9def0123456789ab-beefda703e413087-01",
		"BERTH_SCHEDULED_TIME": "2026-06-30T22:30:00Z", "BERTH_SCHEDULED_DATE": "2026-07-01", "BERTH_SCHEDULED_TIMEZONE": "Europe/Berlin",
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("environment after expansion (-want +got):\n%s", diff)
	}
	for _, c := range []corev1.Container{j.Spec.Template.Spec.Containers[1], j.Spec.Template.Spec.InitContainers[0]} {
		if got := environ(c.Env); len(got) != 10 || got["BERTH_ATTEMPT"] != "2" {
			t.Errorf("environment of %s: %v", c.Name, got)
		}
	}
}

func TestATemplateMayNameAnotherParentOfSpans(t *testing.T) {
	f := build(t, job("", "", "containers: [{name: main, image: 'busybox:1.36', env: [{name: TRACEPARENT, value: mine}]}]"))
	names := map[string]int{}
	for _, v := range f.Job.Spec.Template.Spec.Containers[0].Env {
		names[v.Name]++
	}
	if got := environ(f.Job.Spec.Template.Spec.Containers[0].Env)["TRACEPARENT"]; got != "mine" || names["TRACEPARENT"] != 1 {
		t.Errorf("TRACEPARENT is %q, %d times", got, names["TRACEPARENT"])
	}
}

// environ expands an environment as a kubelet does.
func environ(vars []corev1.EnvVar) map[string]string {
	env := map[string]string{}
	for _, v := range vars {
		env[v.Name] = manifest.Expand(v.Value,
			func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	}
	return env
}

func TestShapeOfTheJob(t *testing.T) {
	var (
		never  = corev1.RestartPolicyNever
		failed = func(f *manifest.Finished) bool { return f.Job.Spec.PodFailurePolicy != nil }

		onlyDisruptions = func(f *manifest.Finished) bool {
			rules := f.Job.Spec.PodFailurePolicy.Rules
			return len(rules) == 1 && len(rules[0].OnPodConditions) == 1
		}
	)
	for _, c := range []struct {
		name, source string
		holds        func(f *manifest.Finished) bool
	}{
		{"restartPolicy is Never where nothing is said", job("", "", oneContainer), func(f *manifest.Finished) bool { return f.Job.Spec.Template.Spec.RestartPolicy == never }},
		{"a plain Job has our failure policy", job("", "", oneContainer), failed},
		{"the failure policy names exit codes, but for those of a pod that is stopped", job("", "", oneContainer), func(f *manifest.Finished) bool {
			rules := f.Job.Spec.PodFailurePolicy.Rules
			return len(rules) == 2 && cmp.Equal(rules[1].OnExitCodes.Values, []int32{0, 137, 143}) && *rules[1].OnExitCodes.ContainerName == "main"
		}},
		{"that of a Job which Kueue may suspend names disruptions alone", job("  labels: {kueue.x-k8s.io/queue-name: batch}\n", "", oneContainer), onlyDisruptions},
		{"so does that of a Job which begins suspended", job("", "suspend: true, ", oneContainer), onlyDisruptions},
		{"so has a Job that retries no index", job("", "completions: 3, completionMode: Indexed, ", oneContainer), failed},
		{"one that retries its indexes has none", job("", "completions: 3, completionMode: Indexed, backoffLimitPerIndex: 1, ", oneContainer), func(f *manifest.Finished) bool { return !failed(f) }},
		{"the template's own stays", job("", "podFailurePolicy: {rules: []}, ", oneContainer), func(f *manifest.Finished) bool { return len(f.Job.Spec.PodFailurePolicy.Rules) == 0 }},
		{"a suspended Job stays suspended", job("", "suspend: true, ", oneContainer), func(f *manifest.Finished) bool { return *f.Job.Spec.Suspend }},
		{"the worker's namespace where nothing is said", job("", "", oneContainer), func(f *manifest.Finished) bool { return f.Job.Namespace == "jobs" }},
		{"the configuration's namespace", job("  namespace: theirs\n", "", oneContainer), func(f *manifest.Finished) bool { return f.Job.Namespace == "theirs" }},
		{"the configuration's name is only the readable part", job("  name: Nightly Run\n", "", oneContainer), func(f *manifest.Finished) bool { return strings.HasPrefix(f.Job.Name, "nightly-run-33ybencwpcnl-") }},
		{"args as one string are words", job("", "", `containers: [{name: a, image: b, args: "sh -c 'echo \"a b\"' x\\ y"}]`), func(f *manifest.Finished) bool {
			return cmp.Equal(f.Job.Spec.Template.Spec.Containers[0].Args, []string{"sh", "-c", `echo "a b"`, "x y"})
		}},
		{"the configuration's command becomes args", job("  command: echo hi\n", "", oneContainer), func(f *manifest.Finished) bool {
			return cmp.Equal(f.Job.Spec.Template.Spec.Containers[0].Args, []string{"echo", "hi"})
		}},
		{"streaming can be switched off", job("  stream_output: false\n", "", oneContainer), func(f *manifest.Finished) bool { return !f.StreamOutput }},
		{"a successor sees that streaming is off", job("  stream_output: false\n", "", oneContainer), func(f *manifest.Finished) bool {
			return f.Job.Annotations[manifest.AnnotationStreamOutput] == "false"
		}},
		{"no variables of Services beside ours", job("", "", oneContainer), func(f *manifest.Finished) bool { return !*f.Job.Spec.Template.Spec.EnableServiceLinks }},
		{"variables of Services where the template wants them", job("", "", "enableServiceLinks: true, "+oneContainer), func(f *manifest.Finished) bool {
			return *f.Job.Spec.Template.Spec.EnableServiceLinks
		}},
		{"timeouts are durations", job("  job_watch_timeout_seconds: 5\n  pod_watch_timeout_seconds: 60\n", "", oneContainer), func(f *manifest.Finished) bool {
			return *f.Timeout == 5*time.Second && *f.StartDeadline == time.Minute
		}},
		{"a cluster is named by a Secret", job("  cluster_config: {secretKeyRef: {name: s, key: k}}\n", "", oneContainer), func(f *manifest.Finished) bool {
			return *f.ClusterConfig == manifest.SecretReference{Name: "s", Key: "k"}
		}},
		{"numbers are quantities", job("", "", "containers: [{name: a, image: b, resources: {limits: {cpu: 0.5, memory: 1024}}}]"), func(f *manifest.Finished) bool {
			limits := f.Job.Spec.Template.Spec.Containers[0].Resources.Limits
			return limits.Cpu().String() == "500m" && limits.Memory().Value() == 1024
		}},
		{"env as a mapping with a valueFrom", job("", "", "containers: [{name: a, image: b, env: {N: 5, S: {valueFrom: {secretKeyRef: {name: s, key: k}}}}}]"), func(f *manifest.Finished) bool {
			env := f.Job.Spec.Template.Spec.Containers[0].Env
			return len(env) == 12 && env[10].Value == "5" && env[11].ValueFrom.SecretKeyRef.Name == "s"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if f := build(t, c.source); !c.holds(f) {
				text, _ := json.MarshalIndent(f, "", "  ")
				t.Errorf("it does not:\n%s", text)
			}
		})
	}
}

func TestWhatCanNotBeMadeValidIsReportedWithItsPlace(t *testing.T) {
	const manifestAt, container = "/job_configuration/job_manifest", "/job_configuration/job_manifest/spec/template/spec/containers/0"
	for _, c := range []struct{ name, source, pointer, message, suggestion string }{
		{"no manifest", "job_configuration: {}", manifestAt, "job_manifest is missing", ""},
		{"a manifest that is text", "engine: placeholder\njob_configuration: {job_manifest: 'kind: Job'}", manifestAt, "job_manifest must be an object, not a string", ""},
		{"another kind", "job_configuration: {job_manifest: {kind: Pod, spec: {template: {spec: {" + oneContainer + "}}}}}", manifestAt + "/kind", `must be "Job": Berth creates Jobs`, ""},
		{"an unknown field", job("", "", "containers: [{name: a, image: b, imagePullPolcy: Always}]"), container + "/imagePullPolcy", `unknown field "imagePullPolcy"`, `did you mean "imagePullPolicy"?`},
		{"a number for a string", job("", "", "containers: [{name: a, image: 5}]"), container + "/image", "must be a string, not the integer 5", "quote the value, or write text around the placeholder"},
		{"a string for a number", job("", "activeDeadlineSeconds: '5', ", oneContainer), manifestAt + "/spec/activeDeadlineSeconds", "must be an integer, not a string", "remove the quotes; a placeholder keeps its type only when it is the whole value"},
		{"a float for an integer", job("", "activeDeadlineSeconds: 5.5, ", oneContainer), manifestAt + "/spec/activeDeadlineSeconds", "must be an integer, not the number 5.5", ""},
		{"an integer that is too large", job("", "backoffLimit: 4294967296, ", oneContainer), manifestAt + "/spec/backoffLimit", "4294967296 is out of range", ""},
		{"a unit without a number", job("", "", "containers: [{name: a, image: b, resources: {limits: {memory: Mi}}}]"), container + "/resources/limits/memory", `invalid quantity "Mi"`, "write a number with a unit, such as 500m, 2 or 128Mi"},
		{"a number that nobody can calculate with", job("", "", "containers: [{name: a, image: b, resources: {requests: {memory: 1e999999999}, limits: {memory: 1Gi}}}]"), container + "/resources/requests/memory", `invalid quantity "1e999999999"`, "write a number with a unit, such as 500m, 2 or 128Mi"},
		{"a number of very many digits", job("", "", "containers: [{name: a, image: b, resources: {limits: {memory: '"+strings.Repeat("1", 100_000)+"'}}}]"), container + "/resources/limits/memory", `invalid quantity "` + strings.Repeat("1", 40) + `"`, "write a number with a unit, such as 500m, 2 or 128Mi"},
		{"a bad quantity", job("", "", "containers: [{name: a, image: b, resources: {limits: {memory: 12 MB}}}]"), container + "/resources/limits/memory", `invalid quantity "12 MB"`, "did you mean 12M?"},
		{"a request above its limit", job("", "", "containers: [{name: a, image: b, resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}]"), container + "/resources/requests/memory", "request 2Gi exceeds limit 1Gi", ""},
		{"no container", job("", "", "containers: []"), manifestAt + "/spec/template/spec/containers", "a Job needs at least one container", ""},
		{"no image", job("", "", "containers: [{name: a}]"), container + "/image", `container "a" needs an image`, ""},
		{"a bad container name", job("", "", "containers: [{name: A_B, image: b}]"), container + "/name", "", ""},
		{"restartPolicy Always", job("", "", "restartPolicy: Always, "+oneContainer), manifestAt + "/spec/template/spec/restartPolicy", `must be Never or OnFailure, not "Always"`, ""},
		{"a mount without its volume", job("", "", "containers: [{name: a, image: b, volumeMounts: [{name: v, mountPath: /v}]}]"), container + "/volumeMounts/0/name", `unknown volume "v"`, ""},
		{"a kubeconfig in the template", job("  cluster_config: {config: {}, context_name: x}\n", "", oneContainer), "/job_configuration/cluster_config", "an inline cluster_config is not allowed: everyone who can see the template could read its credentials", "store the kubeconfig in a Secret and write cluster_config: {secretKeyRef: {name: SECRET, key: KEY}}"},
		{"a command with an open quote", job("", "", "containers: [{name: a, image: b, args: \"echo 'x\"}]"), container + "/args", "invalid command line: missing closing quote", ""},
		{"a timeout of less than nothing", job("  job_watch_timeout_seconds: -1\n", "", oneContainer), "/job_configuration/job_watch_timeout_seconds", "must be at least 1 second, not -1", ""},
		{"a bad namespace", job("  namespace: A b\n", "", oneContainer), manifestAt + "/metadata/namespace", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := manifest.Build(render(t, c.source, nil), identity())
			problems := templating.AsProblems(err)
			if len(problems) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			p := problems[0]
			if p.Pointer != c.pointer || c.message != "" && p.Message != c.message ||
				p.Suggestion != c.suggestion {
				t.Errorf("got %s: %s (%s)", p.Pointer, p.Message, p.Suggestion)
			}
		})
	}
}

func TestNamesAndLabelValuesAreAlwaysValid(t *testing.T) {
	id := uuid.MustParse("0197b8f0-1234-7abc-9def-0123456789ab")
	for _, c := range []struct{ name, want string }{
		{"etl", "etl-33ybencwpcnl-1"},
		{"", "run-33ybencwpcnl-1"},
		{"日本", "run-33ybencwpcnl-1"},
		{"--A__b..C--", "a-b-c-33ybencwpcnl-1"},
		{strings.Repeat("x", 100), strings.Repeat("x", 40) + "-33ybencwpcnl-1"},
		{strings.Repeat("x", 39) + " y", strings.Repeat("x", 39) + "-33ybencwpcnl-1"},
	} {
		if got := manifest.JobName(c.name, id, 1); got != c.want {
			t.Errorf("JobName(%q) = %q, want %q", c.name, got, c.want)
		}
	}
	long := manifest.LabelValue(strings.Repeat("a", 80))
	if len(long) != 63 || long == manifest.LabelValue(strings.Repeat("a", 81)) {
		t.Errorf("a long label value: %q", long)
	}
	for text, want := range map[string]string{
		"a b": "a-b", "-x-": "x", "…": "b4935894", "": "", " ": "", "v1.2_3": "v1.2_3", "münchen": "munchen",
		"Data & Ops": "Data-Ops", "日本": "cf2abf0c", "e\u0301te\u0301": "ete", "--": "d8156bae",
	} {
		if got := manifest.LabelValue(text); got != want {
			t.Errorf("LabelValue(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestBuildDoesNotChangeWhatItIsGiven(t *testing.T) {
	rendered := render(t, job("  env: {A: 1}\n  command: a b\n", "", oneContainer), nil)
	before, _ := templating.EncodeJSON(rendered.Configuration)
	var jobs []*batchv1.Job
	for range 2 {
		f, err := manifest.Build(rendered, identity())
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, f.Job)
	}
	after, _ := templating.EncodeJSON(rendered.Configuration)
	if string(before) != string(after) {
		t.Errorf("the configuration changed:\n%s\n%s", before, after)
	}
	if diff := cmp.Diff(jobs[0], jobs[1]); diff != "" {
		t.Errorf("two builds differ:\n%s", diff)
	}
}

// TestDollarsArriveAsTheyWereGiven: $$ is the escape of Kubernetes only where the template itself has it.
func TestDollarsArriveAsTheyWereGiven(t *testing.T) {
	source := `
variables: {properties: {env: {type: object}, word: {type: string}, args: {type: array}}}
job_configuration:
  env: "{{ env }}"
  job_manifest:
    spec:
      template:
        spec:
          containers:
          - name: main
            image: "busybox:1.36"
            command: [echo, "own $$HOME", "{{ word }}"]
            args: "{{ args }}"
            env: [{name: OWN, value: "a$$b"}]
`
	finished, err := manifest.Build(render(t, source, map[string]any{
		"word": "pa$$word", "args": []any{"$$", "$$(NAME)", "$(NAME)", "$$$(NAME)"},
		"env": map[string]any{"P": "pa$$word", "Q": "$", "NAME": "x", "R": "$(NAME)"},
	}), identity())
	if err != nil {
		t.Fatal(err)
	}
	c := finished.Job.Spec.Template.Spec.Containers[0]
	env := environ(c.Env)
	for name, want := range map[string]string{"OWN": "a$b", "P": "pa$$word", "Q": "$", "R": "x"} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
	var words []string
	for _, word := range append(c.Command, c.Args...) {
		words = append(words, manifest.Expand(word, func(name string) (string, bool) { v, ok := env[name]; return v, ok }))
	}
	want := []string{"echo", "own $HOME", "pa$$word", "$$", "$(NAME)", "x", "$$x"}
	if diff := cmp.Diff(want, words); diff != "" {
		t.Errorf("command and args after expansion (-want +got):\n%s", diff)
	}
}
