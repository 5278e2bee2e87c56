package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// testHandlers are registered for events on every site.
func testHandlers() []catalogue.EventHandler {
	record, work := catalogue.Binding{Activity: "record"}, catalogue.Binding{Activity: "work", HeartbeatSeconds: 1}
	return []catalogue.EventHandler{
		{Name: "audit", MessageName: "update", Binding: record},
		{Name: "ordered", MessageName: "update", PrimaryEntityType: "account", DependencyToken: "{data.token}", Binding: record},
		{Name: "fails", MessageName: "update", PrimaryEntityType: "account", Binding: work},
		{Name: "round", MessageName: "round", Binding: work},
	}
}

func (s *site) raise(e protocol.Event) protocol.EventOutcome {
	s.t.Helper()
	raised, err := s.operations().Raise(s.ctx, e)
	require.NoError(s.t, err)
	outcome, err := raised.Wait(s.ctx)
	require.NoError(s.t, err)
	return outcome
}

// SPEC 8.7: each handler's operation is its own; an error in one is nobody else's,
// and a token keeps the events of a record in order.
func TestEventsBecomeOperations(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	s.works = func(context.Context, activities.Request) protocol.Outcome { return protocol.Failure("E7", "no") }
	token := unique(t)
	s.tokens[token] = true
	var wanted []string
	for i := range 5 {
		e := protocol.Event{
			ID: fmt.Sprintf("%d-%s", i, token[len(token)-8:]), MessageName: "update", PrimaryEntityType: "account", RegardingObjectID: "42",
			Data: json.RawMessage(fmt.Sprintf(`{"token":%q}`, token)),
		}
		outcome := s.raise(e)
		require.Len(t, outcome.Handlers, 3)
		wanted = append(wanted, e.ID+"~ordered")
		again, err := s.operations().Raise(s.ctx, e)
		require.NoError(t, err)
		require.True(t, again.Duplicate, "raised once")
		for _, h := range outcome.Handlers {
			found, err := s.operations().Wait(s.ctx, h.Operation.ID, h.Operation.Token)
			require.NoError(t, err)
			require.Equal(t, h.Handler == "fails", found.StatusCode == protocol.Failed, h.Handler)
			require.Equal(t, []any{"event." + h.Handler, 1, e.ID}, []any{found.TypeKey, found.TypeNumber, found.CorrelationID})
		}
	}
	requireInOrder(t, wanted, s.ran(token))
	require.Empty(t, s.raise(protocol.Event{MessageName: "nobody"}).Handlers)
	incomplete := s.raise(protocol.Event{MessageName: "update", PrimaryEntityType: "account"})
	require.Contains(t, incomplete.Handlers[1].Error, "{data.token} is empty")
	require.NotNil(t, incomplete.Handlers[0].Operation)
}

// SPEC 6.6, 8.7: events that cause each other go one deeper each time, and end.
func TestEventsThatGoRoundEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	s.works = func(ctx context.Context, r activities.Request) protocol.Outcome {
		raised, err := s.operations().Raise(ctx, protocol.Event{MessageName: "round"}.CausedBy(r.Operation))
		if err != nil {
			return protocol.Retry("NotRaised", err.Error())
		}
		return protocol.Success(raised.ID)
	}
	outcome := s.raise(protocol.Event{MessageName: "round", CorrelationID: unique(t)})
	next := outcome.Handlers[0].Operation.ID
	for depth := 0; ; depth++ {
		found, err := s.waitFor(next)
		require.NoError(t, err)
		require.Equal(t, depth, found.Depth)
		if found.StatusCode == protocol.Failed {
			require.Equal(t, []any{9, "80044182"}, []any{depth, found.ErrorCode})
			return
		}
		var event string
		require.NoError(t, json.Unmarshal(found.Result, &event))
		next = protocol.EventOperationID(event, "round")
	}
}

// waitFor waits for an operation that is about to be submitted.
func (s *site) waitFor(id string) (opclient.Found, error) {
	s.closed(id)
	return s.operations().Get(s.ctx, id, "")
}

// SPEC 8.7: durable without a worker; from any client, who need not know of the
// handlers.
func TestAnEventIsDurableWithoutAWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	s.stopWorker()
	id := unique(t)[len(t.Name()):]
	_, err := s.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: "event:e" + id, TaskQueue: s.taskQueue}, "Event",
		map[string]any{"messageName": "update", "newer": true})
	require.NoError(t, err)
	c := cli{t: t, queue: s.taskQueue}
	c.ok("raise", "--message", "update", "--id", "cli"+id)
	s.startWorker()
	for _, id := range []string{"e" + id, "cli" + id} {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id+"~audit"))
	}
	require.Contains(t, c.ok("raise", "--message", "update", "--id", "cli"+id, "--wait"), "cli"+id+"~audit")
}

// SPEC 8.3, 8.7: a handler that went away, with operations left.
func TestAHandlerThatWentAwayIsNamed(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	found := s.ends(protocol.Operation{OperationType: "event.gone"})
	require.Equal(t, []any{protocol.Failed, "80044303"}, []any{found.StatusCode, found.ErrorCode})
	require.Contains(t, found.FriendlyMessage, `Register the handler "gone" in the worker's configuration (events: in config.yaml)`)
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte("events: [{name: gone, activity: gone}]"), 0o600))
	require.Contains(t, cli{t: t, queue: s.taskQueue}.ok("handlers", "--config", path), "event.gone")
}
