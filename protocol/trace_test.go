package protocol

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID      = "00f067aa0ba902b7"
	traceparent = "00-" + traceID + "-" + spanID + "-01"
)

// wrongTraceparents are JSON values that are no trace context of version 00.
var wrongTraceparents = map[string]string{
	"empty":               `""`,
	"a number":            `7`,
	"an object":           `{"traceId":"x"}`,
	"another version":     `"01-` + traceID + `-` + spanID + `-01"`,
	"the forbidden one":   `"ff-` + traceID + `-` + spanID + `-01"`,
	"capitals":            `"00-` + strings.ToUpper(traceID) + `-` + spanID + `-01"`,
	"no hex":              `"00-` + strings.Repeat("g", 32) + `-` + spanID + `-01"`,
	"a trace id of zeros": `"00-` + strings.Repeat("0", 32) + `-` + spanID + `-01"`,
	"a span id of zeros":  `"00-` + traceID + `-` + strings.Repeat("0", 16) + `-01"`,
	"no flags":            `"00-` + traceID + `-` + spanID + `"`,
	"short flags":         `"00-` + traceID + `-` + spanID + `-1"`,
	"more after it":       `"` + traceparent + `-00"`,
	"white space":         `" ` + traceparent + `"`,
	"a control character": `"` + traceparent + `\n"`,
	"half a surrogate":    `"\ud800"`,
	"far too long":        `"` + strings.Repeat("0", 10_000) + `"`,
}

// SPEC 1.2: a bad trace never costs an operation.
func TestWhatIsNoTraceContextIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, value := range wrongTraceparents {
		o, unknown, err := DecodeOperation([]byte(`{"id":"a","operationType":"x","traceparent":` + value + `}`))
		require.NoError(t, err, name)
		require.Empty(t, unknown, name)
		require.Equal(t, Operation{ID: "a", OperationType: "x"}, o, name)
		e, _, err := DecodeEvent([]byte(`{"messageName":"m","traceparent":` + value + `}`))
		require.NoError(t, err, name)
		require.Empty(t, e.Traceparent, name)
	}
}

func TestATraceContextIsKept(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"00", "01", "ff"} {
		given := strings.TrimSuffix(traceparent, "01") + flags
		o, unknown, err := DecodeOperation([]byte(`{"id":"a","operationType":"x","traceparent":"` + given + `"}`))
		require.NoError(t, err)
		require.Empty(t, unknown)
		require.Equal(t, given, o.Traceparent)
		require.Equal(t, traceID, o.TraceID())
		trace, span, read, ok := ParseTraceparent(given)
		require.Equal(t, []any{traceID, spanID, flags, true}, []any{trace, span, read, ok})
	}
	e, unknown, err := DecodeEvent([]byte(`{"id":"e","messageName":"m","traceparent":"` + traceparent + `"}`))
	require.NoError(t, err)
	require.Empty(t, unknown)
	require.Equal(t, traceparent, e.Operation("h").Traceparent)
}

func TestAnOccurrenceGoesOnNoTrace(t *testing.T) {
	t.Parallel()
	require.Empty(t, Operation{ID: OccurrenceID("a", 3), Traceparent: traceparent}.TraceID())
}

// SPEC 1.2: a repeat from another trace is the same operation.
func TestATraceContextIsNoContent(t *testing.T) {
	t.Parallel()
	o, e := Operation{ID: "a", OperationType: "x"}, Event{ID: "e", MessageName: "m"}
	traced, tracedEvent := o, e
	traced.Traceparent, tracedEvent.Traceparent = traceparent, traceparent
	require.Equal(t, o.ContentHash(), traced.ContentHash())
	require.Equal(t, e.ContentHash(), tracedEvent.ContentHash())
	require.Equal(t, traceparent, traced.Traceparent, "and it stays")
}

func TestABatchBesideATraceContextIsABatch(t *testing.T) {
	t.Parallel()
	parts, err := SplitSubmission([]byte(`{"operations":[{"id":"a"},{"id":"b"}],"traceparent":"` + traceparent + `"}`))
	require.NoError(t, err)
	require.Len(t, parts, 2)
}
