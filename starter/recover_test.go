package main

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// ruin is a token that reports a terminated run.
func ruin() *fake {
	f := site()
	f.state.Predecessor = protocol.Predecessor{Look: protocol.PredecessorTerminated, RunID: "run-1", Queued: 2, Identity: "ops@host", Reason: "by mistake"}
	answer := f.answer
	f.answer = func(name string) any {
		if name != protocol.PrependUpdateName {
			return answer(name)
		}
		first := record("p", protocol.WaitingForResources)
		first.Position = 1
		return protocol.PrependReply{Recovered: 2, Known: 1, First: []protocol.Record{first}}
	}
	return f
}

func TestRecoverOutput(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"recover.txt":      "recover customer-42",
		"recover.json":     "recover customer-42 -o json",
		"recover-look.txt": "recover customer-42 --dry-run",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, ruin(), "", strings.Fields(args)...)
			require.Zero(t, r.code, r.stderr)
			golden(t, name, r.stdout)
		})
	}
}

func TestRecoverSaysThatThereIsNothing(t *testing.T) {
	t.Parallel()
	f := ruin()
	f.state.Recovered = []string{"run-1"}
	r := start(t, f, "", "recover", "customer-42")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stdout, "nothing to do   run run-1 was recovered before")
	require.Empty(t, f.sent)
}

func TestRecoverTellsARefusal(t *testing.T) {
	t.Parallel()
	f := ruin()
	f.refusal = temporal.NewNonRetryableApplicationError("", protocol.ErrTypeInvalidOperation, nil, protocol.Refusal{Message: "runId: recover another one"})
	r := start(t, f, "", "recover", "customer-42", "--dry-run")
	require.Equal(t, exitRefused, r.code)
	require.Contains(t, r.stderr, "runId: recover another one")
	require.Equal(t, exitUsage, start(t, nil, "", "recover").code)
}

func TestTokenShowsHowTheOneBeforeEnded(t *testing.T) {
	t.Parallel()
	f := ruin()
	require.Contains(t, start(t, f, "", "token", "show", "customer-42").stdout, "2 operations were left and are not run (run run-1); bring them back: starter recover")
	f.state.Predecessor.Look = protocol.PredecessorRecovered
	require.Contains(t, start(t, f, "", "token", "show", "customer-42").stdout, "ops@host terminated the serializer (by mistake); 2 operations were recovered")
}

// GetWorkflowHistory answers how the run was terminated.
func (f *fake) GetWorkflowHistory(context.Context, string, string, bool, enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	return &closeEvent{event: &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{
		WorkflowExecutionTerminatedEventAttributes: &historypb.WorkflowExecutionTerminatedEventAttributes{Identity: "ops@host", Reason: "by mistake"},
	}}}
}

type closeEvent struct {
	client.HistoryEventIterator
	event *historypb.HistoryEvent
}

func (e *closeEvent) HasNext() bool { return e.event != nil }

func (e *closeEvent) Next() (event *historypb.HistoryEvent, _ error) {
	event, e.event = e.event, nil
	return event, nil
}
