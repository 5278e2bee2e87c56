package activities

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/seriatim-go/seriatim/protocol"
)

const (
	submitterTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	submitterSpan  = "00f067aa0ba902b7"
	submitter      = "00-" + submitterTrace + "-" + submitterSpan + "-01"
)

// recorded are a provider, and the spans that it made.
func recorded(options ...sdktrace.TracerProviderOption) (trace.TracerProvider, func() tracetest.SpanStubs) {
	memory := tracetest.NewInMemoryExporter()
	options = append(options, sdktrace.WithSyncer(memory), sdktrace.WithIDGenerator(TraceIDs{}))
	return sdktrace.NewTracerProvider(options...), memory.GetSpans
}

// traced runs one attempt as a worker with traces does.
func traced(t *testing.T, provider trace.TracerProvider, handler Handler, in protocol.HandlerInput) error {
	t.Helper()
	_, err := attempt(context.Background(), t, Traced(provider, Handlers{"x": handler})["x"], in)
	return err
}

func attributesOf(span tracetest.SpanStub) map[string]any {
	all := make(map[string]any, len(span.Attributes))
	for _, a := range span.Attributes {
		all[string(a.Key)] = a.Value.AsInterface()
	}
	return all
}

func TestAnOperationGoesOnTheTraceOfItsSubmitter(t *testing.T) {
	t.Parallel()
	provider, spans := recorded()
	accepted := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	var within trace.SpanContext
	handler := HandlerFunc(func(ctx context.Context, _ Request) protocol.Outcome {
		within = trace.SpanContextFromContext(ctx)
		return protocol.Success("secret-result")
	})
	require.NoError(t, traced(t, provider, handler, protocol.HandlerInput{
		Operation: protocol.Operation{ID: "a1", OperationType: "test.work", DependencyToken: "customer-42", Traceparent: submitter, Data: []byte(`"secret-data"`)},
		CreatedOn: accepted, Fence: protocol.Fence{Sequence: 7, N: 1},
	}))
	made := spans()
	require.Len(t, made, 2)
	wait, run := made[0], made[1]
	require.Equal(t, []string{"wait test.work", "run test.work"}, []string{wait.Name, run.Name})
	for _, span := range made {
		require.Equal(t, submitterTrace, span.SpanContext.TraceID().String())
		require.Equal(t, submitterSpan, span.Parent.SpanID().String())
		require.True(t, span.Parent.IsRemote())
		require.Equal(t, codes.Unset, span.Status.Code)
		require.Empty(t, span.Links)
		require.Empty(t, span.Events)
	}
	require.True(t, wait.StartTime.Equal(accepted))
	require.True(t, wait.EndTime.Equal(run.StartTime))
	require.False(t, run.EndTime.Before(run.StartTime))
	require.Equal(t, []trace.SpanKind{trace.SpanKindInternal, trace.SpanKindConsumer}, []trace.SpanKind{wait.SpanKind, run.SpanKind})
	require.Equal(t, run.SpanContext.SpanID(), within.SpanID(), "the handler's ctx carries its span")
	operation := map[string]any{protocol.SpanOperationID: "a1", protocol.SpanOperationType: "test.work", protocol.SpanToken: "customer-42"}
	require.Equal(t, operation, attributesOf(wait))
	operation[protocol.SpanFence], operation[protocol.SpanAttempt], operation[protocol.SpanOutcome] = "7.1.1", int64(1), "succeeded"
	require.Equal(t, operation, attributesOf(run))
	require.NotContains(t, fmt.Sprint(made), "secret")
}

func TestOnlyTheFirstAttemptEndsTheWait(t *testing.T) {
	t.Parallel()
	provider, spans := recorded()
	require.NoError(t, traced(t, provider, returns(protocol.Success(nil)), protocol.HandlerInput{
		Operation: protocol.Operation{ID: "a1", Traceparent: submitter}, CreatedOn: time.Now(), Fence: protocol.Fence{N: 2},
	}))
	require.Len(t, spans(), 1)
	require.Equal(t, "0.2.1", attributesOf(spans()[0])[protocol.SpanFence])
}

// A clock that is behind makes no span that ends before it begins.
func TestAWaitNeverEndsBeforeItBegins(t *testing.T) {
	t.Parallel()
	provider, spans := recorded()
	require.NoError(t, traced(t, provider, returns(protocol.Success(nil)), protocol.HandlerInput{
		Operation: protocol.Operation{ID: "a1"}, CreatedOn: time.Now().Add(time.Hour), Fence: protocol.Fence{N: 1},
	}))
	require.Equal(t, spans()[0].StartTime, spans()[0].EndTime)
}

// A span has the code of an outcome, never its message.
func TestSpansSayHowAnAttemptEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outcome protocol.Outcome
		status  sdktrace.Status
		wanted  map[string]any
	}{
		"failed":           {protocol.Failure("503", "secret"), sdktrace.Status{Code: codes.Error, Description: "503"}, map[string]any{protocol.SpanOutcome: "failed", protocol.SpanErrorType: "503"}},
		"a retry":          {protocol.Retry("Busy", "secret"), sdktrace.Status{Code: codes.Error, Description: "Busy"}, map[string]any{protocol.SpanOutcome: "retry", protocol.SpanErrorType: "Busy", protocol.SpanCounted: true}},
		"nobody's failure": {protocol.Retry("Stopped", "secret").WithoutCounting(), sdktrace.Status{}, map[string]any{protocol.SpanOutcome: "retry", protocol.SpanErrorType: "Stopped", protocol.SpanCounted: false}},
		"a person's":       {protocol.Suspension("FileMissing", "secret"), sdktrace.Status{Code: codes.Error, Description: "FileMissing"}, map[string]any{protocol.SpanOutcome: "suspended", protocol.SpanErrorType: "FileMissing"}},
		"no outcome":       {protocol.Outcome{Kind: "secret"}, sdktrace.Status{Code: codes.Error, Description: "OutcomeUnknown"}, map[string]any{protocol.SpanOutcome: "failed", protocol.SpanErrorType: "OutcomeUnknown"}},
		"canceled by none": {protocol.Cancellation(), sdktrace.Status{Code: codes.Error, Description: "CancellationUnexpected"}, map[string]any{protocol.SpanOutcome: "failed", protocol.SpanErrorType: "CancellationUnexpected"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider, spans := recorded()
			require.Error(t, traced(t, provider, returns(c.outcome.WithFriendly("secret")), protocol.HandlerInput{Operation: protocol.Operation{ID: "a1"}}))
			require.Len(t, spans(), 1)
			span := spans()[0]
			require.Equal(t, c.status, span.Status)
			all := attributesOf(span)
			for _, same := range []string{protocol.SpanOperationID, protocol.SpanOperationType, protocol.SpanFence, protocol.SpanAttempt} {
				require.Contains(t, all, same)
				delete(all, same)
			}
			require.Equal(t, c.wanted, all)
			require.NotContains(t, fmt.Sprint(span), "secret")
		})
	}
}

// What a handler panics with may quote its data.
func TestAPanicEndsItsSpanWithoutItsText(t *testing.T) {
	t.Parallel()
	provider, spans := recorded()
	err := traced(t, provider, HandlerFunc(func(context.Context, Request) protocol.Outcome { panic("secret") }), protocol.HandlerInput{})
	require.ErrorContains(t, err, "secret", "the engine has it")
	require.Len(t, spans(), 1)
	require.Equal(t, sdktrace.Status{Code: codes.Error, Description: "panic"}, spans()[0].Status)
	require.NotContains(t, fmt.Sprint(spans()), "secret")
}

// One that goes on no trace has one of its own, the same in each attempt and on each
// worker; an occurrence's is linked to the submitter of the recurrence.
func TestAnOperationOnNoTraceHasOneOfItsOwn(t *testing.T) {
	t.Parallel()
	created := time.Now()
	for name, o := range map[string]protocol.Operation{
		"without a traceparent": {ID: "a1"},
		"with none that is one": {ID: "a2", Traceparent: "secret"},
		"an occurrence":         {ID: protocol.OccurrenceID("nightly", 3), Traceparent: submitter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var made tracetest.SpanStubs
			for range 2 { // two workers
				provider, spans := recorded()
				require.NoError(t, traced(t, provider, returns(protocol.Success(nil)), protocol.HandlerInput{Operation: o, CreatedOn: created, Fence: protocol.Fence{N: 1}}))
				made = append(made, spans()...)
			}
			require.Len(t, made, 4)
			seen := map[trace.SpanID]bool{}
			for _, span := range made {
				require.Equal(t, made[0].SpanContext.TraceID(), span.SpanContext.TraceID())
				require.NotEqual(t, submitterTrace, span.SpanContext.TraceID().String())
				require.False(t, span.Parent.IsValid())
				seen[span.SpanContext.SpanID()] = true
				if o.Traceparent != submitter {
					require.Empty(t, span.Links)
					continue
				}
				require.Len(t, span.Links, 1)
				require.Equal(t, submitterSpan, span.Links[0].SpanContext.SpanID().String())
			}
			require.Len(t, seen, 4)
		})
	}
	require.NotEqual(t, ownTraceID(Request{CreatedOn: created}), ownTraceID(Request{CreatedOn: created.Add(1)}))
}

// What a handler begins anew is not on the trace of its operation.
func TestAHandlersOwnTracesAreTheirOwn(t *testing.T) {
	t.Parallel()
	provider, spans := recorded()
	require.NoError(t, traced(t, provider, HandlerFunc(func(ctx context.Context, _ Request) protocol.Outcome {
		_, span := provider.Tracer("test").Start(ctx, "anew", trace.WithNewRoot())
		span.End()
		return protocol.Success(nil)
	}), protocol.HandlerInput{}))
	require.NotEqual(t, spans()[0].SpanContext.TraceID(), spans()[1].SpanContext.TraceID())
}

// A submitter that was not sampled is not traced.
func TestTheSubmittersSamplingCounts(t *testing.T) {
	t.Parallel()
	for flags, wanted := range map[string]int{"00": 0, "01": 2, "02": 0, "fe": 0, "ff": 2} {
		provider, spans := recorded()
		require.NoError(t, traced(t, provider, returns(protocol.Success(nil)), protocol.HandlerInput{
			Operation: protocol.Operation{ID: "a1", Traceparent: submitter[:len(submitter)-2] + flags}, CreatedOn: time.Now(), Fence: protocol.Fence{N: 1},
		}))
		require.Len(t, spans(), wanted, flags)
	}
}

func TestWithoutAProviderNothingIsWrapped(t *testing.T) {
	t.Parallel()
	handlers := Handlers{"x": returns(protocol.Success(nil))}
	same := Traced(nil, handlers)
	same["y"] = nil
	require.Contains(t, handlers, "y", "the handlers are as they were given")
}

func TestHTTPRequestsGoOnTheTrace(t *testing.T) {
	t.Parallel()
	url, last := recorder(t)
	handler := newHandler(t, HTTPOptions{})
	in := func(o protocol.Operation, headers string) protocol.HandlerInput {
		o.Data = fmt.Appendf(nil, `{"url":%q,"headers":{%s}}`, url, headers)
		return protocol.HandlerInput{Operation: o}
	}
	from := protocol.Operation{ID: "a1", Traceparent: submitter}
	occurrence := protocol.Operation{ID: protocol.OccurrenceID("a1", 1), Traceparent: submitter}

	provider, spans := recorded()
	require.NoError(t, traced(t, provider, handler, in(from, "")))
	run := spans()[0].SpanContext
	require.Equal(t, []string{"00-" + submitterTrace + "-" + run.SpanID().String() + "-01"}, last().headers["Traceparent"])

	require.NoError(t, traced(t, nil, handler, in(from, "")))
	require.Equal(t, submitter, last().headers.Get("traceparent"), "without spans of our own it is passed on")
	require.NoError(t, traced(t, nil, handler, in(protocol.Operation{ID: "a1"}, "")))
	require.Empty(t, last().headers["Traceparent"])
	require.NoError(t, traced(t, nil, handler, in(occurrence, "")))
	require.Empty(t, last().headers["Traceparent"], "an occurrence is not on that trace")
	require.NoError(t, traced(t, provider, handler, in(from, `"traceparent":"own"`)))
	require.Equal(t, []string{"own"}, last().headers["Traceparent"], "a header of the operation's own stays")
}

// A redirect to another host takes the trace along as little as other headers.
func TestTheTraceStaysWithTheHostThatWasAsked(t *testing.T) {
	t.Parallel()
	url, last := recorder(t)
	first := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, url, http.StatusTemporaryRedirect)
	})
	require.NoError(t, traced(t, nil, newHandler(t, HTTPOptions{}), protocol.HandlerInput{
		Operation: protocol.Operation{ID: "a1", Traceparent: submitter, Data: []byte(toURL(first))},
	}))
	require.Empty(t, last().headers["Traceparent"])
}

// The gate's word counts too: it is behind the spans.
func TestAStoppedTypesAttemptIsNobodysFailure(t *testing.T) {
	t.Parallel()
	provider, spans := recorded()
	gate := NewGate(nil, 0, nil)
	gate.Set([]protocol.Stop{{OperationType: "x"}})
	handlers := Traced(provider, gate.Guard(Handlers{"x": returns(protocol.Failure("Run", "it was called"))}))
	_, err := attempt(context.Background(), t, handlers["x"], protocol.HandlerInput{Operation: protocol.Operation{ID: "a1", OperationType: "x"}})
	require.Error(t, err)
	require.Equal(t, codes.Unset, spans()[0].Status.Code)
	require.Contains(t, spans()[0].Attributes, attribute.String(protocol.SpanErrorType, protocol.CodeStopped))
}

func TestACancelledAttemptIsNoError(t *testing.T) {
	t.Parallel()
	provider, spans := recorded()
	ctx, end := context.WithCancelCause(context.Background())
	end(errors.New("the worker stops"))
	outcome := Traced(provider, Handlers{"x": returns(protocol.Cancellation())})["x"].Handle(ctx, Request{})
	require.True(t, outcome.Uncounted, "as without traces: a worker that stops cancels nothing")
	require.Equal(t, codes.Unset, spans()[0].Status.Code)
	require.Contains(t, spans()[0].Attributes, attribute.String(protocol.SpanOutcome, "retry"))
}
