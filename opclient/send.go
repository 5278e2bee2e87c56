package opclient

import (
	"context"
	"encoding/json"

	"github.com/seriatim-go/seriatim/protocol"
)

// send submits entries of one token in their order by one signal, or starts one
// operation without a token. Calls are bounded by calls, the waits between them
// by between.
func (c *Client) send(calls, between context.Context, batch []entry) (*Handle, error) {
	first := batch[0].operation
	if isFree(first) {
		return c.start(calls, between, first)
	}
	handle := &Handle{
		ID: first.ID, Token: first.DependencyToken,
		WorkflowID: protocol.SerializerWorkflowID(first.DependencyToken), client: c, contentHash: first.ContentHash(),
	}
	return handle, c.retry(calls, between, func(ctx context.Context) error { return c.signal(ctx, handle, batch) })
}

// isFree says that an operation is started, not submitted to a token: one without
// a token, or one that recurs (SPEC 7.3).
func isFree(o protocol.Operation) bool { return o.DependencyToken == "" || o.Recurs() }

// signal sends one submit signal and starts the serializer where it idles.
func (c *Client) signal(ctx context.Context, h *Handle, batch []entry) error {
	if err := c.checkLoad(ctx, h.WorkflowID); err != nil {
		return err
	}
	argument, bytes := signalArgument(batch)
	_, err := c.temporal.SignalWithStartWorkflow(ctx, h.WorkflowID, protocol.SubmitSignalName, argument,
		c.serializerOptions(h.Token), protocol.SerializerWorkflow, protocol.SerializerInput{Token: h.Token})
	if err == nil {
		c.load.sent(h.WorkflowID, bytes)
	}
	return err
}

// signalArgument is one operation object, or an array of several.
func signalArgument(batch []entry) (argument any, bytes int) {
	if len(batch) == 1 {
		return batch[0].encoded, len(batch[0].encoded)
	}
	array := make([]json.RawMessage, len(batch))
	for i, e := range batch {
		array[i] = e.encoded
		bytes += len(e.encoded) + 1
	}
	return array, bytes
}

// maxSummaryRunes keeps a summary well under the server's 400 bytes.
const maxSummaryRunes = 90

// summary cuts what the Web UI shows in one line.
func summary(text string) string {
	runes := []rune(text)
	if len(runes) <= maxSummaryRunes {
		return text
	}
	return string(runes[:maxSummaryRunes]) + "…"
}
