package opclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

func TestSubmitSignalsTheTokensSerializer(t *testing.T) {
	t.Parallel()
	var sent protocol.Operation
	f := &fake{signal: func(workflowID string, argument any) error {
		require.Equal(t, target("customer-42"), workflowID)
		return json.Unmarshal(argument.(json.RawMessage), &sent)
	}}
	handle, err := opclient.New(f, opclient.Options{}).Submit(t.Context(),
		protocol.Operation{OperationType: "x", DependencyToken: "customer-42", Data: json.RawMessage(`{"n":1}`)})
	require.NoError(t, err)
	id, err := uuid.Parse(handle.ID)
	require.NoError(t, err)
	require.Equal(t, uuid.Version(7), id.Version())
	require.Equal(t, handle.ID, sent.ID)
	require.Empty(t, sent.DependencyToken, "the serializer knows its token")
	require.Equal(t, target("customer-42"), handle.WorkflowID)
	require.Equal(t, "customer-42", handle.Token)
}

// SPEC 1.2, 8.3, 8.5: limits and forms are refused before anything is sent.
func TestSubmitRefusesBeforeItSends(t *testing.T) {
	t.Parallel()
	cat, err := catalogue.New(catalogue.Type{Key: "x", Binding: catalogue.Binding{Activity: "X"}})
	require.NoError(t, err)
	now := time.Now()
	for name, test := range map[string]struct {
		operation protocol.Operation
		want      string
		is        error
	}{
		"a field":           {protocol.Operation{OperationType: "x", Priority: 9}, "priority: is not in 1..5 (got 9)", nil},
		"the size":          {protocol.Operation{OperationType: "x", Data: json.RawMessage(`"` + strings.Repeat("x", 64<<10) + `"`)}, "the limit is 65536", nil},
		"an unknown type":   {protocol.Operation{OperationType: "y"}, "not in the catalogue; known are x", opclient.ErrInvalidOperation},
		"a recurrence":      {protocol.Operation{OperationType: "x", RecurrencePattern: "FREQ=SECONDLY"}, "80040246", nil},
		"a recurring start": {protocol.Operation{OperationType: "x", RecurrenceStartTime: &now}, "80040246", nil},
		"an occurrence":     {protocol.Operation{ID: "occurrence:3:nightly", OperationType: "x"}, `is that of occurrence 3 of operation "nightly"`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := opclient.New(&fake{}, opclient.Options{Catalogue: cat}).Submit(t.Context(), test.operation)
			require.ErrorContains(t, err, test.want)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
		})
	}
}

func TestSubmitStartsAnOperationWithoutAToken(t *testing.T) {
	t.Parallel()
	until := time.Now().Add(time.Hour)
	o := protocol.Operation{ID: "a", OperationType: "x", Name: "n", OwnerID: "me", PostponeUntil: &until}
	f := &fake{start: func(s client.StartWorkflowOptions, sent protocol.Operation) error {
		require.Equal(t, o, sent)
		require.Equal(t, protocol.OperationWorkflowID("a"), s.ID)
		require.Equal(t, "operations", s.TaskQueue)
		require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, s.WorkflowIDReusePolicy)
		require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, s.WorkflowIDConflictPolicy)
		require.True(t, s.WorkflowExecutionErrorWhenAlreadyStarted)
		require.Equal(t, map[string]any{"contentHash": o.ContentHash(), "operationType": "x", "name": "n"}, s.Memo)
		require.Equal(t, "x: n", s.StaticSummary)
		require.Equal(t, 4, s.TypedSearchAttributes.Size())
		return nil
	}}
	handle, err := opclient.New(f, opclient.Options{}).Submit(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, protocol.OperationWorkflowID("a"), handle.WorkflowID)
	require.False(t, handle.Duplicate)
}

func TestSubmitSetsAttributesByTheNamespacesNames(t *testing.T) {
	t.Parallel()
	until := time.Now().Add(time.Hour)
	f := &fake{start: func(s client.StartWorkflowOptions, _ protocol.Operation) error {
		status, _ := s.TypedSearchAttributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword("AcmeStatus"))
		require.Equal(t, "Waiting", status)
		require.True(t, s.TypedSearchAttributes.ContainsKey(temporal.NewSearchAttributeKeyTime("AcmeUntil")))
		require.True(t, s.TypedSearchAttributes.ContainsKey(temporal.NewSearchAttributeKeyKeyword("OperationType")))
		require.Equal(t, 3, s.TypedSearchAttributes.Size())
		return nil
	}}
	names := protocol.AttributeNames{protocol.OperationStatusAttribute: "AcmeStatus", protocol.PostponeUntilAttribute: "AcmeUntil"}
	_, err := opclient.New(f, opclient.Options{AttributeNames: names}).Submit(t.Context(), protocol.Operation{OperationType: "x", PostponeUntil: &until})
	require.NoError(t, err)
}

func TestSubmitRemembersThatTheNamespaceHasNoAttributes(t *testing.T) {
	t.Parallel()
	var with, without int
	f := &fake{start: func(s client.StartWorkflowOptions, _ protocol.Operation) error {
		if s.TypedSearchAttributes.Size() > 0 {
			with++
			return serviceerror.NewInvalidArgument("Namespace default has no mapping defined for search attribute OperationType")
		}
		without++
		return nil
	}}
	c := opclient.New(f, opclient.Options{})
	for _, id := range []string{"a", "b"} {
		_, err := c.Submit(t.Context(), protocol.Operation{ID: id, OperationType: "x"})
		require.NoError(t, err)
	}
	require.Equal(t, 1, with)
	require.Equal(t, 2, without)
}

func TestSubmitTellsARepeatFromAnotherOperation(t *testing.T) {
	t.Parallel()
	first := protocol.Operation{ID: "a", OperationType: "x", Data: json.RawMessage(`{"b":1,"a":2}`)}
	same, other := first, first
	same.Data, other.Data = json.RawMessage(`{ "a":2, "b":1 }`), json.RawMessage(`{"b":2}`)
	f := &fake{
		start: func(client.StartWorkflowOptions, protocol.Operation) error {
			return serviceerror.NewWorkflowExecutionAlreadyStarted("there", "", "")
		},
		describe: func(workflowID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
			return execution(workflowID, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, map[string]any{"contentHash": first.ContentHash()}), nil
		},
	}
	c := opclient.New(f, opclient.Options{})
	handle, err := c.Submit(t.Context(), same)
	require.NoError(t, err)
	require.True(t, handle.Duplicate)
	_, err = c.Submit(t.Context(), other)
	require.ErrorIs(t, err, opclient.ErrDuplicateID)
	var refusal *protocol.Refusal
	require.True(t, errors.As(err, &refusal))
	require.Equal(t, "a", refusal.OperationID)
}

func TestSubmitHonoursItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{signal: func(string, any) error {
		cancel()
		return serviceerror.NewUnavailable("away")
	}}
	_, err := opclient.New(f, opclient.Options{}).Submit(ctx, protocol.Operation{OperationType: "x", DependencyToken: "t"})
	var unanswered *opclient.UnansweredError
	require.ErrorAs(t, err, &unanswered)
}
