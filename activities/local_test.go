package activities

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// locally runs a handler once as a local activity.
func locally(t *testing.T, handlers Handlers, in protocol.HandlerInput) (protocol.HandlerResult, error) {
	t.Helper()
	value, err := newEnvironment().ExecuteLocalActivity(LocalAs("host-1", handlers), "test.handler", in)
	var result protocol.HandlerResult
	if err == nil {
		require.NoError(t, value.Get(&result))
	}
	return result, err
}

func localInput() protocol.HandlerInput {
	return protocol.HandlerInput{
		Operation: protocol.Operation{ID: "a1", OperationType: "test.mail", Data: json.RawMessage(`{"n":1}`)},
		CreatedOn: time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC), Fence: protocol.Fence{Sequence: 7, N: 1},
	}
}

// SPEC 2.2: a local attempt is older than every regular one of the same call.
func TestALocalAttemptHasItsOwnFence(t *testing.T) {
	t.Parallel()
	var seen Request
	result, err := locally(t, Handlers{"test.handler": HandlerFunc(func(_ context.Context, r Request) protocol.Outcome {
		seen = r
		return protocol.Success("done")
	})}, localInput())
	require.NoError(t, err)
	require.Equal(t, protocol.Fence{Sequence: 7, N: 1, Attempt: 0}, seen.Fence)
	require.JSONEq(t, `"done"`, string(result.Result))
	require.Equal(t, "host-1", result.Held.HostID)
	require.Zero(t, result.Held.Retries)
	require.WithinDuration(t, time.Now(), result.Held.StartedOn, time.Minute)
}

// What a handler does with its input stays with it.
func TestALocalAttemptHasItsOwnInput(t *testing.T) {
	t.Parallel()
	in := localInput()
	_, err := locally(t, Handlers{"test.handler": HandlerFunc(func(_ context.Context, r Request) protocol.Outcome {
		copy(r.Operation.Data, "xxxxxxx")
		return protocol.Success(nil)
	})}, in)
	require.NoError(t, err)
	require.JSONEq(t, `{"n":1}`, string(in.Operation.Data))
}

func TestAHandlerThatIsNotHereIsNotRunLocally(t *testing.T) {
	t.Parallel()
	_, err := locally(t, Handlers{"test.another": returns(protocol.Success(nil))}, localInput())
	require.ErrorContains(t, err, `no handler "test.handler"`)
	require.ErrorContains(t, err, protocol.ErrTypeNoLocalHandler)
}

// SPEC 8.2: a type that is stopped does not run locally either.
func TestAStoppedTypeDoesNotRunLocally(t *testing.T) {
	t.Parallel()
	cat, err := catalogue.New(catalogue.Type{Key: "test.mail", Binding: catalogue.Binding{Activity: "test.handler"}})
	require.NoError(t, err)
	gate := NewGate(cat, time.Second, nil)
	gate.Set([]protocol.Stop{{OperationType: "test.mail"}})
	_, err = locally(t, gate.Guard(Handlers{"test.handler": HandlerFunc(func(context.Context, Request) protocol.Outcome {
		t.Error("it ran")
		return protocol.Success(nil)
	})}), localInput())
	_, details := failed(t, err)
	require.Equal(t, protocol.CodeStopped, details.Code)
	require.False(t, *details.Counted)
}

// A local attempt has the spans of any other.
func TestALocalAttemptIsTraced(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	_, err := locally(t, Traced(provider, Handlers{"test.handler": returns(protocol.Success(nil))}), localInput())
	require.NoError(t, err)
	var names []string
	for _, span := range recorder.Ended() {
		names = append(names, span.Name())
	}
	require.Equal(t, []string{"wait test.mail", "run test.mail"}, names)
}
