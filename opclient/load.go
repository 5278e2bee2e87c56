package opclient

import (
	"context"
	"fmt"
	"sync"

	"github.com/seriatim-go/seriatim/protocol"
)

// How much of a serializer's history one client fills between two looks at it,
// and how much may be there. Past 50 MiB or 51,200 events the server ends the
// serializer and its queue; a worker keeps it far below these. What was sent
// before a worker reads stands there once more when it has: the part of the queue
// that goes into pages, and of small operations that is more than twice as much.
const (
	signalsBetweenLooks = 1000
	bytesBetweenLooks   = 1 << 20
	maxHistoryEvents    = 8000
	maxHistoryBytes     = 12 << 20
	maxWatched          = 10_000
)

// loadWatch counts what this client sent to each serializer since it last
// looked at its history.
type loadWatch struct {
	mu       sync.Mutex
	byTarget map[string]load
}

type load struct{ signals, bytes int }

func (w *loadWatch) sent(workflowID string, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byTarget == nil || len(w.byTarget) >= maxWatched {
		w.byTarget = make(map[string]load) // forgetting delays a look, no more
	}
	l := w.byTarget[workflowID]
	w.byTarget[workflowID] = load{l.signals + 1, l.bytes + bytes}
}

func (w *loadWatch) due(workflowID string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.byTarget[workflowID]
	return l.signals >= signalsBetweenLooks || l.bytes >= bytesBetweenLooks
}

func (w *loadWatch) looked(workflowID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byTarget, workflowID)
}

// checkLoad refuses to fill a serializer's history further than is safe while
// no worker reads it.
func (c *Client) checkLoad(ctx context.Context, workflowID string) error {
	if !c.load.due(workflowID) {
		return nil
	}
	there, err := c.temporal.DescribeWorkflowExecution(ctx, workflowID, "")
	if isGone(err) {
		c.load.looked(workflowID)
		return nil
	}
	if err != nil {
		return err
	}
	info := there.GetWorkflowExecutionInfo()
	events, bytes := info.GetHistoryLength(), info.GetHistorySizeBytes()
	if events <= maxHistoryEvents && bytes <= maxHistoryBytes {
		c.load.looked(workflowID)
		return nil
	}
	return &protocol.Refusal{
		Type: protocol.ErrTypeQueueFull,
		Message: fmt.Sprintf("the token's queue is full: workflow %q has %d events and %d bytes of history that no worker has read; is a worker running?",
			workflowID, events, bytes),
		WorkflowID: workflowID,
	}
}
