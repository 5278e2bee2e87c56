package opclient

import (
	"context"
	"fmt"
	"strings"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// seeAhead brings queued operations up to date whose own workflows were started ahead:
// those may have been asked what the queue does not know. It asks the server's index,
// whose answer may lag; where that says nothing, the queue's word stands.
func (c *Client) seeAhead(ctx context.Context, records []protocol.Record) {
	ahead := make(map[string]*protocol.Record)
	var quoted []string
	for i, r := range records {
		if id := protocol.OperationWorkflowID(r.ID); r.Gated && protocol.IsExactInQuery(id) {
			ahead[id] = &records[i]
			quoted = append(quoted, protocol.QuoteForQuery(id))
		}
	}
	if len(quoted) == 0 {
		return
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowId IN (%s)", strings.Join(quoted, ", ")), PageSize: 1000,
	}
	page, err := c.temporal.ListWorkflow(ctx, request)
	if err != nil {
		c.options.Notice(fmt.Sprintf("operations that were started ahead are shown as their token has them: %v", err))
		return
	}
	for _, info := range page.GetExecutions() {
		id := info.GetExecution().GetWorkflowId()
		if record := ahead[id]; record != nil {
			c.seeOneAhead(record, info)
		}
		delete(ahead, id) // the latest run comes first
	}
}

// seeOneAhead takes over what the index says, which knows nothing of the status where
// the namespace has no search attributes.
func (c *Client) seeOneAhead(record *protocol.Record, info *workflowpb.WorkflowExecutionInfo) {
	seen := c.indexedRecord(info)
	if seen.Sequence != record.Sequence || seen.DependencyToken != record.DependencyToken || seen.StatusCode == protocol.InProgress {
		return
	}
	record.StatusCode, record.StateCode, record.SuspendReason = seen.StatusCode, seen.StateCode, seen.SuspendReason
	record.PostponeUntil, record.CompletedOn = nil, seen.CompletedOn
	if seen.StatusCode == protocol.Waiting {
		record.PostponeUntil = seen.PostponeUntil
	}
}

// placeAhead tells of an operation that was started ahead what its own workflow does
// not know: its place in the queue, as far as its token answers.
func (c *Client) placeAhead(ctx context.Context, record *protocol.Record) {
	if !record.Gated {
		return
	}
	where, err := c.locateIn(ctx, record.ID, protocol.SerializerWorkflowID(record.DependencyToken))
	if err == nil && where.record != nil {
		record.Position, record.BlockedBy, record.BlockedSince = where.record.Position, where.record.BlockedBy, where.record.BlockedSince
	}
}
