package handlertest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/handlertest"
	"github.com/seriatim-go/seriatim/protocol"
)

// A handler that is stopped after its second report, and then goes on.
func ExampleRun() {
	t := &testing.T{} // a test's own
	var seen []int
	for i, attempt := range handlertest.Run(t, counting(3, &seen), protocol.Operation{ID: "a1"}, 2) {
		fmt.Println(i+1, attempt.Outcome.Kind, string(attempt.Checkpoint))
	}
	fmt.Println(seen)
	// Output:
	// 1 canceled 3
	// 2 succeeded 4
	// [1 2 3]
}

// A worker that dies before the server has heard of the second number, one that
// is paused, and a cancel: what was not told is done again, the rest is not.
func ExamplePlay() {
	t := &testing.T{} // a test's own
	var seen []int
	attempts := handlertest.Play(t, counting(9, &seen), protocol.Operation{ID: "a1"},
		handlertest.CrashBefore(2), handlertest.StopAfter(2), handlertest.CancelAfter(1))
	for _, attempt := range attempts {
		fmt.Println(attempt.Crashed, attempt.Outcome.Kind, string(attempt.Checkpoint))
	}
	fmt.Println(seen)
	// Output:
	// true  2
	// false canceled 4
	// false canceled 5
	// [1 2 2 3 4]
}

// A handler whose target is away for one call asks for a retry, and then goes on.
func ExampleAgain() {
	t := &testing.T{} // a test's own
	calls := 0
	target := activities.HandlerFunc(func(_ context.Context, r activities.Request) protocol.Outcome {
		if calls++; calls == 1 {
			return protocol.Retry("Away", "the target does not answer")
		}
		return protocol.Success("written as " + r.Fence.String())
	})
	for _, attempt := range handlertest.Play(t, target, protocol.Operation{ID: "a1"}, handlertest.Again()) {
		fmt.Println(string(attempt.Outcome.Result), attempt.Outcome.Kind)
	}
	// Output:
	// retry
	// "written as 1.1.2" succeeded
}
