package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// handlerLine is one line of a worker's log: an attempt starts or ends.
type handlerLine struct {
	Event   string         `json:"event"` // start or end
	At      time.Time      `json:"at"`
	Process string         `json:"process"`
	PID     int            `json:"pid"`
	ID      string         `json:"id"`
	Token   string         `json:"token,omitempty"`
	RunID   string         `json:"runId"`
	Fence   protocol.Fence `json:"fence"`
	Version int            `json:"version"`
	// Outcome is how it ended. Lost says that it had been told before that its
	// lock was gone, or was asked to cancel.
	Outcome string `json:"outcome,omitempty"`
	Lost    bool   `json:"lost,omitempty"`
}

// staleCode is the code of an attempt that the target refused.
const staleCode = "StaleFence"

// lostCode is the code of an import that the database refused.
const lostCode = "LockLost"

// handler does the work of chaosType and localType.
type handler struct {
	process string
	journal *journal
	target  string
}

// Handle logs its start on disk before it does anything, and its end.
func (h *handler) Handle(ctx context.Context, r activities.Request) protocol.Outcome {
	return h.handle(ctx, r, activity.GetInfo(ctx).WorkflowExecution.RunID)
}

// handle is Handle for that run of the operation.
func (h *handler) handle(ctx context.Context, r activities.Request, runID string) protocol.Outcome {
	var w work
	if err := json.Unmarshal(r.Operation.Data, &w); err != nil {
		return protocol.Failure("DataUnreadable", err.Error())
	}
	outcome := h.logged(ctx, r, runID, w.Version, func() protocol.Outcome { return h.attempt(ctx, r, w) })
	if outcome.Code == panicCode {
		panic("poison: this operation panics")
	}
	return outcome
}

// logs has another handler log as this one does.
func (h *handler) logs(other activities.Handler) activities.Handler {
	return activities.HandlerFunc(func(ctx context.Context, r activities.Request) protocol.Outcome {
		run := activity.GetInfo(ctx).WorkflowExecution.RunID
		return h.logged(ctx, r, run, versionOf(r.Operation), func() protocol.Outcome { return other.Handle(ctx, r) })
	})
}

// logged is an attempt between two lines of the log.
func (h *handler) logged(ctx context.Context, r activities.Request, runID string, version int, attempt func() protocol.Outcome) protocol.Outcome {
	line := handlerLine{
		Event: "start", At: time.Now(), Process: h.process, PID: os.Getpid(),
		ID: r.Operation.ID, Token: r.Operation.DependencyToken, Fence: r.Fence, Version: version,
		RunID: runID,
	}
	h.log(line)
	outcome := attempt()
	line.Event, line.At, line.Lost = "end", time.Now(), ctx.Err() != nil
	line.Outcome = string(outcome.Kind)
	if outcome.Code != "" {
		line.Outcome += " " + outcome.Code
	}
	h.log(line)
	return outcome
}

// log ends the process where the log cannot be written: it would lie.
func (h *handler) log(line handlerLine) {
	if err := h.journal.write(line); err != nil {
		fmt.Fprintln(os.Stderr, "chaos worker:", err)
		os.Exit(1)
	}
}

// attempt claims the register, works, and writes.
func (h *handler) attempt(ctx context.Context, r activities.Request, w work) protocol.Outcome {
	if outcome := h.write(r); outcome != nil {
		return *outcome
	}
	if outcome := h.work(ctx, r.Fence, w); outcome != nil {
		return *outcome
	}
	if outcome := h.write(r); outcome != nil {
		return *outcome
	}
	return protocol.Success(map[string]string{"fence": r.Fence.String()})
}

// panicCode marks the outcome of work that panics once its end is logged.
const panicCode = "Panic"

// work takes its time and answers an end other than success.
func (h *handler) work(ctx context.Context, fence protocol.Fence, w work) *protocol.Outcome {
	attempt := fence.Attempt
	if w.Kind == workHangs && attempt <= 1 && fence.N == 1 {
		time.Sleep(startToClose + 2*time.Second)
		return nil
	}
	select {
	case <-time.After(time.Duration(w.Milliseconds) * time.Millisecond):
	case <-ctx.Done():
		outcome := protocol.Cancellation()
		return &outcome
	}
	var outcome protocol.Outcome
	switch failing := int(attempt) <= w.Failures; {
	case w.Kind == workSuspends && fence.N == 1:
		outcome = protocol.Suspension("Question", "this operation asks for a person")
	case w.Kind == workFails:
		outcome = protocol.Failure("Poison", "this operation fails for good")
	case w.Kind == workRetries && failing:
		outcome = protocol.Retry("Poison", "this attempt fails")
	case w.Kind == workPanics && failing:
		outcome = protocol.Retry(panicCode, "this attempt panics")
	default:
		return nil
	}
	return &outcome
}

// write writes to the target, whatever became of the lock: it is the target that
// must refuse what is stale.
func (h *handler) write(r activities.Request) *protocol.Outcome {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	accepted, err := send(ctx, h.target, write{Register: registerOf(r.Operation), ID: r.Operation.ID, Fence: r.Fence})
	var outcome protocol.Outcome
	switch {
	case err != nil:
		outcome = protocol.Retry("TargetAway", err.Error())
	case !accepted:
		outcome = protocol.Failure(staleCode, "the target has seen a newer fence than "+r.Fence.String())
	default:
		return nil
	}
	return &outcome
}
