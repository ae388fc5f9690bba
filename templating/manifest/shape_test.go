package manifest_test

import (
	"math"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// documented is the example of a podFailurePolicy in Kubernetes' documentation.
const documented = "podFailurePolicy: {rules: [" +
	"{action: FailJob, onExitCodes: {containerName: main, operator: In, values: [42]}}, " +
	"{action: Ignore, onPodConditions: [{type: DisruptionTarget, status: 'True'}]}]}, "

func TestAJobHasOneShapeAndOneThatRetries(t *testing.T) {
	const indexed = "completionMode: Indexed, completions: 4, parallelism: 2, "
	type shaped struct {
		shape                    manifest.Shape
		parallelism, completions *int32
		limit                    int32
		restart                  string
		infrastructure           int // retries of the run, -1 for none said
		warnings                 string
	}
	one := ptr.To[int32](1)
	plain := shaped{manifest.OnePod, one, one, 0, "Never", -1, ""}
	for _, c := range []struct {
		name, policy, spec, pod string
		want                    shaped
	}{
		{"nothing said", "", "", "", plain},
		{"one pod said", "", "completions: 1, parallelism: 1, ", "", plain},
		{"one worker of a work queue", "", "parallelism: 1, ", "", plain},
		{"NonIndexed said", "", "completionMode: NonIndexed, completions: 1, ", "", plain},
		{"retries of the Job become retries of the run", "", "backoffLimit: 3, ", "",
			shaped{manifest.OnePod, one, one, 0, "Never", 3, "Berth retries, not the Job"}},
		{"a work queue", "", "parallelism: 4, ", "", shaped{manifest.WorkQueue, ptr.To[int32](4), nil, 0, "Never", -1, ""}},
		{"a work queue with retries", "", "parallelism: 4, backoffLimit: 2, ", "",
			shaped{manifest.WorkQueue, ptr.To[int32](4), nil, 0, "Never", 2, "Berth retries, not the Job"}},

		{"indexed", "", indexed, "", shaped{manifest.Indexed, ptr.To[int32](2), ptr.To[int32](4), 0, "Never", -1, ""}},
		{"indexed, with retries of the Job", "", indexed + "backoffLimit: 5, ", "",
			shaped{manifest.Indexed, ptr.To[int32](2), ptr.To[int32](4), 5, "Never", -1, ""}},
		{"indexed, with retries per index", "", indexed + "backoffLimitPerIndex: 1, maxFailedIndexes: 2, ", "",
			shaped{manifest.Indexed, ptr.To[int32](2), ptr.To[int32](4), math.MaxInt32, "Never", -1, ""}},
		{"indexed, with both", "", indexed + "backoffLimitPerIndex: 1, backoffLimit: 3, ", "",
			shaped{manifest.Indexed, ptr.To[int32](2), ptr.To[int32](4), 3, "Never", -1, ""}},
		{"indexed, with a success policy", "", indexed + "successPolicy: {rules: [{succeededCount: 1}]}, ", "",
			shaped{manifest.Indexed, ptr.To[int32](2), ptr.To[int32](4), 6, "Never", -1, ""}},
		{"indexed, with the documented failure policy", "", indexed + documented, "",
			shaped{manifest.Indexed, ptr.To[int32](2), ptr.To[int32](4), 6, "Never", -1, ""}},
		{"one index", "", "completionMode: Indexed, completions: 1, ", "", shaped{manifest.Indexed, nil, one, 0, "Never", -1, ""}},

		{"OnFailure", "", "", "restartPolicy: OnFailure, ", shaped{manifest.OnePod, one, one, 0, "Never", -1, "OnFailure becomes Never"}},
		{"OnFailure with retries", "", "backoffLimit: 2, ", "restartPolicy: OnFailure, ",
			shaped{manifest.OnePod, one, one, 0, "Never", 2, "OnFailure becomes Never"}},
		{"OnFailure where the policy allows it", "{restarts: kubelet}", "backoffLimit: 2, ", "restartPolicy: OnFailure, ",
			shaped{manifest.OnePod, one, one, 2, "OnFailure", -1, ""}},
		{"the same without a limit", "{restarts: kubelet}", "", "restartPolicy: OnFailure, ",
			shaped{manifest.OnePod, one, one, 6, "OnFailure", -1, ""}},
		{"a policy that allows what the template does not ask for", "{restarts: kubelet}", "", "", plain},

		{"pods replaced early", "", "podReplacementPolicy: TerminatingOrFailed, ", "",
			shaped{manifest.OnePod, one, one, 0, "Never", -1, "podReplacementPolicy is set to Failed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			configuration := ""
			if c.policy != "" {
				configuration = "  policy: " + c.policy + "\n"
			}
			f := build(t, job(configuration, c.spec, c.pod+oneContainer))
			spec := &f.Job.Spec
			got := shaped{
				manifest.ShapeOf(spec), spec.Parallelism, spec.Completions, *spec.BackoffLimit,
				string(spec.Template.Spec.RestartPolicy), -1, "",
			}
			if f.InfrastructureRetries != nil {
				got.infrastructure = *f.InfrastructureRetries
			}
			if got.shape != c.want.shape || !ptr.Equal(got.parallelism, c.want.parallelism) ||
				!ptr.Equal(got.completions, c.want.completions) || got.limit != c.want.limit ||
				got.restart != c.want.restart || got.infrastructure != c.want.infrastructure {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if *spec.PodReplacementPolicy != batchv1.Failed {
				t.Errorf("pods are replaced under policy %s", *spec.PodReplacementPolicy)
			}
			warnings := templating.Problems(f.Warnings).Error()
			if (c.want.warnings == "") != (len(f.Warnings) == 0) || !strings.Contains(warnings, c.want.warnings) {
				t.Errorf("warnings %q, want %q", warnings, c.want.warnings)
			}
			marked := spec.Template.Annotations[manifest.AnnotationShape]
			if want := string(c.want.shape); (marked != "") != (c.want.shape != manifest.OnePod) || marked != "" && marked != want {
				t.Errorf("pods are marked %q", marked)
			}
		})
	}
}

func TestAJobThatWouldDoLessOrMoreThanItSaysIsRefused(t *testing.T) {
	const spec = "/job_configuration/job_manifest/spec/"
	ignore := strings.Replace(documented, "action: FailJob, onExitCodes: {containerName: main, operator: In, values: [42]}", "action: Count, onExitCodes: {operator: In, values: [42]}", 1)
	for _, c := range []struct{ name, spec, at, message, suggestion string }{
		{"several completions", "completions: 8, parallelism: 2, ", spec + "completions", "completions 8 needs completionMode: Indexed", "write completionMode: Indexed"},
		{"several completions, one at a time", "completions: 8, ", spec + "completions", "completions 8 needs completionMode: Indexed", "work queue"},
		{"pods beside one completion", "completions: 1, parallelism: 3, ", spec + "parallelism", "parallelism 3 has no effect beside completions 1", "completionMode: Indexed"},
		{"no pod", "parallelism: 0, ", spec + "parallelism", "parallelism 0 makes no pod", "suspend: true"},
		{"no pod of an indexed Job", "completionMode: Indexed, completions: 3, parallelism: 0, ", spec + "parallelism", "parallelism 0 makes no pod", "suspend: true"},
		{"the documented failure policy", documented, spec + "podFailurePolicy/rules/1/action", "action Ignore lets the Job replace a failed pod, but Berth retries the run, not the Job", "remove the rule"},
		{"a policy that counts", "podFailurePolicy: {rules: [{action: Count, onExitCodes: {operator: In, values: [42]}}]}, ", spec + "podFailurePolicy/rules/0/action", "action Count", "retries.max"},
		{"the documented one of a work queue", "parallelism: 3, " + documented, spec + "podFailurePolicy/rules/1/action", "action Ignore", "remove the rule"},
		{"the documented one of one index", "completionMode: Indexed, completions: 1, " + documented, spec + "podFailurePolicy/rules/1/action", "completions above 1", "remove the rule"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := manifest.Build(render(t, job("", c.spec, oneContainer), nil), identity())
			problems := templating.AsProblems(err)
			if len(problems) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			if p := problems[0]; p.Pointer != c.at || !strings.Contains(p.Message, c.message) ||
				!strings.Contains(p.Suggestion, c.suggestion) {
				t.Errorf("got %s: %s (%s)", p.Pointer, p.Message, p.Suggestion)
			}
		})
	}
	process := strings.Replace(oneContainer, "busybox:1.36", "process:local", 1)
	_, err := manifest.Build(render(t, job("", "completionMode: Indexed, completions: 3, ", process), nil), identity())
	if err == nil || !strings.Contains(err.Error(), "a worker of type process runs one process") {
		t.Errorf("several processes: %v", err)
	}
	_, err = manifest.Build(render(t, job("", "completions: 5, "+ignore, oneContainer), nil), identity())
	if problems := templating.AsProblems(err); len(problems) != 3 {
		t.Errorf("got %v, want both rules and the completions at once", err)
	}
}
