package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/otlptest"
)

// TestARunIsATrace, from its request to its job: the receiver is the only one that is not Berth's.
func TestARunIsATrace(t *testing.T) {
	receiver := otlptest.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.HTTPURL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	t.Setenv("OTEL_SERVICE_NAME", "jobs")
	_, u := startDev(t, t.TempDir())
	u.ok(t, "deploy", "-f", write(t, t.TempDir(), "berth.yaml", `deployments:
- name: etl
  pool: local
  parameters: {password: hunter2}
  job_variables:
    command: [sh, -c, 'echo "parent $TRACEPARENT $GIVEN"; exit 3']
    env: {GIVEN: "{{ ctx.run.traceparent }}"}
`))
	const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	out := u.runEnv(t, "", []string{"TRACEPARENT=" + caller}, "deployment", "run", "etl", "--watch")
	root := receiver.AwaitSpan(t, "RUN etl")
	attempt := receiver.AwaitSpan(t, "attempt")
	receiver.AwaitSpan(t, "record")
	text := otlptest.Text(receiver.Spans())
	t.Log("\n" + text)

	parent := "00-" + root.TraceID + "-" + attempt.ID + "-01"
	demand(t, "output", out.stdout+out.stderr, "parent "+parent+" "+parent)
	runs := decode[struct{ Items []struct{ ID string } }](t, u, "run", "ls").Items
	if len(runs) != 1 || strings.ReplaceAll(runs[0].ID, "-", "") != root.TraceID {
		t.Errorf("the runs are %v, the trace %s", runs, root.TraceID)
	}
	var names []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		names = append(names, strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " ")))+strings.Fields(line)[0])
	}
	want := []string{"trace", "  RUN", "    wait", "    attempt", "      render", "      launch", "      pending", "      execute", "      record"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("the trace (-want +got):\n%s", diff)
	}
	if root.Failed != "app" || root.Attributes["cicd.pipeline.result"] != "failure" || root.Resource["service.name"] != "jobs" ||
		attempt.Attributes["process.exit.code"] != "3" {
		t.Errorf("the run %+v\nthe attempt %+v", root, attempt)
	}
	if len(root.Links) != 1 || "00-"+root.Links[0].TraceID+"-"+root.Links[0].ID+"-01" != caller {
		t.Errorf("links %+v, want one to the caller", root.Links)
	}
	for _, s := range receiver.Spans() {
		for key, value := range s.Attributes {
			if strings.Contains(value, "hunter2") {
				t.Errorf("%s: attribute %s shows a parameter", s.Name, key)
			}
		}
	}
}
