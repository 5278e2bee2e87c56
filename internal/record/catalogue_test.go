package record

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// catalogueTypes are restricted, or run by a workflow.
var catalogueTypes = []catalogue.Type{
	{Key: "rollup.field", Binding: catalogue.Binding{Activity: "record"}},
	{Key: "workflow", Binding: catalogue.Binding{Workflows: []catalogue.Workflow{{Name: "waits"}}, CancelTimeoutSeconds: 1}},
}

// waits is a workflow that runs an operation.
func waits(ctx workflow.Context, seconds int) error {
	return workflow.Sleep(ctx, time.Duration(seconds)*time.Second)
}

func (s *stage) ofType(kind protocol.TypeRef, n int, data string) protocol.Operation {
	o := s.op(n)
	o.OperationType, o.Data = kind, json.RawMessage(data)
	return o
}

var catalogueShapes = []shape{
	{name: "operation-workflow", play: func(s *stage) {
		s.start(s.ofType("workflow", 1, `{"workflowType":"waits","input":1}`))
		s.keepOperation(1)
	}},
	{name: "operation-workflow-canceled", play: func(s *stage) {
		s.start(s.ofType("10", 1, `{"workflowType":"waits","input":3600}`))
		id := protocol.OperationWorkflowID(s.op(1).ID)
		require.Eventually(s.t, func() bool {
			_, err := s.DescribeWorkflowExecution(s.ctx, protocol.HandlerWorkflowID(s.op(1).ID, 1), "")
			return err == nil
		}, patience, 50*time.Millisecond)
		s.update(id, protocol.PauseUpdateName, "", protocol.ActionRequest{}) // refused without a trace
		s.update(id, protocol.CancelUpdateName, "", protocol.ActionRequest{Reason: "not needed"})
		s.keepOperation(1)
	}},
	{name: "operation-restricted", play: func(s *stage) {
		o := s.ofType("57", 1, `null`)
		until := time.Now().Add(3 * time.Second).UTC()
		o.PostponeUntil = &until
		s.start(o)
		id := protocol.OperationWorkflowID(o.ID)
		s.update(id, protocol.CancelUpdateName, "", protocol.ActionRequest{}) // refused without a trace
		require.NoError(s.t, s.CancelWorkflow(s.ctx, id, ""))
		s.keepOperation(1)
	}},
	{name: "serializer-restricted", play: func(s *stage) {
		s.submit(s.postponed(1, time.Hour), s.ofType("rollup.field", 2, `1`), s.op(3))
		s.until(func(state protocol.SerializerState) bool { return state.Queued == 2 })
		s.cancelQueued(2) // refused without a trace
		s.update(s.token(), protocol.CancelAllUpdateName, "", protocol.TokenRequest{Reason: "not needed"})
		s.keepClosed()
	}},
	{name: "operation-local", play: func(s *stage) {
		s.submit(s.ofType(localType, 1, `1`))
		s.until(func(state protocol.SerializerState) bool { return state.Counts.Succeeded == 1 })
		s.keepOperation(1)
	}},
	{name: "operation-local-direct", play: func(s *stage) {
		s.start(s.ofType(localType, 1, `1`))
		s.keepOperation(1)
	}},
	{name: "operation-local-retried", play: func(s *stage) {
		s.failsFirst(temporal.NewApplicationError("busy", protocol.ErrTypeRetry, protocol.FailureDetails{Checkpoint: json.RawMessage(`7`)}))
		s.start(s.ofType(localType, 1, `1`))
		s.keepOperation(1)
	}},
	{name: "operation-local-elsewhere", play: func(s *stage) {
		s.failsFirst(temporal.NewNonRetryableApplicationError("not here", protocol.ErrTypeNoLocalHandler, nil))
		s.start(s.ofType(localType, 1, `1`))
		s.keepOperation(1)
	}},
	{name: "operation-local-again", play: func(s *stage) {
		id, calls := protocol.OperationWorkflowID(s.op(1).ID), 0
		s.handle = func(context.Context, protocol.HandlerInput) error {
			if calls++; calls == 1 {
				return s.SignalWorkflow(s.ctx, id, "", "another", nil)
			}
			return nil
		}
		s.start(s.ofType(localType, 1, `1`))
		s.keepOperation(1)
	}},
	{name: "event", play: func(s *stage) {
		_, err := s.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: protocol.EventWorkflowID(s.name), TaskQueue: s.name},
			protocol.EventWorkflow, protocol.Event{MessageName: "update", Data: json.RawMessage(fmt.Sprintf("%q", s.name))})
		require.NoError(s.t, err)
		s.closed(protocol.EventWorkflowID(s.name), "")
		s.keep("", protocol.EventWorkflowID(s.name), "")
	}},
}
