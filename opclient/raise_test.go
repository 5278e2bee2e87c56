package opclient_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

var update = protocol.Event{ID: "u1", MessageName: "update", PrimaryEntityType: "account", RegardingObjectID: "42", Data: json.RawMessage(`1`)}

// SPEC 8.7: durable, and no more.
func TestRaiseStartsTheEventsWorkflow(t *testing.T) {
	t.Parallel()
	var options client.StartWorkflowOptions
	var sent protocol.Event
	f := &fake{raise: func(o client.StartWorkflowOptions, e protocol.Event) error {
		options, sent = o, e
		return nil
	}}
	raised, err := opclient.New(f, opclient.Options{TaskQueue: "q"}).Raise(t.Context(), update)
	require.NoError(t, err)
	require.Equal(t, []any{"u1", "event:u1", false}, []any{raised.ID, raised.WorkflowID, raised.Duplicate})
	require.Equal(t, update, sent)
	require.Equal(t, []any{"event:u1", "q", update.ContentHash()}, []any{options.ID, options.TaskQueue, options.Memo[protocol.ContentHashMemo]})
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, options.WorkflowIDReusePolicy)
	raised, err = opclient.New(f, opclient.Options{}).Raise(t.Context(), protocol.Event{MessageName: "update"})
	require.NoError(t, err)
	require.Len(t, raised.ID, 36, "a UUIDv7")
}

func TestARepeatedEventIsRaisedOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hash string
		same bool
	}{
		"the same": {update.ContentHash(), true}, "with other content": {"other", false}, "from a client that left no hash": {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			memo := map[string]any{}
			if test.hash != "" {
				memo[protocol.ContentHashMemo] = test.hash
			}
			f := &fake{
				raise: func(client.StartWorkflowOptions, protocol.Event) error {
					return &serviceerror.WorkflowExecutionAlreadyStarted{}
				},
				describe: func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
					return execution(id, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, memo), nil
				},
			}
			raised, err := opclient.New(f, opclient.Options{}).Raise(t.Context(), update)
			if !test.same {
				require.ErrorIs(t, err, opclient.ErrDuplicateID)
				return
			}
			require.NoError(t, err)
			require.True(t, raised.Duplicate)
		})
	}
}

func TestAWrongEventIsNotSent(t *testing.T) {
	t.Parallel()
	c := opclient.New(&fake{}, opclient.Options{})
	_, err := c.Raise(t.Context(), protocol.Event{ID: "e"})
	require.ErrorContains(t, err, `raise event "e": messageName: is missing`)
	_, err = c.Raise(t.Context(), protocol.Event{MessageName: "m", Data: json.RawMessage(`"` + strings.Repeat("x", 64<<10) + `"`)})
	require.ErrorContains(t, err, "event: has 65")
}

func TestWaitTellsWhatAnEventBecame(t *testing.T) {
	t.Parallel()
	outcome := protocol.EventOutcome{Handlers: []protocol.EventHandled{{Handler: "audit", Operation: &protocol.Handle{ID: "u1~audit"}}}}
	ended := func(kind string, details any) error {
		return temporal.NewNonRetryableApplicationError("no", kind, nil, details)
	}
	wait := func(f *fake) (protocol.EventOutcome, error) {
		f.raise = func(client.StartWorkflowOptions, protocol.Event) error { return nil }
		raised, err := opclient.New(f, opclient.Options{}).Raise(t.Context(), update)
		require.NoError(t, err)
		return raised.Wait(t.Context())
	}
	got, err := wait(&fake{raised: outcome})
	require.NoError(t, err)
	require.Equal(t, outcome, got)
	got, err = wait(&fake{closed: ended(protocol.ErrTypeEventIncomplete, outcome)})
	require.NoError(t, err)
	require.Equal(t, outcome, got)
	_, err = wait(&fake{closed: ended(protocol.ErrTypeInvalidOperation, protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Message: "id"})})
	require.ErrorIs(t, err, opclient.ErrInvalidOperation)
	_, err = wait(&fake{closed: errors.New("terminated")})
	require.ErrorContains(t, err, `wait for event "u1": terminated`)
}

func TestCountOpenAsksTheIndex(t *testing.T) {
	t.Parallel()
	f := &fake{count: func(query string) (int64, error) {
		require.Equal(t, "WorkflowType IN ('Operation', 'Recurrence') AND OperationType = 'event.audit' AND ExecutionStatus = 'Running'", query)
		return 7, nil
	}}
	n, err := opclient.New(f, opclient.Options{}).CountOpen(t.Context(), "event.audit")
	require.NoError(t, err)
	require.Equal(t, int64(7), n)
	f.count = func(string) (int64, error) { return 0, serviceerror.NewInvalidArgument("no such attribute") }
	_, err = opclient.New(f, opclient.Options{}).CountOpen(t.Context(), "event.audit")
	require.ErrorContains(t, err, "no such attribute")
}
