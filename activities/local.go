package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// Local runs attempts of these handlers in the process that asks: it is
// workflows.Options.RunLocally of a worker that Register gave the same handlers, of
// which types with "execution: local" have the first attempt there. Gate.Guard and
// Traced go around the handlers as they do for Register.
func Local(handlers Handlers) func(context.Context, string, protocol.HandlerInput) (protocol.HandlerResult, error) {
	return LocalAs(defaultHostID(), handlers)
}

// LocalAs is Local as RegisterAs is Register.
func LocalAs(hostID string, handlers Handlers) func(context.Context, string, protocol.HandlerInput) (protocol.HandlerResult, error) {
	return func(ctx context.Context, activity string, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		handler := handlers[activity]
		if handler == nil {
			return protocol.HandlerResult{}, temporal.NewNonRetryableApplicationError(
				fmt.Sprintf("this worker has no handler %q", activity), protocol.ErrTypeNoLocalHandler, nil)
		}
		own, err := copied(in)
		if err != nil {
			return protocol.HandlerResult{}, temporal.NewNonRetryableApplicationError(
				err.Error(), protocol.ErrTypeInvalidOperation, err)
		}
		return reporter{hostID: hostID, handler: handler}.run(ctx, own)
	}
}

// copied is the input as the wire would bring it: what a handler does with its own
// must not reach the workflow.
func copied(in protocol.HandlerInput) (own protocol.HandlerInput, err error) {
	encoded, err := json.Marshal(in)
	if err != nil {
		return own, fmt.Errorf("operation %q: %w", in.Operation.ID, err)
	}
	return own, json.Unmarshal(encoded, &own)
}
