package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// greeting is the data of the operations that the example handles.
type greeting struct {
	Name string `json:"name"`
}

// A handler that takes typed data, registered and run once. In a worker the
// registry is what worker.New returns.
func ExampleRegister() {
	send := func(_ context.Context, r activities.Request, data greeting) protocol.Outcome {
		if data.Name == "" {
			return protocol.Failure("NoName", "data.name: is missing")
		}
		return protocol.Success("Hello " + data.Name + " from " + r.Operation.ID)
	}

	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	worker := suite.NewTestActivityEnvironment()
	activities.Register(worker, activities.Handlers{"greeting.send": activities.Typed(send)})

	for _, data := range []string{`{"name":"Ada"}`, `{"nmae":"Ada"}`} {
		value, err := worker.ExecuteActivity("greeting.send", protocol.HandlerInput{
			Operation: protocol.Operation{ID: "a1", Data: json.RawMessage(data)},
		})
		if err != nil {
			fmt.Println(errors.Unwrap(err))
			continue
		}
		var result protocol.HandlerResult
		if err := value.Get(&result); err != nil {
			fmt.Println(err)
		}
		fmt.Println(string(result.Result))
	}
	// Output:
	// "Hello Ada from a1"
	// data.nmae: unknown field "nmae" (got "Ada") (type: Fail, retryable: false)
}

// Data is read strictly, into a Go type: the message names each field that is
// wrong, and its value.
func ExampleTyped() {
	handler := activities.Typed(func(_ context.Context, _ activities.Request, data greeting) protocol.Outcome {
		return protocol.Success("Hello " + data.Name)
	})
	for _, data := range []string{`{"name":"Ada"}`, `{"name":7,"language":"en"}`} {
		outcome := handler.Handle(context.Background(), activities.Request{
			Operation: protocol.Operation{ID: "a1", Data: json.RawMessage(data)},
		})
		if outcome.Kind == protocol.OutcomeSucceeded {
			fmt.Println(string(outcome.Result))
			continue
		}
		fmt.Println(outcome.Kind, outcome.Code)
		fmt.Println(outcome.Message)
	}
	// Output:
	// "Hello Ada"
	// failed 80044304
	// data.language: unknown field "language" (got "en")
	// data.name: is a JSON number where a string is expected (got 7)
}

// mailing is the data of an operation that has many items.
type mailing struct {
	Recipients []string `json:"recipients"`
}

// A handler that reports how far it came, and goes on from there when it is
// called again. This one is asked to stop while it sends the second letter, as
// by a pause.
func ExampleRequest_Report() {
	send := activities.Typed(func(ctx context.Context, r activities.Request, data mailing) protocol.Outcome {
		next := 0
		if err := r.Resume(&next); err != nil {
			return protocol.Failure("CheckpointUnreadable", err.Error())
		}
		for total := len(data.Recipients); next < total; next++ {
			if ctx.Err() != nil {
				return protocol.Cancellation()
			}
			fmt.Println("sent to", data.Recipients[next])
			err := r.Report(activities.Progress{Checkpoint: next + 1, Done: int64(next + 1), Total: int64(total)})
			if err != nil {
				return protocol.Failure("NotReported", err.Error())
			}
		}
		return protocol.Success(nil)
	})

	ctx, pause := context.WithCancel(context.Background())
	var last protocol.Heartbeat
	request := activities.Request{
		Operation: protocol.Operation{ID: "a1", Data: json.RawMessage(`{"recipients":["Ada","Bob","Cleo"]}`)},
		OnReport: func(beat protocol.Heartbeat) {
			if last = beat; beat.Done == 2 {
				pause()
			}
		},
	}
	fmt.Println(send.Handle(ctx, request).Kind, "at", string(last.Checkpoint))

	request.Checkpoint = last.Checkpoint
	fmt.Println(send.Handle(context.Background(), request).Kind)
	// Output:
	// sent to Ada
	// sent to Bob
	// canceled at 2
	// sent to Cleo
	// succeeded
}
