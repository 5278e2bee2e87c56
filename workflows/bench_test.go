package workflows

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// testToken is the token of most tests.
const testToken = "customer-42"

// run is one start of a handler, as the test's handler saw it.
type run struct {
	ID    string
	At    time.Time
	Fence protocol.Fence
}

// bench runs the real workflows on the SDK's test environment with one handler
// that records what it was given.
type bench struct {
	*testsuite.TestWorkflowEnvironment
	t    *testing.T
	runs []run
	// handle decides how a run ends; nil succeeds.
	handle  func(protocol.HandlerInput) (protocol.HandlerResult, error)
	updates int
}

func newBench(t *testing.T, o Options) *bench {
	t.Helper()
	return newBenchWith(t, o)
}

// newBenchWith is a bench with more types than test.record.
func newBenchWith(t *testing.T, o Options, types ...catalogue.Type) *bench {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	b := &bench{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t}
	b.SetTestTimeout(20 * time.Second)
	b.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // of a machine that is busy
	types = append(types, catalogue.Type{Key: "test.record", Number: 100_100, Binding: catalogue.Binding{Activity: "record"}})
	cat, err := catalogue.New(types...)
	require.NoError(t, err)
	Register(b.TestWorkflowEnvironment, cat, o)
	b.RegisterActivityWithOptions(b.record, activity.RegisterOptions{Name: "record"})
	b.RegisterActivityWithOptions(func(context.Context, protocol.PredecessorRequest) (protocol.Predecessor, error) {
		return protocol.Predecessor{Look: protocol.PredecessorNone}, nil
	}, activity.RegisterOptions{Name: protocol.FindPredecessorActivity})
	return b
}

func (b *bench) record(_ context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
	b.runs = append(b.runs, run{in.Operation.ID, b.Now(), in.Fence})
	if b.handle == nil {
		return protocol.HandlerResult{}, nil
	}
	return b.handle(in)
}

// start runs the token's serializer until it completes.
func (b *bench) start(token string) {
	b.startWith(token, protocol.SerializerInput{Token: token})
}

func (b *bench) startWith(token string, input ...any) {
	b.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.SerializerWorkflowID(token)})
	b.ExecuteWorkflow(protocol.SerializerWorkflow, input...)
	require.True(b.t, b.IsWorkflowCompleted())
}

// submit sends each argument as a signal of its own.
func (b *bench) submit(after time.Duration, submissions ...any) {
	b.RegisterDelayedCallback(func() {
		for _, s := range submissions {
			b.SignalWorkflow(protocol.SubmitSignalName, s)
		}
	}, after)
}

func (b *bench) ids() (ids []string) {
	for _, r := range b.runs {
		ids = append(ids, r.ID)
	}
	return ids
}

func (b *bench) state() (state protocol.SerializerState) {
	b.t.Helper()
	answer, err := b.QueryWorkflow(protocol.StateQueryName)
	require.NoError(b.t, err)
	require.NoError(b.t, answer.Get(&state))
	return state
}

// updated is how an update ended; it is complete when the workflow is.
type updated struct {
	record   protocol.Record
	err      error
	rejected bool
	done     bool
}

// Accept, Reject and Complete implement the SDK's callbacks.
func (u *updated) Accept()          {}
func (u *updated) Reject(err error) { u.err, u.rejected, u.done = err, true, true }
func (u *updated) Complete(answer any, err error) {
	u.err, u.done = err, true
	if record, ok := answer.(protocol.Record); ok {
		u.record = record
	}
}

// update sends an update to the workflow under test after some time.
func (b *bench) update(after time.Duration, name string, request any) *updated {
	u := &updated{}
	b.updates++
	id := fmt.Sprintf("update-%d", b.updates)
	b.RegisterDelayedCallback(func() { b.UpdateWorkflow(name, id, u, request) }, after)
	return u
}

func op(id string) protocol.Operation {
	return protocol.Operation{ID: id, OperationType: "test.record"}
}

func postponed(id string, until time.Time) protocol.Operation {
	o := op(id)
	o.PostponeUntil = &until
	return o
}
