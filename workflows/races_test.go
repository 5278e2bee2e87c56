package workflows

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// Requests that meet something else: each was answered wrongly once.

// SPEC 3.2: to an activity that was asked to stop the engine says of every
// failure that it would have tried again, had it not been asked.
func TestAHandlerThatFailsForGoodHasFailedThoughAskedToStop(t *testing.T) {
	t.Parallel()
	bound := &catalogue.Type{Binding: catalogue.Binding{Retry: catalogue.Retry{NonRetryable: []string{"Never"}}}}
	for _, tc := range []struct {
		name   string
		err    error
		wanted protocol.StatusCode
	}{
		{"not retryable", temporal.NewNonRetryableApplicationError("no", protocol.ErrTypeFail, nil), protocol.Failed},
		{"of a type that its binding never retries", temporal.NewApplicationError("no", "Never"), protocol.Failed},
		{"retryable", temporal.NewApplicationError("again", protocol.ErrTypeRetry), protocol.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := &operation{life: &Life{Record: protocol.Record{StatusCode: protocol.Canceling}, Type: bound}}
			o.concludeError(activityError(tc.err, enumspb.RETRY_STATE_CANCEL_REQUESTED), day)
			require.Equal(t, tc.wanted, o.life.Record.StatusCode)
		})
	}
}

// pending is a handler whose first call goes on until its test completes it.
type pending struct {
	running []byte   // the task of that call
	given   []string // the checkpoint of each call
}

func (b *bench) runsUntilCompleted() *pending {
	h := &pending{}
	b.RegisterActivityWithOptions(func(ctx context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		if h.given = append(h.given, string(in.Checkpoint)); len(h.given) > 1 {
			return protocol.HandlerResult{}, nil
		}
		h.running = activity.GetInfo(ctx).TaskToken
		return protocol.HandlerResult{}, activity.ErrResultPending
	}, activity.RegisterOptions{Name: "record", DisableAlreadyRegisteredCheck: true})
	return h
}

// SPEC 6.4: what a handler leaves as it ends is later than its last heartbeat.
func TestAPostponementThatTheHandlerOutrunsKeepsItsCheckpoint(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	h := b.runsUntilCompleted()
	b.RegisterActivityWithOptions(func(context.Context, protocol.ReadCheckpointRequest) (protocol.Heartbeat, error) {
		left := protocol.FailureDetails{Checkpoint: json.RawMessage(`"later"`)}
		err := b.CompleteActivity(h.running, nil, temporal.NewNonRetryableApplicationError("a person", protocol.ErrTypeSuspend, nil, left))
		return protocol.Heartbeat{Checkpoint: json.RawMessage(`"earlier"`)}, err
	}, activity.RegisterOptions{Name: protocol.ReadCheckpointActivity})
	postponed := b.update(time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: b.Now().Add(time.Hour)})
	b.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.OperationWorkflowID("A")})
	b.ExecuteWorkflow(protocol.OperationWorkflow, op("A"))
	require.NoError(t, b.GetWorkflowError())
	require.NoError(t, postponed.err)
	require.Equal(t, []string{"", `"later"`}, h.given)
}

// SPEC 6.4: a handler that went on after its checkpoint was read, and was lost before
// it was asked to stop, leaves none itself: what the server kept last counts.
func TestAPostponementKeepsTheLastCheckpointOfALostHandler(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	h := b.runsUntilCompleted()
	b.RegisterActivityWithOptions(func(context.Context, protocol.ReadCheckpointRequest) (protocol.Heartbeat, error) {
		return protocol.Heartbeat{}, nil
	}, activity.RegisterOptions{Name: protocol.ReadCheckpointActivity})
	read := func(checkpoint string, takes time.Duration) {
		b.OnActivity(protocol.ReadCheckpointActivity, mock.Anything, mock.Anything).Once().After(takes).
			Return(protocol.Heartbeat{Checkpoint: json.RawMessage(checkpoint)}, nil)
	}
	read(`"earlier"`, 5*time.Second)
	read(`"later"`, 10*time.Millisecond)
	postponed := b.update(time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: b.Now().Add(time.Hour)})
	b.RegisterDelayedCallback(func() {
		require.NoError(t, b.CompleteActivity(h.running, nil, temporal.NewCanceledError()))
	}, 2*time.Minute)
	b.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.OperationWorkflowID("A")})
	b.ExecuteWorkflow(protocol.OperationWorkflow, op("A"))
	require.NoError(t, b.GetWorkflowError())
	require.NoError(t, postponed.err)
	require.Equal(t, []string{"", `"later"`}, h.given)
}

// A program that waits for an operation and runs it again when it fails is
// faster than the token: it must not lose its place.
func TestARerunOfWhatHasJustEndedIsToBeSentAgain(t *testing.T) {
	t.Parallel()
	q := NewQueue(testToken, day)
	q.Submit(encoded(op("A")), day)
	q.TakeHead(day)
	was := protocol.ReadOperationReply{Found: true, Closed: true, Status: protocol.Failed, Operation: q.Head.Operation}
	_, err := q.Rerun(protocol.RerunRequest{OperationID: "A"}, "update", was, day)
	var refusal *protocol.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, protocol.ErrTypeBusy, refusal.Type)
	q.SetPolicy(protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure})
	q.HeadCompleted(end{status: protocol.Failed}, day)
	record, err := q.Rerun(protocol.RerunRequest{OperationID: "A"}, "update", was, day)
	require.NoError(t, err)
	require.Equal(t, 1, record.Position)
}

// What ended in the queue may not have a record yet, and still runs again as what
// it was.
func TestWhatEndedInTheQueueRunsAgainAsWhatItWas(t *testing.T) {
	t.Parallel()
	q := NewQueue(testToken, day)
	q.Submit(encoded(op("A")), day)
	_, err := q.Cancel("A", protocol.Taken{Action: protocol.ActionCancel, On: day})
	require.NoError(t, err)
	record, err := q.Rerun(protocol.RerunRequest{OperationID: "A", NewID: "B"}, "update", protocol.ReadOperationReply{}, day)
	require.NoError(t, err)
	require.Equal(t, protocol.TypeRef("test.record"), record.OperationType)
}

// The execution that has the head's id already may be another token's.
func TestAHeadInDoubtIsToldNothing(t *testing.T) {
	t.Parallel()
	s := &serializer{queue: NewQueue(testToken, day)}
	s.queue.Submit(encoded(op("A")), day)
	head := *s.queue.TakeHead(day)
	s.queue.HoldToken(protocol.HoldRequest{}, day)
	s.head = &child{entry: head, adopted: &adoption{entry: head, prove: mustProve}, wantCancel: true}
	require.False(t, s.mustTell())
	require.True(t, s.headKnows(), "a hold is answered without it")
	s.cancelIfWanted(s.head)
	require.True(t, s.head.wantCancel, "it is asked once it is known")
	s.head.adopted.prove = false
	require.True(t, s.mustTell())
	require.False(t, s.headKnows())
}

// A run that ends cannot cancel its head any more: the server drops that.
func TestTheNextRunCancelsTheHead(t *testing.T) {
	t.Parallel()
	s := &serializer{ending: true, head: &child{adopted: &adoption{}, wantCancel: true}}
	s.cancelIfWanted(s.head)
	require.True(t, s.head.wantCancel)

	b := newBench(t, Options{})
	b.SetContinuedExecutionRunID("the run before")
	var cancelled atomic.Bool
	b.OnRequestCancelExternalWorkflow(mock.Anything, protocol.OperationWorkflowID("A"), mock.Anything).Return(
		func(string, string, string) error { cancelled.Store(true); return nil })
	b.RegisterActivityWithOptions(func(_ context.Context, r protocol.AwaitRequest) (protocol.AwaitReply, error) {
		if !cancelled.Load() {
			return protocol.AwaitReply{}, fmt.Errorf("operation %q runs", r.OperationID)
		}
		return protocol.AwaitReply{Found: true, Closed: true, Status: protocol.Canceled}, nil
	}, activity.RegisterOptions{Name: protocol.AwaitOperationActivity})
	q := NewQueue(testToken, b.Now())
	q.Submit(encoded(op("A")), b.Now())
	q.TakeHead(b.Now())
	q.Counts.Runs = 1
	b.startWith(testToken, protocol.SerializerInput{Token: testToken}, carried{Queue: q, CancelHead: true})
	require.True(t, cancelled.Load())
	require.Equal(t, int64(1), b.state().Counts.Canceled)
}

// A cancellation from outside ends what is accepted, not the token.
func TestACancelledTokenStillLooksThingsUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.RegisterActivityWithOptions(func(context.Context, protocol.ReadOperationRequest) (protocol.ReadOperationReply, error) {
		return protocol.ReadOperationReply{
			Found: true, Closed: true, Status: protocol.Canceled,
			Operation: protocol.Operation{ID: "A", OperationType: "test.record", DependencyToken: testToken},
		}, nil
	}, activity.RegisterOptions{Name: protocol.ReadOperationActivity})
	b.submit(0, postponed("A", b.Now().Add(time.Hour)))
	b.RegisterDelayedCallback(b.CancelWorkflow, time.Minute)
	rerun := b.update(2*time.Minute, protocol.RerunUpdateName, protocol.RerunRequest{OperationID: "A", NewID: "B"})
	b.start(testToken)
	require.NoError(t, rerun.err)
	require.Equal(t, []string{"B"}, b.ids())
}
