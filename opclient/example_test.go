package opclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// Submit an operation and wait for its outcome.
func Example() {
	ctx := context.Background()
	temporal, err := client.Dial(opclient.DialOptions(client.Options{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer temporal.Close()
	operations := opclient.New(temporal, opclient.Options{})

	handle, err := operations.Submit(ctx, protocol.Operation{
		ID:              "invoice-4711",
		OperationType:   "http.request",
		DependencyToken: "customer-42",
		Data:            json.RawMessage(`{"url":"https://example.com/invoices/4711"}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := handle.Wait(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(found.StatusCode)
}

// Submit again what may have been submitted before: the id makes it safe.
func ExampleClient_Submit_again() {
	var operations *opclient.Client // opclient.New(…)
	handle, err := operations.Submit(context.Background(), protocol.Operation{ID: "invoice-4711", OperationType: "http.request"})
	switch {
	case errors.Is(err, opclient.ErrDuplicateID):
		fmt.Println("another operation has this id")
	case err != nil:
		fmt.Println(err)
	case handle.Duplicate:
		fmt.Println("it was there already")
	}
}

// Count what is refused before it is sent, under the reasons of the workers' metric
// seriatim_operations_refused_total. A *protocol.FieldError names the field, and
// protocol.CodeOf the code where the rule has one.
func ExampleClient_Submit_refused() {
	operations := opclient.New(nil, opclient.Options{}) // nothing below is sent
	refused := map[string]int{}
	for _, o := range []protocol.Operation{
		{ID: "a"}, // without a type
		{ID: "b", OperationType: "report", Data: json.RawMessage(`"` + strings.Repeat("x", 64<<10) + `"`)},
		{ID: "c", OperationType: "report", RecurrencePattern: "FREQ=SECONDLY"},
	} {
		_, err := operations.Submit(context.Background(), o)
		var field *protocol.FieldError
		var refusal *protocol.Refusal
		switch {
		case errors.As(err, &refusal):
			refused[refusal.Type]++
		case errors.As(err, &field):
			refused[protocol.ErrTypeInvalidOperation]++
			fmt.Printf("%s %q\n", field.Field, protocol.CodeOf(err))
		}
	}
	fmt.Println(refused)
	// Output:
	// operationType ""
	// operation ""
	// recurrencePattern "80040246"
	// map[InvalidOperation:3]
}

// Submit a file of any length, and report each line that is not accepted.
func ExampleClient_SubmitMany() {
	var operations *opclient.Client // opclient.New(…)
	file, err := os.Open("deliveries.jsonl")
	if err != nil {
		fmt.Println(err)
		return
	}
	lines := opclient.ReadJSONLines(file)
	summary, err := operations.SubmitMany(context.Background(), lines.All(), func(r opclient.Result) {
		if r.Err != nil {
			fmt.Printf("line %d: %s: %v\n", r.Line, r.Delivery, r.Err)
		}
	})
	fmt.Println(summary.Accepted, "accepted", errors.Join(err, lines.Err()))
}

// Postpone an operation by a day, unless it has gone too far.
func ExampleClient_Postpone() {
	var operations *opclient.Client // opclient.New(…)
	_, err := operations.Postpone(context.Background(), "invoice-4711", "customer-42", time.Now().AddDate(0, 0, 1), "the bank is closed")
	var refusal *protocol.Refusal
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Code, refusal.Allowed)
	}
}

// List what failed.
func ExampleClient_List() {
	var operations *opclient.Client // opclient.New(…)
	for found, err := range operations.List(context.Background(), opclient.Filter{Status: "failed", Limit: 20}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(found.ID, found.CompletedOn)
	}
}

// Read operations strictly: a field that is not known is refused by name.
func ExampleReadJSONLines() {
	lines := opclient.ReadJSONLines(strings.NewReader(`{"id":"a","operationType":"http.request"}
{"id":"b","operationType":"http.request","priority":9}
`))
	for item := range lines.All() {
		fmt.Println(item.Line, item.Operation.ID, item.Err)
	}
	// Output:
	// 1 a <nil>
	// 2 b priority: is not in 1..5 (got 9)
}
