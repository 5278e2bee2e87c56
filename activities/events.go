package activities

import (
	"context"
	"strings"

	"go.temporal.io/sdk/activity"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// submitForEvent submits what an event becomes, as any client would. Every attempt
// submits the same, with the ids that it has.
func (e *engine) submitForEvent(ctx context.Context, operations []protocol.Operation) ([]protocol.Handle, error) {
	client := opclient.New(e.client, opclient.Options{
		TaskQueue:         strings.TrimSuffix(activity.GetInfo(ctx).TaskQueue, protocol.EngineTaskQueueSuffix),
		MaxOperationBytes: protocol.MaxOperationBytes, AttributeNames: e.rebuilder.AttributeNames,
	})
	return opclient.Activities{Client: client}.Submit(ctx, operations)
}
