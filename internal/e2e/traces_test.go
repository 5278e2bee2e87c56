package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const tracedConfig = `
taskQueue: %q
traces: {exporter: %q}
http:
  allowLoopback: true
  connections:
    - {name: target, baseURL: %q, headers: {X-Api-Key: %s}}
types:
  - {key: http.request, activity: http.request, startToClose: 1m, heartbeat: 5s, retry: {initial: 100ms, maxAttempts: 3}}
`

// collected takes spans over OTLP, as a collector does.
type collected struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracepb.Span
	text  strings.Builder // all that was sent
}

func newCollected(t *testing.T) *collected {
	t.Helper()
	c := &collected{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.text.WriteString(prototext.Format(&request))
		for _, resource := range request.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// of are the spans of an operation so far, in the order of their starts.
func (c *collected) of(id string) []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*tracepb.Span
	for _, span := range c.spans {
		if attributeOf(span, protocol.SpanOperationID) == id {
			found = append(found, span)
		}
	}
	slices.SortStableFunc(found, func(a, b *tracepb.Span) int {
		return int(int64(a.GetStartTimeUnixNano()) - int64(b.GetStartTimeUnixNano()))
	})
	return found
}

func (c *collected) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// attributeOf is an attribute as text, "" where there is none.
func attributeOf(span *tracepb.Span, name string) string {
	for _, a := range span.GetAttributes() {
		if a.GetKey() == name {
			value := a.GetValue()
			switch {
			case value.GetStringValue() != "":
				return value.GetStringValue()
			case value.GetIntValue() != 0:
				return fmt.Sprint(value.GetIntValue())
			}
			return fmt.Sprint(value.GetBoolValue())
		}
	}
	return ""
}

// flaky refuses the first request of each operation whose path is /flaky, and notes
// the traces of all.
type flaky struct {
	mu     sync.Mutex
	traces map[string][]string // by Idempotency-Key
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := r.Header.Get("Idempotency-Key")
	f.traces[id] = append(f.traces[id], r.Header.Get("Traceparent"))
	if r.URL.Path == "/flaky" && len(f.traces[id]) == 1 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, `{"answer":"`+canary+`"}`)
}

func (f *flaky) seen(id string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.traces[id])
}

// A request submits two operations of a token: the first is postponed, the second
// waits behind it and needs two attempts. Both are on the request's trace, over
// their waits, and so is what their target is asked. One that never ran has no
// span; nothing that an operation carries is in one; and no history is another.
func TestATraceGoesFromTheSubmitterToTheTarget(t *testing.T) {
	t.Parallel()
	target, spans := &flaky{traces: map[string][]string{}}, newCollected(t)
	server := httptest.NewServer(target)
	t.Cleanup(server.Close)
	queue, token := unique(t), unique(t)
	worker := startProcessAt(t, shared.Address(), shared.Namespace(), "warn", fmt.Sprintf(tracedConfig, queue, "otlp", server.URL, secretCanary),
		"OTEL_EXPORTER_OTLP_ENDPOINT="+spans.URL, "OTEL_BSP_SCHEDULE_DELAY=100")
	temporal, err := client.Dial(client.Options{HostPort: shared.Address(), Namespace: shared.Namespace()})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	memory := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(memory))
	options := opclient.Options{TaskQueue: queue, Namespace: shared.Namespace()}
	plain := opclient.New(temporal, options)
	options.TracerProvider = provider
	traced := opclient.New(temporal, options)

	ctx, request := provider.Tracer("test").Start(t.Context(), "request")
	soon := time.Now().Add(3 * time.Second)
	submit := func(c *opclient.Client, name, path string, until *time.Time) *opclient.Handle {
		handle, err := c.Submit(ctx, protocol.Operation{
			ID: token + name, OperationType: "http.request", DependencyToken: token, PostponeUntil: until,
			Data: fmt.Appendf(nil, `{"connection":"target","path":%q,"body":{"a":%q},"query":{"a":%[2]q}}`, path, canary),
		})
		require.NoError(t, err)
		return handle
	}
	head := submit(traced, "head", "/", &soon)
	second := submit(traced, "second", "/flaky", nil)
	cancelled := submit(traced, "cancelled", "/", nil)
	request.End()
	ctx = t.Context()
	untraced := submit(plain, "untraced", "/flaky", nil)
	_, err = plain.Cancel(ctx, cancelled.ID, token, "not needed")
	require.NoError(t, err)

	found, err := second.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, protocol.Succeeded, found.StatusCode)
	require.Equal(t, request.SpanContext().TraceID().String(), found.TraceID())
	for _, h := range []*opclient.Handle{head, untraced} {
		_, err = h.Wait(ctx)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		return len(spans.of(head.ID)) == 2 && len(spans.of(second.ID)) == 3 && len(spans.of(untraced.ID)) == 3
	}, patience, 50*time.Millisecond, "the spans are sent")

	submitted := map[string][]byte{} // the client's spans, by the operation's id
	for _, span := range memory.GetSpans() {
		for _, a := range span.Attributes {
			if a.Key == protocol.SpanOperationID {
				id := span.SpanContext.SpanID()
				submitted[a.Value.AsString()] = id[:]
				require.Equal(t, request.SpanContext().SpanID(), span.Parent.SpanID())
			}
		}
	}
	trace := request.SpanContext().TraceID()
	for _, id := range []string{head.ID, second.ID} {
		for _, span := range spans.of(id) {
			require.Equal(t, trace[:], span.GetTraceId())
			require.Equal(t, submitted[id], span.GetParentSpanId(), "%s of %s", span.GetName(), id)
			require.Equal(t, token, attributeOf(span, protocol.SpanToken))
		}
	}
	made := spans.of(second.ID)
	wait, first, again := made[0], made[1], made[2]
	require.Equal(t, []string{"wait http.request", "run http.request", "run http.request"}, []string{wait.GetName(), first.GetName(), again.GetName()})
	require.Equal(t, uint64(found.CreatedOn.UnixNano()), wait.GetStartTimeUnixNano(), "the wait begins when it is accepted")
	require.Equal(t, first.GetStartTimeUnixNano(), wait.GetEndTimeUnixNano())
	require.Greater(t, wait.GetEndTimeUnixNano(), uint64(soon.UnixNano()), "and lasts until its turn")
	require.Less(t, wait.GetStartTimeUnixNano(), uint64(soon.UnixNano()))
	require.Greater(t, again.GetStartTimeUnixNano(), first.GetEndTimeUnixNano())
	require.Equal(t, []string{"1", "retry", "HTTP 503"}, []string{attributeOf(first, protocol.SpanAttempt), attributeOf(first, protocol.SpanOutcome), attributeOf(first, protocol.SpanErrorType)})
	require.Equal(t, []string{"2", "succeeded", ""}, []string{attributeOf(again, protocol.SpanAttempt), attributeOf(again, protocol.SpanOutcome), attributeOf(again, protocol.SpanErrorType)})
	require.Equal(t, fmt.Sprintf("%d.1.2", found.Sequence), attributeOf(again, protocol.SpanFence))
	require.Equal(t, tracepb.Status_STATUS_CODE_ERROR, first.GetStatus().GetCode())
	require.Equal(t, "HTTP 503", first.GetStatus().GetMessage())
	require.Equal(t, tracepb.Status_STATUS_CODE_UNSET, again.GetStatus().GetCode())
	require.Equal(t, []string{
		fmt.Sprintf("00-%x-%x-01", trace[:], first.GetSpanId()), fmt.Sprintf("00-%x-%x-01", trace[:], again.GetSpanId()),
	}, target.seen(second.ID), "the target is asked on the trace of each attempt")

	own := spans.of(untraced.ID)
	for _, span := range own {
		require.Equal(t, own[0].GetTraceId(), span.GetTraceId())
		require.NotEqual(t, trace[:], span.GetTraceId())
		require.Empty(t, span.GetParentSpanId())
	}
	require.Empty(t, spans.of(cancelled.ID), "what never ran has none")
	require.NotContains(t, spans.all(), canary)
	require.NotContains(t, spans.all(), secretCanary)
	require.Contains(t, spans.all(), `"seriatim"`)
	require.Equal(t, eventsOf(t, temporal, untraced.ID), eventsOf(t, temporal, second.ID))
	require.NoError(t, worker.command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, worker.command.Wait())
}

// eventsOf are the types of an operation's events.
func eventsOf(t *testing.T, c client.Client, id string) (types []enumspb.EventType) {
	t.Helper()
	each := c.GetWorkflowHistory(t.Context(), protocol.OperationWorkflowID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for each.HasNext() {
		event, err := each.Next()
		require.NoError(t, err)
		types = append(types, event.GetEventType())
	}
	require.NotEmpty(t, types)
	return types
}

// A worker that was not asked for traces makes none, whatever the environment has,
// and passes its submitter's on.
func TestWithoutTheSettingThereAreNoSpans(t *testing.T) {
	t.Parallel()
	target, spans := &flaky{traces: map[string][]string{}}, newCollected(t)
	server := httptest.NewServer(target)
	t.Cleanup(server.Close)
	queue := unique(t)
	worker := startProcessAt(t, shared.Address(), shared.Namespace(), "warn", fmt.Sprintf(tracedConfig, queue, "", server.URL, "key"),
		"OTEL_EXPORTER_OTLP_ENDPOINT="+spans.URL, "OTEL_TRACES_EXPORTER=otlp")
	temporal, err := client.Dial(client.Options{HostPort: shared.Address(), Namespace: shared.Namespace()})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	handle, err := opclient.New(temporal, opclient.Options{TaskQueue: queue, Namespace: shared.Namespace()}).Submit(t.Context(), protocol.Operation{
		OperationType: "http.request", Traceparent: traceparent, Data: []byte(`{"connection":"target","path":"/"}`),
	})
	require.NoError(t, err)
	found, err := handle.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, protocol.Succeeded, found.StatusCode)
	require.Equal(t, []string{traceparent}, target.seen(handle.ID))
	require.NoError(t, worker.command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, worker.command.Wait())
	require.Empty(t, spans.all())
}

// A collector that is away costs no operation, and the log says so.
func TestACollectorThatIsAwayCostsNothing(t *testing.T) {
	t.Parallel()
	target := &flaky{traces: map[string][]string{}}
	server := httptest.NewServer(target)
	t.Cleanup(server.Close)
	queue := unique(t)
	worker := startProcessAt(t, shared.Address(), shared.Namespace(), "warn", fmt.Sprintf(tracedConfig, queue, "otlp", server.URL, secretCanary),
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://"+freeAddress(t), "OTEL_BSP_SCHEDULE_DELAY=100")
	temporal, err := client.Dial(client.Options{HostPort: shared.Address(), Namespace: shared.Namespace()})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	handle, err := opclient.New(temporal, opclient.Options{TaskQueue: queue, Namespace: shared.Namespace()}).Submit(t.Context(), protocol.Operation{
		OperationType: "http.request", Data: fmt.Appendf(nil, `{"connection":"target","path":"/","body":%q}`, canary),
	})
	require.NoError(t, err)
	found, err := handle.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, protocol.Succeeded, found.StatusCode)
	require.NoError(t, worker.command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, worker.command.Wait())
	log, err := os.ReadFile(worker.log)
	require.NoError(t, err)
	require.Contains(t, string(log), "races are not sent.")
	require.NotContains(t, string(log), canary)
	require.NotContains(t, string(log), secretCanary)
}
