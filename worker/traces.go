package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/internal/config"
)

// traceStopTimeout is how long a worker that stops waits for its last spans to be
// taken.
const traceStopTimeout = 5 * time.Second

// traces are where spans go; without a provider none are made.
type traces struct {
	provider trace.TracerProvider
	stop     func(context.Context) error
}

// newTraces sends them as the OTEL_* variables say, once they are asked for. It does
// not look whether anybody is there to take them.
func newTraces(c config.Traces, env config.Env) (traces, error) {
	if c.Exporter == "" {
		return traces{}, nil
	}
	ctx, wrong := context.Background(), &settings{}
	otel.SetLogger(logr.New(wrong))
	defer otel.SetLogger(logr.Discard())
	exporter, err := newExporter(ctx, env)
	if err != nil {
		return traces{}, fmt.Errorf("traces.exporter: %w", err)
	}
	// What comes later counts: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
	described, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "seriatim")),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return traces{}, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described),
		sdktrace.WithIDGenerator(activities.TraceIDs{}))
	return traces{provider, provider.Shutdown}, errors.Join(wrong.problems...)
}

// settings gathers what OpenTelemetry's libraries find wrong in OTEL_* variables.
// By themselves they print it, with values that may be secrets, and go on.
type settings struct{ problems []error }

// Error takes the reason and leaves the values out.
func (s *settings) Error(err error, message string, _ ...any) {
	var address *url.Error
	var escape url.EscapeError
	switch {
	case errors.As(err, &escape):
		err = errors.New("a percent sign without two hex digits")
	case errors.As(err, &address):
		err = address.Err
	}
	s.problems = append(s.problems, fmt.Errorf("traces.exporter: OTEL_*: %s: %w", message, err))
}

// Init and the rest make it a logr.LogSink.
func (s *settings) Init(logr.RuntimeInfo)          {}
func (s *settings) Enabled(int) bool               { return false }
func (s *settings) Info(int, string, ...any)       {}
func (s *settings) WithName(string) logr.LogSink   { return s }
func (s *settings) WithValues(...any) logr.LogSink { return s }

// newExporter is that of the protocol that the environment names.
func newExporter(ctx context.Context, env config.Env) (*otlptrace.Exporter, error) {
	const variable = "OTEL_EXPORTER_OTLP_PROTOCOL"
	own, _ := env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	all, _ := env(variable)
	switch protocol := cmp.Or(own, all, "http/protobuf"); protocol {
	case "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	default:
		return nil, fmt.Errorf("%s: %q is neither http/protobuf nor grpc", variable, protocol)
	}
}

// begin has what cannot be sent logged, and answers how to send the last spans.
func (t traces) begin(logger *slog.Logger) (end func()) {
	if t.provider == nil {
		return func() {}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("Traces are not sent.", "error", err) }))
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), traceStopTimeout)
		defer cancel()
		if err := t.stop(ctx); err != nil {
			logger.Warn("The last traces are not sent.", "error", err)
		}
	}
}
