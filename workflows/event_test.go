package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// eventBench is a worker with handlers for events.
type eventBench struct {
	*testsuite.TestWorkflowEnvironment
	t         *testing.T
	submitted []protocol.Operation
	// submit decides how a submission ends; nil succeeds.
	submit func(protocol.Operation) error
}

func newEventBench(t *testing.T, handlers ...catalogue.EventHandler) *eventBench {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	b := &eventBench{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t}
	c, err := (&catalogue.Catalogue{}).WithEvents(handlers...)
	require.NoError(t, err)
	Register(b.TestWorkflowEnvironment, c, Options{})
	b.RegisterActivityWithOptions(func(_ context.Context, operations []protocol.Operation) (handles []protocol.Handle, err error) {
		o := operations[0]
		if b.submit != nil {
			if err := b.submit(o); err != nil {
				return nil, err
			}
		}
		b.submitted = append(b.submitted, o)
		return []protocol.Handle{{ID: o.ID, Token: o.DependencyToken, WorkflowID: protocol.OperationWorkflowID(o.ID)}}, nil
	}, activity.RegisterOptions{Name: protocol.SubmitForEventActivity})
	return b
}

func (b *eventBench) raise(id string, input ...any) (outcome protocol.EventOutcome, err error) {
	b.t.Helper()
	b.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id, TaskQueue: "operations"})
	b.ExecuteWorkflow(protocol.EventWorkflow, input...)
	require.True(b.t, b.IsWorkflowCompleted())
	if err := b.GetWorkflowError(); err != nil {
		return outcome, err
	}
	require.NoError(b.t, b.GetWorkflowResult(&outcome))
	return outcome, nil
}

func handlerFor(name, message string) catalogue.EventHandler {
	return catalogue.EventHandler{Name: name, MessageName: message, Binding: catalogue.Binding{Activity: name}}
}

// SPEC 6.6, 8.7: one operation of type 1 for each handler, with what was raised.
func TestAnEventBecomesAnOperationForEachHandler(t *testing.T) {
	t.Parallel()
	ordered := handlerFor("ordered", "")
	ordered.DependencyToken = "account-{regardingObjectId}"
	b := newEventBench(t, handlerFor("audit", "update"), ordered, handlerFor("other", "create"))
	outcome, err := b.raise("event:e1", map[string]any{
		"messageName": "update", "primaryEntityType": "account", "regardingObjectId": "42", "data": map[string]any{"a": 1}, "depth": 3, "newer": true,
	})
	require.NoError(t, err)
	require.Len(t, b.submitted, 2)
	byID := map[string]protocol.Operation{}
	for _, o := range b.submitted {
		byID[o.ID] = o
	}
	require.Equal(t, protocol.Operation{
		ID: "e1~audit", Name: "audit: update account", OperationType: "event.audit", MessageName: "update", PrimaryEntityType: "account",
		RegardingObjectID: "42", Data: json.RawMessage(`{"a":1}`), CorrelationID: "e1", Depth: 3,
	}, byID["e1~audit"])
	require.Equal(t, "account-42", byID["e1~ordered"].DependencyToken)
	require.Equal(t, []protocol.EventHandled{
		{Handler: "audit", Operation: &protocol.Handle{ID: "e1~audit", WorkflowID: "operation:e1~audit"}},
		{Handler: "ordered", Operation: &protocol.Handle{ID: "e1~ordered", Token: "account-42", WorkflowID: "operation:e1~ordered"}},
	}, outcome.Handlers)
}

func TestAnEventWithoutHandlersCompletes(t *testing.T) {
	t.Parallel()
	b := newEventBench(t, handlerFor("audit", "update"))
	outcome, err := b.raise("event:e1", protocol.Event{MessageName: "create"})
	require.NoError(t, err)
	require.Empty(t, outcome.Handlers)
	require.Empty(t, b.submitted)
}

// SPEC 8.7: what one handler lacks is not the others' affair; and it shows.
func TestOneHandlersTroubleLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	tokened := handlerFor("tokened", "")
	tokened.DependencyToken = "{ownerId}"
	b := newEventBench(t, handlerFor("taken", ""), tokened, handlerFor("fine", ""), handlerFor("slow", ""))
	away := 3
	b.submit = func(o protocol.Operation) error {
		switch {
		case o.ID == "e1~taken":
			return temporal.NewNonRetryableApplicationError("another operation has the id", protocol.ErrTypeDuplicateID, nil)
		case o.ID == "e1~slow" && away > 0:
			away--
			return errors.New("the server is away")
		}
		return nil
	}
	_, err := b.raise("event:e1", protocol.Event{MessageName: "update"})
	var failed *temporal.ApplicationError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, protocol.ErrTypeEventIncomplete, failed.Type())
	require.Contains(t, failed.Message(), "2 of 4 handlers")
	var outcome protocol.EventOutcome
	require.NoError(t, failed.Details(&outcome))
	require.Equal(t, "another operation has the id", outcome.Handlers[0].Error)
	require.Equal(t, "dependencyToken: {ownerId} is empty, or no plain value", outcome.Handlers[1].Error)
	require.Len(t, b.submitted, 2)
	require.NotNil(t, outcome.Handlers[3].Operation)
}

// SPEC 3.3: what cannot be read is refused visibly.
func TestAnEventThatCannotBeReadFails(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, id, problem string
		input             []any
	}{
		{"nothing", "event:e1", "there is no argument", nil},
		{"no message", "event:e1", "messageName: is missing", []any{protocol.Event{}}},
		{"bytes", "event:e1", `encoding is "binary/plain"`, []any{[]byte("{}")}},
		{"another id", "event:e1", `id: is not that of workflow id "event:e1" (got "e2")`, []any{protocol.Event{ID: "e2", MessageName: "m"}}},
		{"another workflow id", "e1", `workflow id: "e1" is not "event:"`, []any{protocol.Event{MessageName: "m"}}},
		{"an id that is too long", "event:" + "0123456789012345678901234567890123456789012345678901234567890123456789", "id: has 70 bytes, the limit is 64", []any{protocol.Event{MessageName: "m"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newEventBench(t, handlerFor("audit", ""))
			_, err := b.raise(tc.id, tc.input...)
			var failed *temporal.ApplicationError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, protocol.ErrTypeInvalidOperation, failed.Type())
			require.Contains(t, failed.Message(), tc.problem)
			require.Empty(t, b.submitted)
		})
	}
}
