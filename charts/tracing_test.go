package charts

import (
	"strings"
	"testing"
)

func TestTracesAreSentWhereTheValuesSay(t *testing.T) {
	server := container(t, render(t, `{tracing: {endpoint: "http://c:4317", protocol: grpc, existingSecret: otel, env: {OTEL_TRACES_SAMPLER: always_off}}}`), "rel-berth-server")
	got := map[string]string{}
	for _, e := range server.Env {
		got[e.Name] = e.Value
	}
	for name, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": "always_off",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if len(server.EnvFrom) != 1 || server.EnvFrom[0].SecretRef.Name != "otel" {
		t.Errorf("environment from %v, want Secret otel", server.EnvFrom)
	}
	for _, e := range container(t, render(t, `{}`), "rel-berth-server").Env {
		if strings.HasPrefix(e.Name, "OTEL_") {
			t.Errorf("%s is set by default", e.Name)
		}
	}
	for _, wrong := range []string{`{tracing: {env: {PATH: x}}}`, `{tracing: {endpoint: "c:4317"}}`, `{tracing: {protocol: smoke}}`} {
		if _, err := renderFiles(t, wrong); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}
