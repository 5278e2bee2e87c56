package activities

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/protocol"
)

// reports answers what a Request reports.
func reports(p Progress) (beats []protocol.Heartbeat, err error) {
	r := Request{OnReport: func(beat protocol.Heartbeat) { beats = append(beats, beat) }}
	return beats, r.Report(p)
}

// SPEC 6.5
func TestReportsCarryCheckpointAndProgress(t *testing.T) {
	t.Parallel()
	beats, err := reports(Progress{Checkpoint: map[string]int{"row": 4}, Done: 4, Total: 10, Note: "rows"})
	require.NoError(t, err)
	require.Equal(t, []protocol.Heartbeat{{Checkpoint: json.RawMessage(`{"row":4}`), Done: 4, Total: 10, Note: "rows"}}, beats)
}

func TestReportsKeepTheirLimits(t *testing.T) {
	t.Parallel()
	text := func(bytes int) string { return strings.Repeat("x", bytes-2) } // and two quotes
	for name, c := range map[string]struct {
		checkpoint any
		problem    string
	}{
		"a checkpoint at the limit":     {text(65536), ""},
		"a checkpoint over the limit":   {text(65537), "checkpoint: has 65537 bytes, the limit is 65536"},
		"one that escapes lengthen":     {strings.Repeat("<", 20_000), "checkpoint: has 120002 bytes, the limit is 65536"},
		"JSON over the limit":           {json.RawMessage(`"` + text(65537) + `"`), "checkpoint: has 65537 bytes"},
		"what cannot be encoded":        {func() {}, "checkpoint: cannot be encoded as JSON"},
		"JSON that is none":             {json.RawMessage(`{`), "checkpoint: cannot be encoded as JSON"},
		"white space does not count":    {json.RawMessage(`"` + text(65536) + `"` + strings.Repeat(" ", 9)), ""},
		"no checkpoint is a good one":   {nil, ""},
		"a checkpoint may be null, too": {json.RawMessage("null"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			beats, err := reports(Progress{Checkpoint: c.checkpoint})
			require.Equal(t, err, Request{}.Report(Progress{Checkpoint: c.checkpoint}), "a unit test checks the same")
			if c.problem == "" {
				require.NoError(t, err)
				require.Len(t, beats, 1)
				return
			}
			var field *protocol.FieldError
			require.ErrorAs(t, err, &field)
			require.ErrorContains(t, err, c.problem)
			require.Empty(t, beats, "nothing of it is kept")
		})
	}
}

func TestLongNotesAreCut(t *testing.T) {
	t.Parallel()
	for _, note := range []string{strings.Repeat("x", 1001), strings.Repeat("x", 999) + "é", strings.Repeat("x", 1000) + "\xff"} {
		beats, err := reports(Progress{Note: note})
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("x", 999), beats[0].Note[:999])
		require.LessOrEqual(t, len(beats[0].Note), 1000)
		require.NotContains(t, beats[0].Note, "\xc3", "no half of a character")
	}
}

// SPEC 6.4
func TestResumeReadsTheCheckpoint(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		checkpoint string
		row        int
		problem    string
	}{
		"the last one":    {`{"row":7}`, 7, ""},
		"none":            {``, 3, ""},
		"null is none":    {` null`, 3, ""},
		"of another form": {`{"row":"x"}`, 0, `checkpoint: is a JSON string where a whole number is expected (got {"row":"x"})`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := struct {
				Row int `json:"row"`
			}{3}
			err := Request{Checkpoint: json.RawMessage(c.checkpoint)}.Resume(&at)
			if c.problem != "" {
				require.EqualError(t, err, c.problem)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.row, at.Row)
		})
	}
}

// attemptAfter is one attempt whose activity has those heartbeat details already.
func attemptAfter(t *testing.T, details any, handler Handler, in protocol.HandlerInput) (protocol.HandlerResult, error) {
	t.Helper()
	env := newEnvironment()
	env.SetHeartbeatDetails(details)
	RegisterAs(env, "host-1", Handlers{"test.handler": handler})
	value, err := env.ExecuteActivity("test.handler", in)
	var result protocol.HandlerResult
	if err == nil {
		require.NoError(t, value.Get(&result))
	}
	return result, err
}

// SPEC 6.4, 6.5: what the engine has is newer than what the workflow has.
func TestCheckpointAHandlerIsCalledWith(t *testing.T) {
	t.Parallel()
	kept := protocol.HandlerInput{Checkpoint: json.RawMessage(`"kept"`)}
	for name, c := range map[string]struct {
		details any
		in      protocol.HandlerInput
		wanted  string // as the handler gets it
		left    string // as it leaves it, if it does not report
	}{
		"none at first":                                   {nil, protocol.HandlerInput{}, "", ""},
		"the workflow's after a pause":                    {nil, kept, `"kept"`, `"kept"`},
		"the heartbeat's after a crash":                   {protocol.Heartbeat{Checkpoint: json.RawMessage(`"beat"`)}, kept, `"beat"`, `"beat"`},
		"none where the last heartbeat has none":          {protocol.Heartbeat{Done: 3}, kept, "", ""},
		"none where it was given up":                      {protocol.Heartbeat{Checkpoint: json.RawMessage("null")}, kept, "", "null"},
		"the workflow's where a heartbeat cannot be read": {"40 %", kept, `"kept"`, `"kept"`},
		"null is none":                                    {nil, protocol.HandlerInput{Checkpoint: json.RawMessage("null")}, "", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got json.RawMessage
			_, err := attemptAfter(t, c.details, HandlerFunc(func(_ context.Context, r Request) protocol.Outcome {
				got = r.Checkpoint
				return protocol.Failure("E1", "broken")
			}), c.in)
			require.Equal(t, c.wanted, string(got))
			_, details := failed(t, err)
			require.Equal(t, c.left, string(details.Checkpoint))
		})
	}
}

// SPEC 6.5: a cancelled activity's failure carries no heartbeat, so the
// checkpoint is in the details of each error.
func TestEachErrorCarriesTheLastCheckpoint(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancelCause(context.Background())
	cancel(temporal.NewCanceledError())
	stopped, stop := context.WithCancelCause(context.Background())
	stop(worker.ErrWorkerShutdown)
	for name, c := range map[string]struct {
		ctx     context.Context
		outcome protocol.Outcome
	}{
		"a failure":                   {context.Background(), protocol.Failure("E1", "broken")},
		"a retry":                     {context.Background(), protocol.Retry("E1", "broken")},
		"a retry that does not count": {context.Background(), protocol.Retry("E1", "broken").WithoutCounting()},
		"a suspension":                {context.Background(), protocol.Suspension("E1", "broken")},
		"a cancellation":              {cancelled, protocol.Cancellation()},
		"a worker that stops":         {stopped, protocol.Cancellation()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := attempt(c.ctx, t, HandlerFunc(func(_ context.Context, r Request) protocol.Outcome {
				for row := range 3 {
					require.NoError(t, r.Report(Progress{Checkpoint: row}))
				}
				require.Error(t, r.Report(Progress{Checkpoint: strings.Repeat("x", 1<<16)}))
				require.NoError(t, r.Report(Progress{Done: 3})) // keeps the checkpoint before
				return c.outcome
			}), protocol.HandlerInput{Checkpoint: json.RawMessage(`"old"`)})
			var details protocol.FailureDetails
			var canceled *temporal.CanceledError
			if c.outcome.Kind == protocol.OutcomeCanceled && c.ctx == cancelled {
				require.ErrorAs(t, err, &canceled)
				require.NoError(t, canceled.Details(&details))
			} else {
				_, details = failed(t, err)
			}
			require.Equal(t, "2", string(details.Checkpoint))
			require.Equal(t, "host-1", details.Held.HostID)
		})
	}
}

// SPEC 1.2: the time of all attempts, the waits excluded.
func TestSecondsCountEarlierAttempts(t *testing.T) {
	t.Parallel()
	result, err := attemptAfter(t, protocol.Heartbeat{Seconds: 12.5}, returns(protocol.Success(nil)), protocol.HandlerInput{})
	require.NoError(t, err)
	require.InDelta(t, 12.5, result.Held.Seconds, 5)
	require.GreaterOrEqual(t, result.Held.Seconds, 12.5)
	_, err = attemptAfter(t, protocol.Heartbeat{Seconds: 12.5}, returns(protocol.Suspension("E1", "broken")), protocol.HandlerInput{})
	_, details := failed(t, err)
	require.GreaterOrEqual(t, details.Held.Seconds, 12.5)
}

// beating is a pulse whose heartbeats arrive on a channel.
func beating(last protocol.Heartbeat) (*pulse, chan protocol.Heartbeat) {
	beats := make(chan protocol.Heartbeat, 10_000)
	return &pulse{began: time.Now(), last: last, earlier: last.Seconds, record: func(beat protocol.Heartbeat) { beats <- beat }}, beats
}

// SPEC 2.2, 6.5: an attempt whose worker is lost is noticed by its silence, and
// the heartbeats that are sent for a handler keep its checkpoint.
func TestHandlerIsKeptAliveWithItsLastHeartbeat(t *testing.T) {
	t.Parallel()
	p, beats := beating(protocol.Heartbeat{Checkpoint: json.RawMessage("1"), Done: 1, Total: 3, Note: "rows", Seconds: 7})
	stop := p.keepAlive(3 * time.Millisecond)
	<-beats
	kept := <-beats
	require.Equal(t, json.RawMessage("1"), kept.Checkpoint)
	require.Equal(t, []any{int64(1), int64(3), "rows"}, []any{kept.Done, kept.Total, kept.Note})
	require.GreaterOrEqual(t, kept.Seconds, 7.0)
	p.report(protocol.Heartbeat{Done: 2})
	stop()
	stop()
	var last protocol.Heartbeat
	for len(beats) > 0 {
		last = <-beats
	}
	require.Equal(t, json.RawMessage("1"), last.Checkpoint, "a report without a checkpoint keeps the one before")
	require.Equal(t, int64(2), last.Done)
	require.Zero(t, last.Total)
}

func TestATypeWithoutAHeartbeatIsNotKeptAlive(t *testing.T) {
	t.Parallel()
	p := &pulse{record: func(protocol.Heartbeat) { panic("a type without a heartbeat has none") }}
	p.keepAlive(0)()
}

func TestReportsByManyGoroutinesNeverGoBack(t *testing.T) {
	t.Parallel()
	p, beats := beating(protocol.Heartbeat{})
	stop := p.keepAlive(time.Millisecond)
	var mu sync.Mutex
	var reporters sync.WaitGroup
	rows := int64(0)
	for range 4 {
		reporters.Go(func() {
			for range 100 {
				mu.Lock()
				rows++
				p.report(protocol.Heartbeat{Done: rows})
				mu.Unlock()
			}
		})
	}
	reporters.Wait()
	stop()
	p.beat()
	last := int64(0)
	for last < rows {
		beat := <-beats
		require.GreaterOrEqual(t, beat.Done, last)
		last = beat.Done
	}
}

// items processes the items from the checkpoint on, and tells done of each.
func items(n int, done func(item int)) Handler {
	return HandlerFunc(func(ctx context.Context, r Request) protocol.Outcome {
		next := 1
		if err := r.Resume(&next); err != nil {
			return protocol.Failure("CheckpointUnreadable", err.Error())
		}
		for ; next <= n; next++ {
			if ctx.Err() != nil {
				return protocol.Cancellation()
			}
			done(next)
			if err := r.Report(Progress{Checkpoint: next + 1, Done: int64(next), Total: int64(n)}); err != nil {
				return protocol.Failure("NotReported", err.Error())
			}
		}
		return protocol.Success(nil)
	})
}

// SPEC 6.4, 6.5: paused at an item, the handler goes on with the next one.
func TestPausedHandlerGoesOnWithTheNextItem(t *testing.T) {
	t.Parallel()
	const n = 5
	for k := 1; k < n; k++ {
		var processed []int
		ctx, pause := context.WithCancelCause(context.Background())
		handler := items(n, func(item int) {
			processed = append(processed, item)
			if item == k {
				pause(temporal.NewCanceledError())
			}
		})
		_, err := attempt(ctx, t, handler, protocol.HandlerInput{})
		var canceled *temporal.CanceledError
		require.ErrorAs(t, err, &canceled)
		var details protocol.FailureDetails
		require.NoError(t, canceled.Details(&details))
		require.Len(t, processed, k)

		_, err = attempt(context.Background(), t, handler, protocol.HandlerInput{Checkpoint: details.Checkpoint})
		require.NoError(t, err)
		require.Equal(t, k+1, processed[k])
		require.Equal(t, []int{1, 2, 3, 4, 5}, processed)
	}
}
