package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// errTypePageGone is a page that the server no longer has: trying again cannot
// help.
const errTypePageGone = "PageGone"

// loadPage reads what a page holds: the input that it was started with.
func (e *engine) loadPage(ctx context.Context, at protocol.PageAddress) (json.RawMessage, error) {
	events := e.client.GetWorkflowHistory(ctx, at.WorkflowID, at.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return nil, fmt.Errorf("page %s, run %s: its history is empty", at.WorkflowID, at.RunID)
	}
	first, err := events.Next()
	if isNotFound(err) {
		return nil, temporal.NewNonRetryableApplicationError(fmt.Sprintf("page %s, run %s: it is gone", at.WorkflowID, at.RunID), errTypePageGone, err)
	}
	if err != nil {
		return nil, fmt.Errorf("page %s, run %s: %w", at.WorkflowID, at.RunID, err)
	}
	arguments := first.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()
	if len(arguments) == 0 {
		return nil, fmt.Errorf("page %s, run %s: it has no content", at.WorkflowID, at.RunID)
	}
	return arguments[0].GetData(), nil
}

// pageContent is what this package needs to know of a page.
type pageContent struct {
	Entries []json.RawMessage `json:"entries"`
}

// findInPages looks for an operation, page by page.
func (e *engine) findInPages(ctx context.Context, request protocol.FindInPagesRequest) (reply protocol.FindInPagesReply, err error) {
	for i, at := range request.Pages {
		activity.RecordHeartbeat(ctx)
		encoded, err := e.loadPage(ctx, at)
		if isPageGone(err) {
			continue
		}
		if err != nil {
			return reply, err
		}
		var content pageContent
		if err := json.Unmarshal(encoded, &content); err != nil {
			return reply, fmt.Errorf("page %s, run %s: %w", at.WorkflowID, at.RunID, err)
		}
		if n := content.find(request.OperationID); n >= 0 {
			return protocol.FindInPagesReply{Found: true, Page: i, At: n, Entry: content.Entries[n]}, nil
		}
	}
	return reply, nil
}

// find is the place of an operation, -1 where it is not there.
func (c pageContent) find(id string) int {
	for at, encoded := range c.Entries {
		var entry struct {
			Operation struct {
				ID string `json:"id"`
			} `json:"operation"`
		}
		if json.Unmarshal(encoded, &entry) == nil && entry.Operation.ID == id {
			return at
		}
	}
	return -1
}

func isPageGone(err error) bool {
	var gone *temporal.ApplicationError
	return errors.As(err, &gone) && gone.Type() == errTypePageGone
}
