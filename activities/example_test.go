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
