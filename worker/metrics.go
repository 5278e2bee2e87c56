package main

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"

	"github.com/seriatim-go/seriatim/workflows"
)

// described is a metric of ours, beside those of the SDK, of Go and of the
// process.
type described struct {
	// name is what the workflows call it; what is exposed ends in _total for a
	// counter and in _seconds for a histogram.
	name, kind, help string
}

const (
	counter   = "counter"
	histogram = "histogram"
	gauge     = "gauge"
)

// reportedByWorkflows are the metrics of package workflows. docs/observability.md
// says more of each.
var reportedByWorkflows = []described{
	{workflows.MetricAccepted, counter, "Operations that were accepted."},
	{workflows.MetricRefused, counter, "Submissions that were refused, by reason."},
	{workflows.MetricDuplicates, counter, "Submissions that repeated an operation, and were acknowledged as that."},
	{workflows.MetricStarted, counter, "Operations whose handler was scheduled for the first time, by type."},
	{workflows.MetricCompleted, counter, "Operations that are Completed, by type and outcome."},
	{workflows.MetricWait, histogram, "From acceptance until the handler was scheduled for the first time, by type; postponements included."},
	{workflows.MetricRun, histogram, "From the scheduling of a handler until it ended, by type; the engine's retries and the wait for a worker included."},
	{workflows.MetricHandOff, histogram, "From the end of one head until the handler of the next, which waited for that alone, was scheduled."},
	{workflows.MetricPostponeLateness, histogram, "How long after its instant a postponed operation woke."},
	{workflows.MetricAdoptions, counter, "Executions that a serializer's run watches and did not start itself."},
	{workflows.MetricPagesStarted, counter, "Pages into which the middle of a long queue was put."},
	{workflows.MetricPagesLoaded, counter, "Pages that were read back."},
	{workflows.MetricPagesLost, counter, "Pages that could not be read back; their tokens stand."},
}

// exposed is the metric's name for Prometheus.
func (d described) exposed() string {
	switch d.kind {
	case counter:
		return d.name + "_total"
	case histogram:
		return d.name + "_seconds"
	}
	return d.name
}

// Bounds of the buckets, in seconds: those of the SDK's latencies, and of
// operations, which may wait for weeks.
var (
	latencies = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	waits     = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}
)

// metrics are what /metrics exposes.
type metrics struct {
	registry *prometheus.Registry
	// handler is told by the SDK and by the workflows.
	handler client.MetricsHandler
}

// newMetrics are those of this process. What cannot be counted is logged: it
// must not keep a worker from working.
func newMetrics(logger *slog.Logger) (metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry),
		otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return metrics{}, err
	}
	provider := metric.NewMeterProvider(metric.WithReader(exporter), metric.WithView(view))
	handler := opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                provider.Meter("seriatim"),
		UseMonotonicCounters: true,
		OnError:              func(err error) { logger.Error("A metric is not counted.", "error", err) },
	})
	return metrics{registry, handler}, nil
}

// view gives instruments their descriptions and buckets: the SDK names them only.
func view(i metric.Instrument) (metric.Stream, bool) {
	stream := metric.Stream{Name: i.Name, Unit: i.Unit, Description: i.Description}
	for _, d := range reportedByWorkflows {
		if d.name == i.Name {
			stream.Description = d.help
		}
	}
	if i.Kind == metric.InstrumentKindHistogram {
		stream.Aggregation = metric.AggregationExplicitBucketHistogram{Boundaries: latencies}
		if strings.HasPrefix(i.Name, "seriatim_") {
			stream.Aggregation = metric.AggregationExplicitBucketHistogram{Boundaries: waits}
		}
	}
	return stream, true
}

// page answers Prometheus.
func (m metrics) page(logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(logger.Handler(), slog.LevelError),
		ErrorHandling: promhttp.ContinueOnError,
	})
}
