package opclient

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/seriatim-go/seriatim/protocol"
)

// tracerName is the instrumentation scope of the client's spans.
const tracerName = "github.com/seriatim-go/seriatim/opclient"

// startSpan begins the span of a submission, where Options.TracerProvider is set
// and what is submitted has no traceparent of its own.
func (c *Client) startSpan(ctx context.Context, name, given string) (context.Context, trace.Span) {
	if c.options.TracerProvider == nil || given != "" {
		return ctx, noop.Span{}
	}
	return c.options.TracerProvider.Tracer(tracerName).Start(ctx, name, trace.WithSpanKind(trace.SpanKindProducer))
}

// describeSpan says which operation is submitted, once its forms are checked.
func describeSpan(span trace.Span, o protocol.Operation) {
	if !span.IsRecording() {
		return
	}
	span.SetName("submit " + string(o.OperationType))
	span.SetAttributes(attribute.String(protocol.SpanOperationID, o.ID), attribute.String(protocol.SpanOperationType, string(o.OperationType)))
	if o.DependencyToken != "" {
		span.SetAttributes(attribute.String(protocol.SpanToken, o.DependencyToken))
	}
}

// endSpan ends a submission's span. The error's text is left out: it may quote what
// was submitted.
func endSpan(span trace.Span, err error) {
	if err != nil {
		reason := reasonOf(err)
		span.SetAttributes(attribute.String(protocol.SpanErrorType, reason))
		span.SetStatus(codes.Error, reason)
	}
	span.End()
}

// reasonOf is the type of a refusal, or that nothing is known to be submitted.
func reasonOf(err error) string {
	var refusal *protocol.Refusal
	var field *protocol.FieldError
	switch {
	case errors.As(err, &refusal):
		return refusal.Type
	case errors.As(err, &field):
		return protocol.ErrTypeInvalidOperation
	}
	return "NotSubmitted"
}

// traceparent is that which was given, or that of the span in ctx; empty where
// neither is one.
func traceparent(ctx context.Context, given string) string {
	if _, _, _, ok := protocol.ParseTraceparent(given); ok {
		return given
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}
