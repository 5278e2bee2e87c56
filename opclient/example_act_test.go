package opclient_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// Pause what runs, and let it go on from its last checkpoint later.
func ExampleClient_Pause() {
	var operations *opclient.Client // opclient.New(…)
	ctx := context.Background()
	if _, err := operations.Pause(ctx, "invoice-4711", "customer-42", "the bank asked for it"); err != nil {
		fmt.Println(err)
		return
	}
	record, err := operations.Resume(ctx, "invoice-4711", "customer-42", "")
	fmt.Println(record.StatusCode, err)
}

// Run what failed again; an id of one's own makes the request safe to repeat.
func ExampleClient_Rerun() {
	var operations *opclient.Client // opclient.New(…)
	record, err := operations.Rerun(context.Background(), "invoice-4711", "", "invoice-4711-again", "the address was corrected")
	switch {
	case errors.Is(err, opclient.ErrInvalidTransition):
		fmt.Println("it neither failed nor was canceled")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(record.ID, record.RerunOf)
	}
}

// Remove the record of a completed operation.
func ExampleClient_Delete() {
	var operations *opclient.Client // opclient.New(…)
	deleted, err := operations.Delete(context.Background(), "invoice-4711", "customer-42")
	fmt.Println(deleted, err)
}

// Say why an operation waits.
func ExampleClient_Why() {
	var operations *opclient.Client // opclient.New(…)
	explained, err := operations.Why(context.Background(), "invoice-4711", "customer-42")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, sentence := range explained.Why {
		fmt.Println(sentence)
	}
	fmt.Println(explained.Next, explained.Allowed)
}

// Hold a customer's operations over the night.
func ExampleClient_Hold() {
	var operations *opclient.Client // opclient.New(…)
	ctx := context.Background()
	state, err := operations.Hold(ctx, "customer-42", time.Now().Add(12*time.Hour), "stocktaking")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(state.Queued, "wait")
	_, err = operations.Release(ctx, "customer-42", "done early")
	fmt.Println(err)
}

// Stop a token when one of its operations fails, until a person has looked.
func ExampleClient_SetPolicy() {
	var operations *opclient.Client // opclient.New(…)
	ctx := context.Background()
	_, err := operations.SetPolicy(ctx, "customer-42", protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure})
	fmt.Println(err)
	// After a failure: Rerun that operation, Release the token, or go on past it.
	_, err = operations.Skip(ctx, "customer-42", "paid by hand")
	fmt.Println(err)
}

// Find the tokens that do not get on.
func ExampleClient_Tokens() {
	var operations *opclient.Client // opclient.New(…)
	for token, err := range operations.Tokens(context.Background(), opclient.TokenFilter{Blocked: true}) {
		if err != nil {
			fmt.Println(token.WorkflowID, err) // the rest goes on
			continue
		}
		fmt.Println(token.Token, token.Queued, token.HeadSince)
	}
}

// Cancel what a user left behind more than a week ago.
func ExampleClient_ActMany() {
	var operations *opclient.Client // opclient.New(…)
	summary, err := operations.ActMany(context.Background(),
		opclient.Filter{Owner: "ada", CreatedBefore: opclient.OlderThan(7 * 24 * time.Hour)},
		protocol.ActionCancel,
		func(ctx context.Context, id, token string) (protocol.Record, error) {
			return operations.Cancel(ctx, id, token, "she has left")
		},
		func(a opclient.Acted) {
			if a.Err != nil {
				fmt.Println(a.Found.ID, a.Err)
			}
		})
	fmt.Println(summary.Done, "of", summary.Selected, err)
}
