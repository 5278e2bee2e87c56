package main

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// scraped is what Prometheus reads.
func scraped(t *testing.T, m metrics) string {
	t.Helper()
	code, text := asked(t, m.page(slog.New(slog.DiscardHandler)), metricsPath)
	require.Equal(t, 200, code)
	return text
}

func testMetrics(t *testing.T) metrics {
	t.Helper()
	m, err := newMetrics(slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return m
}

func TestMetricsAreExposedWithHelpAndBuckets(t *testing.T) {
	t.Parallel()
	m := testMetrics(t)
	for _, d := range reportedByWorkflows {
		if d.kind == counter {
			m.handler.WithTags(map[string]string{"type": "test.work"}).Counter(d.name).Inc(2)
		} else {
			m.handler.Timer(d.name).Record(90 * time.Second)
		}
	}
	m.handler.Timer("temporal_request_latency").Record(3 * time.Millisecond)
	text := scraped(t, m)
	for _, d := range reportedByWorkflows {
		require.Contains(t, text, "# HELP "+d.exposed()+" "+d.help+"\n")
		require.Contains(t, text, "# TYPE "+d.exposed()+" "+d.kind+"\n")
		if d.kind == counter {
			require.Contains(t, text, d.exposed()+`{type="test.work"} 2`)
		} else {
			require.Contains(t, text, d.exposed()+`_bucket{le="60"} 0`)
			require.Contains(t, text, d.exposed()+`_bucket{le="300"} 1`)
			require.Contains(t, text, d.exposed()+`_sum 90`)
		}
	}
	require.Contains(t, text, `temporal_request_latency_seconds_bucket{le="0.0025"} 0`)
	require.Contains(t, text, `temporal_request_latency_seconds_bucket{le="0.005"} 1`)
	require.Contains(t, text, "\ngo_goroutines ")
	require.Contains(t, text, "\nprocess_start_time_seconds ")
}

// answers are tokens, and an error for each that is nil.
type answers []*opclient.TokenState

func (a answers) Tokens(context.Context, opclient.TokenFilter) iter.Seq2[opclient.TokenState, error] {
	return func(yield func(opclient.TokenState, error) bool) {
		for _, state := range a {
			if state == nil && !yield(opclient.TokenState{WorkflowID: "token:broken"}, errors.New("broken")) {
				return
			} else if state != nil && !yield(*state, nil) {
				return
			}
		}
	}
}

func TestSurveyAddsTokensUp(t *testing.T) {
	t.Parallel()
	now := time.Now()
	token := func(change func(*protocol.SerializerState)) *opclient.TokenState {
		state := &opclient.TokenState{Running: true}
		change(&state.SerializerState)
		return state
	}
	head := func(since time.Duration, status protocol.StatusCode, reason protocol.SuspendReason) func(*protocol.SerializerState) {
		on := now.Add(-since)
		return func(s *protocol.SerializerState) {
			s.Head, s.HeadSince, s.Queued = &protocol.Record{StatusCode: status, SuspendReason: reason}, &on, 3
		}
	}
	m := testMetrics(t)
	s := newSurvey(answers{
		token(head(time.Minute, protocol.InProgress, "")),
		token(head(time.Hour, protocol.InProgress, "")),
		token(head(time.Second, protocol.InProgress, "")),
		token(head(24*time.Hour, protocol.Waiting, protocol.SuspendPostponed)),
		token(head(24*time.Hour, protocol.Waiting, protocol.SuspendError)),
		token(func(s *protocol.SerializerState) { s.Hold, s.Queued = &protocol.Hold{}, 7 }),
		token(func(s *protocol.SerializerState) { s.Failure = &protocol.FailureHold{} }),
		{Running: false},
		nil,
	}, time.Minute, slog.New(slog.DiscardHandler))
	m.registry.MustRegister(s)
	require.NotContains(t, scraped(t, m), "seriatim_", "before the first round nothing is known")
	found, err := s.round(t.Context())
	require.NoError(t, err)
	found.begun = now
	s.set(found)
	text := scraped(t, m)
	for name, wanted := range map[string]string{
		"seriatim_tokens": "7", "seriatim_tokens_held": "1", "seriatim_tokens_failed": "1", "seriatim_tokens_unread": "1",
		"seriatim_operations_queued": "22", "seriatim_queue_depth_max": "7", "seriatim_heads_waiting": "1", "seriatim_heads_error": "1",
		"seriatim_oldest_head_age_seconds": "3600",
	} {
		require.Contains(t, text, "\n"+name+" "+wanted+"\n")
	}
	for _, g := range surveyed {
		require.Contains(t, text, "# HELP "+g.name+" "+g.help+"\n# TYPE "+g.name+" gauge\n")
	}
}

// unlisted says that there is no list of the tokens.
type unlisted struct{}

func (unlisted) Tokens(context.Context, opclient.TokenFilter) iter.Seq2[opclient.TokenState, error] {
	return func(yield func(opclient.TokenState, error) bool) { yield(opclient.TokenState{}, errors.New("away")) }
}

func TestSurveyThatFailsIsNone(t *testing.T) {
	t.Parallel()
	_, err := newSurvey(unlisted{}, time.Minute, slog.New(slog.DiscardHandler)).round(t.Context())
	require.EqualError(t, err, "away")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newSurvey(answers{}, time.Minute, slog.New(slog.DiscardHandler)).round(ctx)
	require.ErrorIs(t, err, context.Canceled, "one that was cut short is not taken for all tokens")
}

// What is exposed is documented: each name with its kind and its labels.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/observability.md")
	require.NoError(t, err)
	labels := map[string]string{
		workflows.MetricRefused: "`reason`", workflows.MetricStarted: "`type`", workflows.MetricCompleted: "`type`, `outcome`",
		workflows.MetricWait: "`type`", workflows.MetricRun: "`type`",
	}
	documented := string(text)
	for _, d := range all() {
		require.Contains(t, documented, "| `"+d.exposed()+"` | "+d.kind+" | "+labels[d.name]+strings.Repeat(" ", min(1, len(labels[d.name])))+"| ", d.name)
	}
}

// all are the metrics of ours.
func all() []described {
	list := append([]described(nil), reportedByWorkflows...)
	for _, g := range surveyed {
		list = append(list, g.described)
	}
	return list
}
