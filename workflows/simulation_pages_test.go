package workflows

import (
	"encoding/json"

	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// simPage stands for a BacklogPage: it starts a little later, holds what it was
// given, and is gone once it is released.
type simPage struct {
	workflow.Future // its end: never
	started         workflow.Future
}

// GetChildWorkflowExecution implements the SDK's interface.
func (p simPage) GetChildWorkflowExecution() workflow.Future { return p.started }

// SignalChildWorkflow implements the SDK's interface.
func (p simPage) SignalChildWorkflow(workflow.Context, string, any) workflow.Future { return nil }

// startPage keeps what a page is given.
func (b *simBench) startPage(ctx workflow.Context, id string, content pageContent) workflow.ChildWorkflowFuture {
	own, _ := workflow.NewDisconnectedContext(ctx)
	closed, _ := workflow.NewFuture(own)
	started, settable := workflow.NewFuture(own)
	workflow.Go(own, func(own workflow.Context) {
		_ = workflow.Await(own, b.moment(own))
		b.pages[id], _ = json.Marshal(content) // plain data
		b.seen.pages++
		settable.Set(workflow.Execution{ID: id, RunID: "page-run"}, nil)
	})
	return simPage{closed, started}
}

// releasePage forgets a page that was taken back.
func (b *simBench) releasePage(ctx workflow.Context, id string) workflow.Future {
	delete(b.pages, id)
	future, settable := workflow.NewFuture(ctx)
	settable.Set(nil, nil)
	return future
}

// findInPages is the engine's search.
func (b *simBench) findInPages(request protocol.FindInPagesRequest) (reply protocol.FindInPagesReply) {
	for i, at := range request.Pages {
		var content struct {
			Entries []json.RawMessage `json:"entries"`
		}
		_ = json.Unmarshal(b.pages[at.WorkflowID], &content) // of our own making, or gone
		for n, encoded := range content.Entries {
			var entry Entry
			if json.Unmarshal(encoded, &entry) == nil && entry.Operation.ID == request.OperationID {
				return protocol.FindInPagesReply{Found: true, Page: i, At: n, Entry: encoded}
			}
		}
	}
	return reply
}
