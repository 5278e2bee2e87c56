package opclient_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const givenTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// submits is a fake that notes the traceparents that reach the server.
func submits(t *testing.T) (f *fake, last func() string) {
	t.Helper()
	var traceparent string
	f = &fake{
		signal: func(_ string, argument any) error {
			var o protocol.Operation
			require.NoError(t, json.Unmarshal(argument.(json.RawMessage), &o))
			traceparent = o.Traceparent
			return nil
		},
		start: func(_ client.StartWorkflowOptions, o protocol.Operation) error {
			traceparent = o.Traceparent
			return nil
		},
		raise: func(_ client.StartWorkflowOptions, e protocol.Event) error { traceparent = e.Traceparent; return nil },
	}
	return f, func() string { return traceparent }
}

func traceparentOf(span trace.SpanContext) string {
	return "00-" + span.TraceID().String() + "-" + span.SpanID().String() + "-01"
}

// Whoever submits on a trace has the operation go on it, without a setting.
func TestSubmissionsGoOnTheCallersTrace(t *testing.T) {
	t.Parallel()
	f, last := submits(t)
	c := opclient.New(f, opclient.Options{})
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "request")
	here := traceparentOf(span.SpanContext())
	for name, o := range map[string]protocol.Operation{
		"with a token":         {OperationType: "x", DependencyToken: "customer-42"},
		"without one":          {OperationType: "x"},
		"what is none is left": {OperationType: "x", Traceparent: "secret"},
	} {
		_, err := c.Submit(ctx, o)
		require.NoError(t, err)
		require.Equal(t, here, last(), name)
	}
	_, err := c.Submit(ctx, protocol.Operation{OperationType: "x", Traceparent: givenTrace})
	require.NoError(t, err)
	require.Equal(t, givenTrace, last(), "the caller's own word counts")
	_, err = c.Submit(t.Context(), protocol.Operation{OperationType: "x", Traceparent: "secret"})
	require.NoError(t, err)
	require.Empty(t, last())
	_, err = c.SubmitMany(ctx, opclient.Items(protocol.Operation{OperationType: "x", DependencyToken: "a"}), nil)
	require.NoError(t, err)
	require.Equal(t, here, last())
	_, err = c.Raise(ctx, protocol.Event{MessageName: "update"})
	require.NoError(t, err)
	require.Equal(t, here, last())
}

// A trace never costs an operation: it is left out where there is no room for it.
func TestATraceLeavesRoomForTheOperation(t *testing.T) {
	t.Parallel()
	f, last := submits(t)
	c := opclient.New(f, opclient.Options{MaxOperationBytes: 1000})
	ctx, _ := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "request")
	large := func(n int) json.RawMessage { return fmt.Appendf(nil, "%q", strings.Repeat("x", n)) }
	_, err := c.Submit(ctx, protocol.Operation{ID: "a", OperationType: "x", Data: large(940)})
	require.NoError(t, err)
	require.Empty(t, last())
	_, err = c.Submit(ctx, protocol.Operation{ID: "a", OperationType: "x", Data: large(1000)})
	require.ErrorContains(t, err, "the limit is 1000")
	_, err = c.Raise(ctx, protocol.Event{ID: "a", MessageName: "x", Data: large(940)})
	require.NoError(t, err)
	require.Empty(t, last())
}

func TestSubmissionsAreProducerSpansWhereTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	f, last := submits(t)
	memory := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(memory))
	c := opclient.New(f, opclient.Options{TracerProvider: provider})
	ctx, parent := provider.Tracer("test").Start(t.Context(), "request")
	_, err := c.Submit(ctx, protocol.Operation{ID: "a1", OperationType: "x", DependencyToken: "customer-42", Data: json.RawMessage(`"secret"`)})
	require.NoError(t, err)
	_, err = c.Submit(ctx, protocol.Operation{OperationType: "secret of a type", Name: "secret"})
	require.Error(t, err)
	_, err = c.Raise(ctx, protocol.Event{MessageName: "secret"})
	require.NoError(t, err)
	raised := last()
	_, err = c.Submit(ctx, protocol.Operation{OperationType: "x", Traceparent: givenTrace})
	require.NoError(t, err)
	spans := memory.GetSpans()
	require.Len(t, spans, 3, "none where the operation has a trace already")
	for i, wanted := range []string{"submit x", "submit", "raise"} {
		require.Equal(t, wanted, spans[i].Name)
		require.Equal(t, trace.SpanKindProducer, spans[i].SpanKind)
		require.Equal(t, parent.SpanContext().SpanID(), spans[i].Parent.SpanID())
	}
	require.Equal(t, []attribute.KeyValue{
		attribute.String(protocol.SpanOperationID, "a1"), attribute.String(protocol.SpanOperationType, "x"), attribute.String(protocol.SpanToken, "customer-42"),
	}, spans[0].Attributes)
	require.Equal(t, sdktrace.Status{Code: codes.Error, Description: protocol.ErrTypeInvalidOperation}, spans[1].Status)
	require.Equal(t, traceparentOf(spans[2].SpanContext), raised)
	require.NotContains(t, fmt.Sprint(spans), "secret")
}
