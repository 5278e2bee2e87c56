package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/internal/config"
	"github.com/seriatim-go/seriatim/protocol"
)

func TestTracesAreOffByDefault(t *testing.T) {
	t.Parallel()
	off, err := newTraces(config.Default().Traces, func(name string) (string, bool) {
		require.Fail(t, "the environment is read: "+name)
		return "", false
	})
	require.NoError(t, err)
	require.Nil(t, off.provider)
	off.begin(slog.New(slog.DiscardHandler))()
}

func TestAProtocolThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	_, err := newTraces(config.Traces{Exporter: config.TracesOTLP}, func(name string) (string, bool) {
		return "http/json", name == "OTEL_EXPORTER_OTLP_PROTOCOL"
	})
	require.EqualError(t, err, `traces.exporter: OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" is neither http/protobuf nor grpc`)
}

// A variable that is wrong is named by what is wrong in it, never by its value: it
// may be a credential.
func TestWrongVariablesAreRefusedWithoutTheirValues(t *testing.T) {
	for variable, c := range map[string]struct{ value, problem string }{
		"OTEL_EXPORTER_OTLP_HEADERS":            {"secret", "parse headers: missing '="},
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS":     {"a=secret%zz", "escape header value: a percent sign without two hex digits"},
		"OTEL_EXPORTER_OTLP_ENDPOINT":           {"http://user:secret@host:port", "parse url: invalid port"},
		"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": {"absent.pem", "read tls ca cert file: open absent.pem"},
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, c.value)
			t.Setenv("SERIATIM_TRACES_EXPORTER", config.TracesOTLP)
			code, _, stderr := start(context.Background(), "--config", "../config.yaml")
			require.Equal(t, exitUsage, code)
			require.Contains(t, stderr, c.problem)
			require.NotContains(t, stderr, "secret")
			require.NotContains(t, stderr, "%zz")
		})
	}
}

// receiver takes spans over gRPC.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	taken chan *collector.ExportTraceServiceRequest
}

func (r receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.taken <- request
	return &collector.ExportTraceServiceResponse{}, nil
}

// The last spans are sent when the worker stops, as the environment says.
func TestSpansAreSentOverGRPC(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, r := grpc.NewServer(), receiver{taken: make(chan *collector.ExportTraceServiceRequest, 9)}
	collector.RegisterTraceServiceServer(server, r)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	t.Setenv("OTEL_SERVICE_NAME", "north")
	made, err := newTraces(config.Traces{Exporter: config.TracesOTLP}, os.LookupEnv)
	require.NoError(t, err)
	end := made.begin(slog.New(slog.DiscardHandler))
	var within trace.SpanContext
	handlers := activities.Traced(made.provider, activities.Handlers{"x": activities.HandlerFunc(func(ctx context.Context, _ activities.Request) protocol.Outcome {
		within = trace.SpanContextFromContext(ctx)
		return protocol.Success(nil)
	})})
	handlers["x"].Handle(t.Context(), activities.Request{Operation: protocol.Operation{ID: "a1", OperationType: "x"}})
	require.Empty(t, r.taken)
	end()
	sent := (<-r.taken).GetResourceSpans()
	require.Len(t, sent, 1)
	require.Contains(t, sent[0].GetResource().String(), `"north"`)
	require.NotContains(t, sent[0].GetResource().String(), `"seriatim"`)
	require.Len(t, sent[0].GetScopeSpans()[0].GetSpans(), 1)
	id := within.SpanID()
	require.Equal(t, id[:], sent[0].GetScopeSpans()[0].GetSpans()[0].GetSpanId())
}
