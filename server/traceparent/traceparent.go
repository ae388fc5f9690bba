// Package traceparent carries the span of a caller from a request to the run that it creates, as the traceparent header of W3C
// Trace Context.
package traceparent

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header is the name of the header.
const Header = "traceparent"

// Parse reads a header. A wrong one gives a span that is not valid, and no error: the specification has it ignored.
func Parse(header string) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{Header: header})
	return trace.SpanContextFromContext(ctx)
}

// With returns the context of a request with the span of its caller, if the header has one.
func With(ctx context.Context, header string) context.Context {
	if caller := Parse(header); caller.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, caller)
	}
	return ctx
}

// Of returns the span in a context of With as a header; empty: there is none.
func Of(ctx context.Context) string {
	caller := trace.SpanContextFromContext(ctx)
	if !caller.IsValid() {
		return ""
	}
	return "00-" + caller.TraceID().String() + "-" + caller.SpanID().String() + "-" +
		hex.EncodeToString([]byte{byte(caller.TraceFlags())})
}
