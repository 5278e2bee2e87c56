package activities

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/seriatim-go/seriatim/protocol"
)

// tracerName is the instrumentation scope of the spans.
const tracerName = "github.com/seriatim-go/seriatim/activities"

// Traced makes spans of handlers, given to Register. "wait TYPE" is from the
// acceptance of an operation to its first attempt, "run TYPE" each attempt, whose
// span is in the handler's ctx. Both are children of the span of the operation's
// traceparent. An operation without one, and an occurrence of a recurring
// operation, has a trace of its own, linked to that traceparent: give the provider
// TraceIDs, or each span begins another. A nil provider makes no spans and answers
// the handlers as they are.
func Traced(provider trace.TracerProvider, handlers Handlers) Handlers {
	if provider == nil {
		return handlers
	}
	t := tracing{provider.Tracer(tracerName)}
	traced := make(Handlers, len(handlers))
	for name, handler := range handlers {
		traced[name] = HandlerFunc(func(ctx context.Context, r Request) protocol.Outcome {
			return t.handle(ctx, r, handler)
		})
	}
	return traced
}

type tracing struct{ tracer trace.Tracer }

// handle runs one attempt under its span.
func (t tracing) handle(ctx context.Context, r Request, handler Handler) protocol.Outcome {
	began := time.Now()
	if r.Fence.N == 1 && r.Fence.Attempt <= 1 && !r.CreatedOn.IsZero() {
		// Clocks differ: what begins after it ends is shown wrongly.
		accepted := began
		if r.CreatedOn.Before(began) {
			accepted = r.CreatedOn
		}
		t.start(ctx, "wait", r, trace.WithTimestamp(accepted)).End(trace.WithTimestamp(began))
	}
	span := t.start(ctx, "run", r, trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String(protocol.SpanFence, r.Fence.String()), attribute.Int(protocol.SpanAttempt, int(r.Fence.Attempt))))
	ended := false
	defer func() { // End is not deferred itself, or it would keep what a handler panics with
		if !ended {
			span.SetStatus(codes.Error, "panic")
		}
		span.End()
	}()
	ctx = trace.ContextWithSpan(ctx, span)
	outcome := checked(ctx, handler.Handle(ctx, r), time.Now())
	ended = true
	note(span, outcome)
	return outcome
}

// start begins a span of the operation.
func (t tracing) start(ctx context.Context, what string, r Request, options ...trace.SpanStartOption) trace.Span {
	o := r.Operation
	attributes := []attribute.KeyValue{
		attribute.String(protocol.SpanOperationID, o.ID), attribute.String(protocol.SpanOperationType, string(o.OperationType)),
	}
	if o.DependencyToken != "" {
		attributes = append(attributes, attribute.String(protocol.SpanToken, o.DependencyToken))
	}
	options = append(options, trace.WithAttributes(attributes...))
	submitter := spanOf(o.Traceparent)
	if o.TraceID() != "" {
		ctx = trace.ContextWithRemoteSpanContext(ctx, submitter)
	} else {
		ctx = context.WithValue(ctx, ownTrace{}, ownTraceID(r))
		options = append(options, trace.WithNewRoot())
		if submitter.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: submitter}))
		}
	}
	_, span := t.tracer.Start(ctx, what+" "+string(o.OperationType), options...)
	return span
}

// note says on the span how the attempt ended. A message stays in the record.
func note(span trace.Span, o protocol.Outcome) {
	span.SetAttributes(attribute.String(protocol.SpanOutcome, string(o.Kind)))
	if o.Kind == protocol.OutcomeRetry {
		span.SetAttributes(attribute.Bool(protocol.SpanCounted, !o.Uncounted))
	}
	if o.Code == "" || o.Kind == protocol.OutcomeSucceeded {
		return
	}
	code := cut(o.Code, maxCodeBytes)
	span.SetAttributes(attribute.String(protocol.SpanErrorType, code))
	if !o.Uncounted {
		span.SetStatus(codes.Error, code)
	}
}

// spanOf is the span of a traceparent, as another process made it.
func spanOf(traceparent string) trace.SpanContext {
	traceID, spanID, flags, ok := protocol.ParseTraceparent(traceparent)
	if !ok {
		return trace.SpanContext{}
	}
	var config trace.SpanContextConfig
	config.TraceID, _ = trace.TraceIDFromHex(traceID) // it is one
	config.SpanID, _ = trace.SpanIDFromHex(spanID)
	bits, _ := strconv.ParseUint(flags, 16, 8)
	config.TraceFlags = trace.TraceFlags(bits) & trace.FlagsSampled
	config.Remote = true
	return trace.NewSpanContext(config)
}

// setTraceparent has a request go on the trace of the attempt that sends it; where
// no spans are made, that of the submitter.
func setTraceparent(ctx context.Context, headers http.Header, o protocol.Operation) {
	if headers.Get(traceparentHeader) != "" {
		return
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(headers))
	if o.TraceID() != "" {
		setDefault(headers, traceparentHeader, o.Traceparent)
	}
}

// traceparentHeader is that of the W3C trace context.
const traceparentHeader = "Traceparent"

// ownTrace is the key of the trace id of an operation that goes on none.
type ownTrace struct{}

// ownTraceID is the same in every attempt.
func ownTraceID(r Request) trace.TraceID {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d", r.Operation.ID, r.CreatedOn.UnixNano()))
	return trace.TraceID(sum[:16])
}

// TraceIDs makes random ids, but one trace id for all spans of an operation that
// goes on no trace: the IDGenerator of OpenTelemetry's SDK for Traced.
type TraceIDs struct{}

// NewIDs are those of a span that begins a trace.
func (TraceIDs) NewIDs(ctx context.Context) (id trace.TraceID, span trace.SpanID) {
	id, ok := ctx.Value(ownTrace{}).(trace.TraceID)
	for !ok || !id.IsValid() {
		_, _ = rand.Read(id[:]) // it never fails
		ok = true
	}
	return id, TraceIDs{}.NewSpanID(ctx, id)
}

// NewSpanID is that of a span that goes on a trace.
func (TraceIDs) NewSpanID(context.Context, trace.TraceID) (span trace.SpanID) {
	for !span.IsValid() {
		_, _ = rand.Read(span[:])
	}
	return span
}
