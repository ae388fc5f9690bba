package manifest_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

func identity() manifest.Identity {
	return manifest.Identity{
		Installation: uuid.MustParse("0197b8f0-0000-7000-8000-000000000001"),
		RunID:        uuid.MustParse("0197b8f0-1234-7abc-9def-0123456789ab"),
		RunName:      "Étl: daily #4", Attempt: 2, Pool: "default", Queue: "default", Deployment: "etl",
		LeaseEpoch: 3, TemplateVersion: 7, Parameters: json.RawMessage(`{"cost":"$(HOME) $$5"}`), Namespace: "jobs",
		ScheduledTime: time.Date(2026, 6, 30, 22, 30, 0, 0, time.UTC), Timezone: "Europe/Berlin",
	}
}

func render(t *testing.T, source string, vars map[string]any) *templating.Rendered {
	t.Helper()
	parsed, err := templating.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := templating.DefaultRegistry().Compile(parsed)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := compiled.Render(context.Background(),
		templating.Input{Layers: templating.Layers{Run: vars}})
	if err != nil {
		t.Fatal(err)
	}
	return rendered
}

func TestDefaultBaseJobTemplateBecomesAJobWithOnlyAnImage(t *testing.T) {
	source, err := os.ReadFile("../testdata/conformance/default-base-job-template.json")
	if err != nil {
		t.Fatal(err)
	}
	finished, err := manifest.Build(render(t, string(source), map[string]any{"image": "busybox:1.36"}),
		identity())
	if err != nil {
		t.Fatal(err)
	}
	if finished.StartDeadline != nil {
		t.Errorf("start deadline %v, want none: the imported default is nobody's choice",
			*finished.StartDeadline)
	}
	if finished.JobContainer != "prefect-job" || !finished.StreamOutput {
		t.Errorf("job container %q, stream output %v", finished.JobContainer, finished.StreamOutput)
	}
	text, _ := json.MarshalIndent(finished.Job, "", "  ")
	t.Logf("%s\n%v", text, finished.Warnings)
}
