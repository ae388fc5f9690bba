package tracing

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// newExporters makes the exporters, which read their part of the environment themselves.
func newExporters(ctx context.Context, c config) ([]sdktrace.SpanExporter, error) {
	var list []sdktrace.SpanExporter
	for _, name := range c.exporters {
		var exporter sdktrace.SpanExporter
		var err error
		switch {
		case name == "console":
			exporter, err = stdouttrace.New()
		case c.protocol == protocolGRPC:
			exporter, err = otlptracegrpc.New(ctx)
		default:
			exporter, err = otlptracehttp.New(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("open exporter %s: %w", name, err)
		}
		list = append(list, exporter)
	}
	return list, nil
}

// maker makes spans of the SDK, which are what exporters take. It is not safe for concurrent use.
type maker struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	made     []sdktrace.ReadOnlySpan
}

// newMaker makes a maker. All servers describe themselves alike: a span is the same whichever of them sends it.
func newMaker(ctx context.Context, version string) (*maker, error) {
	described, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("berth"), semconv.ServiceVersion(version)),
		resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("describe this server to OpenTelemetry: %w", err)
	}
	m := &maker{}
	m.provider = sdktrace.NewTracerProvider(
		sdktrace.WithResource(described), sdktrace.WithIDGenerator(givenIDs{}), sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithRawSpanLimits(sdktrace.NewSpanLimits()), sdktrace.WithSpanProcessor(m))
	m.tracer = m.provider.Tracer("github.com/berth-dev/berth", trace.WithInstrumentationVersion(version))
	return m, nil
}

// make makes spans of the SDK.
func (m *maker) make(spans []span) []sdktrace.ReadOnlySpan {
	m.made = make([]sdktrace.ReadOnlySpan, 0, len(spans))
	for _, s := range spans {
		ctx := context.WithValue(context.Background(), idsKey{}, s)
		if s.parent.IsValid() {
			ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID(s.run), SpanID: s.parent, TraceFlags: trace.FlagsSampled,
			}))
		}
		_, begun := m.tracer.Start(ctx, s.name, trace.WithSpanKind(s.kind), trace.WithTimestamp(s.start),
			trace.WithAttributes(s.attributes...), trace.WithLinks(s.links...))
		if s.failure != "" {
			begun.SetStatus(codes.Error, s.failure)
		}
		begun.End(trace.WithTimestamp(s.end))
	}
	return m.made
}

// OnStart is of a span processor.
func (m *maker) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd is of a span processor.
func (m *maker) OnEnd(s sdktrace.ReadOnlySpan) { m.made = append(m.made, s) }

// Shutdown is of a span processor.
func (m *maker) Shutdown(context.Context) error { return nil }

// ForceFlush is of a span processor.
func (m *maker) ForceFlush(context.Context) error { return nil }

type idsKey struct{}

// givenIDs gives a span the IDs that maker put into its context.
type givenIDs struct{}

func (givenIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	s, _ := ctx.Value(idsKey{}).(span)
	return trace.TraceID(s.run), s.id
}

func (givenIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	s, _ := ctx.Value(idsKey{}).(span)
	return s.id
}

// rejected returns how many spans the receiver took the request for and rejected; ok is false if err is something else. The SDK
// has no exported type for it, so that it is known by the shape of its error.
func rejected(err error) (n int64, ok bool) {
	if several, is := err.(interface{ Unwrap() []error }); is {
		for _, one := range several.Unwrap() {
			some, partial := rejected(one)
			if !partial {
				return 0, false
			}
			n, ok = n+some, true
		}
		return n, ok
	}
	if err == nil {
		return 0, false
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Struct {
		if field := v.FieldByName("RejectedItems"); field.IsValid() && field.CanInt() {
			return field.Int(), true
		}
	}
	return rejected(errors.Unwrap(err))
}
