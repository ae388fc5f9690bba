package rule_test

import (
	"testing"

	"github.com/berth-dev/berth/templating/rule"
)

// onServer is the Job as a server makes it, which does not know the worker's defaults.
func onServer(t *testing.T) rule.Input {
	in := input(aJob(t, plainPod+"  env: [{name: BERTH_RUN_ID, value: x}, {name: TOKEN, value: abc}]\n"))
	in.Unknown = []rule.Unknown{
		{Path: []string{"metadata", "namespace"}, Name: "namespace"},
		{Path: []string{"spec", "template", "spec", "serviceAccountName"}, Name: "ServiceAccount"},
	}
	in.WorkerAddsEnv = true
	return in
}

func TestARuleIsUndecidedWhereOnlyTheWorkerKnows(t *testing.T) {
	tests := map[string]struct {
		expression string
		want       string // the message where it is undecided, "deny" or "pass"
	}{
		"the namespace": {`job.metadata.namespace == "jobs"`, "it depends on the worker: namespace"},
		"the namespace, in a function": {
			`job.metadata.namespace.startsWith("team-")`, "it depends on the worker: namespace",
		},
		"whether there is a namespace":    {`has(job.metadata.namespace)`, "it depends on the worker: namespace"},
		"an optional namespace":           {`job.metadata.?namespace.orValue("") != ""`, "it depends on the worker: namespace"},
		"a bound name":                    {`cel.bind(m, job.metadata, m.namespace == "x")`, "it depends on the worker: namespace"},
		"the ServiceAccount":              {`pod.?serviceAccountName.orValue("default") == "etl"`, "it depends on the worker: ServiceAccount"},
		"the ServiceAccount from the Job": {`!has(job.spec.template.spec.serviceAccountName)`, "it depends on the worker: ServiceAccount"},
		"both": {
			`job.metadata.namespace == "a" && pod.serviceAccountName == "b"`, "it depends on the worker: ServiceAccount, namespace",
		},
		"in a list": {
			`["a", "b"].exists(n, n == job.metadata.namespace)`, "it depends on the worker: namespace",
		},
		"a known value that denies decides": {
			`job.metadata.namespace == "jobs" && queue.name == "gpu"`, "deny",
		},
		"a known value that satisfies decides": {
			`job.metadata.namespace == "jobs" || queue.name == "default"`, "pass",
		},
		"the rest of the metadata is known":   {`job.metadata.labels["team"] == "data"`, "pass"},
		"the rest of the pod is known":        {`!pod.?hostNetwork.orValue(false)`, "pass"},
		"a denial about the rest":             {`job.metadata.labels["team"] == "ml"`, "deny"},
		"access to the API may come":          {`containers[0].env.exists(e, e.name == "BERTH_API_URL")`, "it depends on the worker: access to the API"},
		"a variable that the worker adds not": {`containers.all(c, c.env.all(e, e.name != "TOKEN"))`, "deny"},
		"a value that may be in a Secret": {
			`containers.all(c, c.env.all(e, e.name != "TOKEN" || has(e.valueFrom)))`, "it depends on the worker: env as a Secret",
		},
		"the Secret of the attempt": {
			`containers.all(c, c.env.all(e, e.name != "TOKEN" || e.?valueFrom.?secretKeyRef.?name.orValue("") ==
				job.metadata.?annotations[?"berth.dev/secret"].orValue("-")))`, "it depends on the worker: env as a Secret",
		},
		"an environment that complies as it is": {`containers.all(c, c.env.all(e, e.value != "secret"))`, "pass"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			outcome := evaluate(t, of(test.expression), onServer(t))
			got := "pass"
			switch {
			case outcome.Denied():
				got = "deny"
			case len(outcome.Undecided) > 0:
				got = outcome.Undecided[0].Message
			}
			if got != test.want {
				t.Errorf("got %q, want %q: %+v", got, test.want, outcome)
			}
		})
	}
}

func TestAJobThatCannotBeMadeIsJudgedByWhatIsKnownOfTheRun(t *testing.T) {
	in := input(nil)
	in.Unknown = rule.UnknownJob()
	for expression, want := range map[string]string{
		`queue.name == "gpu"`:    "deny",
		`caller.name == "ci"`:    "pass",
		`!has(pod.hostNetwork)`:  "it depends on the worker: the whole Job",
		`containers.size() == 1`: "it depends on the worker: the whole Job",
		`volumes.all(v, !has(v.hostPath)) && queue.name == "gpu"`: "deny",
	} {
		outcome := evaluate(t, of(expression), in)
		got := "pass"
		if outcome.Denied() {
			got = "deny"
		} else if len(outcome.Undecided) > 0 {
			got = outcome.Undecided[0].Message
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", expression, got, want)
		}
	}
}

func TestAWorkersJobHasNothingUnknown(t *testing.T) {
	in := onServer(t)
	in.Unknown, in.WorkerAddsEnv = nil, false
	outcome := evaluate(t, of(`job.metadata.namespace == "other"`), in)
	if !outcome.Denied() || len(outcome.Undecided) != 0 {
		t.Errorf("got %+v", outcome)
	}
	if in.Job["metadata"].(map[string]any)["namespace"] != "jobs" {
		t.Error("the evaluation changed the Job")
	}
}
