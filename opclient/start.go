package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// start starts an operation without a token, or one that recurs, as a workflow of
// its own (SPEC 4.8, 7.3).
// origin, if any, goes with it as its second argument.
func (c *Client) start(calls, between context.Context, o protocol.Operation, origin ...any) (*Handle, error) {
	handle := &Handle{ID: o.ID, Token: o.DependencyToken, WorkflowID: protocol.OperationWorkflowID(o.ID), client: c, contentHash: o.ContentHash()}
	err := c.retry(calls, between, func(ctx context.Context) error { return c.startOnce(ctx, o, origin) })
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &started) {
		return handle, err
	}
	handle.Duplicate = true
	return handle, c.retry(calls, between, func(ctx context.Context) error { return c.checkDuplicate(ctx, o.ID, o.ContentHash()) })
}

// startOnce starts it, without search attributes where the namespace has none.
func (c *Client) startOnce(ctx context.Context, o protocol.Operation, origin []any) error {
	options := client.StartWorkflowOptions{
		ID:                                       protocol.OperationWorkflowID(o.ID),
		TaskQueue:                                c.options.TaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo:                                     startMemo(o),
		StaticSummary:                            startSummary(o),
		Priority:                                 temporal.Priority{PriorityKey: o.Priority, FairnessKey: o.FairnessKey},
	}
	if !c.withoutAttributes.Load() {
		options.TypedSearchAttributes = c.startAttributes(o, time.Now())
	}
	kind := protocol.OperationWorkflow
	if o.Recurs() {
		kind = protocol.RecurrenceWorkflow
	}
	_, err := c.temporal.ExecuteWorkflow(ctx, options, kind, append([]any{o}, origin...)...)
	if isMissingAttribute(err) && c.withoutAttributes.CompareAndSwap(false, true) {
		return c.startOnce(ctx, o, origin)
	}
	return err
}

// checkDuplicate compares a submission with the operation that has its id.
// Where that one left no hash, the id alone decides.
func (c *Client) checkDuplicate(ctx context.Context, id, contentHash string) error {
	there, err := c.describe(ctx, protocol.OperationWorkflowID(id))
	if err != nil {
		return err
	}
	hash := c.memoString(there.GetWorkflowExecutionInfo().GetMemo(), protocol.ContentHashMemo)
	if hash == "" || hash == contentHash {
		return nil
	}
	return &protocol.Refusal{
		Type:        protocol.ErrTypeDuplicateID,
		Message:     fmt.Sprintf("another operation has the id %q: it was submitted with other content", id),
		OperationID: id,
		WorkflowID:  protocol.OperationWorkflowID(id),
	}
}

func startMemo(o protocol.Operation) map[string]any {
	memo := map[string]any{
		protocol.ContentHashMemo: o.ContentHash(),
		protocol.TypeMemo:        string(o.OperationType),
	}
	if o.Name != "" {
		memo[protocol.NameMemo] = o.Name
	}
	return memo
}

func startSummary(o protocol.Operation) string {
	if o.Name == "" {
		return summary(string(o.OperationType))
	}
	return summary(string(o.OperationType) + ": " + o.Name)
}

// startAttributes are what filters find the operation by.
func (c *Client) startAttributes(o protocol.Operation, now time.Time) temporal.SearchAttributes {
	names, status := c.options.AttributeNames, protocol.InProgress
	var updates []temporal.SearchAttributeUpdate
	if start := o.RecurrenceStartTime; start != nil && start.After(now) {
		status = protocol.Waiting
	}
	if o.PostponeUntil != nil && o.PostponeUntil.After(now) {
		status = protocol.Waiting
		updates = append(updates, temporal.NewSearchAttributeKeyTime(names.Of(protocol.PostponeUntilAttribute)).ValueSet(*o.PostponeUntil))
	}
	for _, keyword := range []struct{ attribute, value string }{
		{protocol.OperationTypeAttribute, c.typeKey(o.OperationType)},
		{protocol.OperationStatusAttribute, status.String()},
		{protocol.OperationOwnerAttribute, o.OwnerID},
		{protocol.CorrelationIDAttribute, o.CorrelationID},
		{protocol.RegardingObjectAttribute, o.RegardingObjectID},
		{protocol.DependencyTokenAttribute, tokenKey(o)},
	} {
		if keyword.value != "" {
			updates = append(updates, temporal.NewSearchAttributeKeyKeyword(names.Of(keyword.attribute)).ValueSet(keyword.value))
		}
	}
	return temporal.NewSearchAttributes(updates...)
}

// tokenKey is the token's key, empty for none: that of an operation which recurs
// is the token of its occurrences.
func tokenKey(o protocol.Operation) string {
	if o.DependencyToken == "" {
		return ""
	}
	return protocol.TokenKey(o.DependencyToken)
}

// typeKey is the type's key where the client has a catalogue that knows it.
func (c *Client) typeKey(ref protocol.TypeRef) string {
	if t, ok := c.options.Catalogue.Lookup(ref); ok {
		return t.Key
	}
	return string(ref)
}
