package handlertest_test

import (
	"fmt"
	"testing"

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
