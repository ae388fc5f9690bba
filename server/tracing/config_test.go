package tracing

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestTheEnvironmentTurnsTracingOn(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for name, test := range map[string]struct {
		env       map[string]string
		exporters string
		protocol  string
		refused   string
	}{
		"not at all":                   {},
		"by an endpoint":               {env: map[string]string{endpoint: "http://c:4318"}, exporters: "otlp", protocol: protocolProtobuf},
		"by an endpoint of traces":     {env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, exporters: "otlp", protocol: protocolProtobuf},
		"by an exporter":               {env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp, console"}, exporters: "otlp console", protocol: protocolProtobuf},
		"but none is named":            {env: map[string]string{endpoint: "http://c", "OTEL_TRACES_EXPORTER": "none"}},
		"but the SDK is disabled":      {env: map[string]string{endpoint: "http://c", "OTEL_SDK_DISABLED": "true"}},
		"with gRPC":                    {env: map[string]string{endpoint: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, exporters: "otlp", protocol: protocolGRPC},
		"with a protocol for traces":   {env: map[string]string{endpoint: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, exporters: "otlp", protocol: protocolProtobuf},
		"with a protocol not known":    {env: map[string]string{endpoint: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}, refused: "smoke"},
		"with an exporter not known":   {env: map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, refused: "zipkin"},
		"with a sampler not known":     {env: map[string]string{endpoint: "http://c", "OTEL_TRACES_SAMPLER": "dice"}, refused: "dice"},
		"with a ratio that is none":    {env: map[string]string{endpoint: "http://c", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, refused: "from 0 to 1"},
		"with a batch that is none":    {env: map[string]string{endpoint: "http://c", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "0"}, refused: "positive"},
		"with a metrics endpoint only": {env: map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := readConfig(func(name string) string { return test.env[name] })
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("got %v, want an error about %s", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(c.exporters, " "); got != test.exporters || got != "" && c.protocol != test.protocol {
				t.Errorf("exporters %q by %q, want %q by %q", got, c.protocol, test.exporters, test.protocol)
			}
			if len(c.exporters) > 0 && (c.batch != 512 || c.every != 5*time.Second || c.timeout != 30*time.Second) {
				t.Errorf("batches of %d every %s, at most %s", c.batch, c.every, c.timeout)
			}
		})
	}
}

func TestHeadersThatCannotBeReadAreRefusedWithoutTheirText(t *testing.T) {
	for headers, good := range map[string]bool{
		"authorization=Bearer%20hunter2":      true,
		"a=hunter2, b=hunter2==":              true,
		"authorization: Bearer hunter2":       false,
		"a=hunter2,":                          false,
		"a=hunter2%zz":                        false,
		"my header=hunter2":                   false,
		"=hunter2":                            false,
		"authorization:hunter2=,x=y,z=hunter": false,
	} {
		for _, name := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} {
			env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", name: headers}
			_, err := readConfig(func(name string) string { return env[name] })
			if good != (err == nil) {
				t.Errorf("%s=%s: %v", name, headers, err)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter") || !strings.Contains(err.Error(), name)) {
				t.Errorf("%s=%s: the error is %q", name, headers, err)
			}
		}
	}
}

// TestARatioOfTheRunsIsSampled: the IDs of runs are not random in all their bits.
func TestARatioOfTheRunsIsSampled(t *testing.T) {
	const n = 20_000
	for _, test := range []struct {
		sampler, argument string
		want              float64
	}{
		{"traceidratio", "0.1", 0.1}, {"parentbased_traceidratio", "0.5", 0.5}, {"traceidratio", "", 1},
		{"traceidratio", "0", 0}, {"always_off", "", 0}, {"parentbased_always_on", "", 1},
	} {
		sampled, err := readSampler(test.sampler, test.argument)
		if err != nil {
			t.Fatal(err)
		}
		var count float64
		for range n {
			if sampled(uuid.Must(uuid.NewV7())) {
				count++
			}
		}
		if got := count / n; got < test.want-0.02 || got > test.want+0.02 {
			t.Errorf("%s %s samples %.3f, want %.1f", test.sampler, test.argument, got, test.want)
		}
	}
}
