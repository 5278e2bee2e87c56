package opclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"go.temporal.io/api/serviceerror"

	"github.com/seriatim-go/seriatim/protocol"
)

// Verb is one request about one operation, such as a Cancel with its reason.
type Verb func(ctx context.Context, id, token string) (protocol.Record, error)

// Acted is what became of one request of ActOn.
type Acted struct {
	// Found is the operation as it was selected.
	Found Found
	// Record is its record after the request, where Err is nil.
	Record protocol.Record
	Err    error
}

// ActSummary counts what became of the operations; Selected is the sum of the
// others.
type ActSummary struct {
	Selected int `json:"selected"`
	Done     int `json:"done"`
	// Refused are those whose state did not allow it, or that were gone.
	Refused int `json:"refused"`
	// Failed are those without an answer: the request may still be carried out.
	Failed int `json:"failed"`
	// NotAsked are those that were left, since all was stopped.
	NotAsked int `json:"notAsked"`
}

// ActMany is Select and ActOn in one: it asks something of every operation that
// matches the filter and may take it.
func (c *Client) ActMany(ctx context.Context, f Filter, action protocol.Action, verb Verb, each func(Acted)) (ActSummary, error) {
	selected, err := c.Select(ctx, f, action)
	if err != nil {
		return ActSummary{}, err
	}
	return c.ActOn(ctx, selected, verb, each)
}

// ActOn asks something of each operation, Options.Parallel at once, in about the
// order given: first of those that queued, and when these are done of the others,
// so that no head is cancelled before what is behind it. each, if not nil, is
// told what became of each, in the caller's goroutine. One that is refused, or
// does not answer, does not stop the rest.
//
// When ctx is done, where no worker polls at all, and where the server denies
// the request, no more are asked; what is in flight is awaited. The error is nil
// unless it stopped so: ctx's error, a *NoWorkerError, or what the server said.
func (c *Client) ActOn(ctx context.Context, operations []Found, verb Verb, each func(Acted)) (ActSummary, error) {
	starting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	summary := ActSummary{Selected: len(operations), NotAsked: len(operations)}
	one := func(found Found) Acted {
		record, err := verb(ctx, found.ID, found.DependencyToken)
		if stopsAll(err) {
			stop(err)
		}
		return Acted{Found: found, Record: record, Err: err}
	}
	for _, part := range queuedFirst(operations) {
		for acted := range inParallel(starting, c.options.Parallel, part, one) {
			summary.count(acted.Err)
			if each != nil {
				each(acted)
			}
		}
	}
	if summary.NotAsked == 0 && ctx.Err() == nil {
		return summary, nil
	}
	return summary, context.Cause(starting)
}

// queuedFirst takes those that queued and the others apart.
func queuedFirst(operations []Found) [][]Found {
	var queued, others []Found
	for _, found := range operations {
		if found.Position > 0 {
			queued = append(queued, found)
		} else {
			others = append(others, found)
		}
	}
	return [][]Found{queued, others}
}

func (s *ActSummary) count(err error) {
	var refusal *protocol.Refusal
	s.NotAsked--
	switch {
	case err == nil:
		s.Done++
	case errors.As(err, &refusal):
		s.Refused++
	default:
		s.Failed++
	}
}

// stopsAll says whether the failure would meet every other operation too.
func stopsAll(err error) bool {
	var unattended *NoWorkerError
	var denied *serviceerror.PermissionDenied
	return errors.As(err, &unattended) && unattended.Pollers == 0 || errors.As(err, &denied)
}

// Select answers the operations that match the filter and may take the action,
// which is protocol.ActionCancel, ActionPause, ActionResume or ActionPostpone:
// those that have not completed; without Status only Suspended ones to resume,
// and only running ones to pause. Queued ones come first, those of a token from
// the last to the first; without Token all running tokens are asked. f.Limit is
// ignored.
//
// The error is ErrInvalidTransition where no operation with that Status takes
// the action. A token that does not answer is told to Options.Notice and its
// queued operations are left out.
func (c *Client) Select(ctx context.Context, f Filter, action protocol.Action) ([]Found, error) {
	f, err := selectable(f, action)
	if err != nil {
		return nil, err
	}
	queued, err := c.selectQueued(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("select operations to %s: %w", action, err)
	}
	known := make(map[string]bool, len(queued))
	for _, found := range queued {
		known[found.ID] = true
	}
	selected := slices.DeleteFunc(queued, func(found Found) bool { return !f.matchesQueued(found.Record) })
	started := f
	started.Token = ""
	l := &listing{client: c, filter: started, queued: known, rest: -1, yield: func(found Found, _ error) bool {
		selected = append(selected, found)
		return true
	}}
	if l.clauses, err = f.clauses(c.options.AttributeNames); err == nil {
		err = l.run(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("select operations to %s: %w", action, err)
	}
	return selected, nil
}

// selectable is the filter for an action.
func selectable(f Filter, action protocol.Action) (Filter, error) {
	f.open = true
	switch {
	case f.Status != "":
	case action == protocol.ActionResume:
		f.Status = protocol.Waiting.String()
	case action == protocol.ActionPause:
		f.Status = protocol.InProgress.String()
	}
	if f.Status == "" {
		return f, nil
	}
	status, err := protocol.ParseStatus(f.Status)
	if err == nil && status.Terminal() {
		err = &protocol.Refusal{
			Type:    protocol.ErrTypeInvalidTransition,
			Message: fmt.Sprintf("an operation that is %s cannot be asked to %s", status, action),
			Allowed: protocol.AllowedActions(status),
		}
	}
	return f, err
}

// selectQueued answers what queues in the token, or in all running ones, each
// token from the last to the first.
func (c *Client) selectQueued(ctx context.Context, f Filter) (queued []Found, err error) {
	serializers := []string{protocol.SerializerWorkflowID(f.Token)}
	if f.Token == "" {
		if serializers, err = c.runningSerializers(ctx); err != nil {
			return nil, err
		}
	}
	var silent atomic.Int32
	look := func(workflowID string) (queue []Found) {
		err := c.eachQueued(ctx, workflowID, func(found Found) error {
			queue = append(queue, found)
			return nil
		})
		if err != nil && !isGone(err) && silent.Add(1) == 1 {
			c.options.Notice(fmt.Sprintf("queued operations of a token are left out: %v", err))
		}
		slices.Reverse(queue)
		return queue
	}
	for queue := range inParallel(ctx, c.options.Parallel, serializers, look) {
		queued = append(queued, queue...)
	}
	return queued, ctx.Err()
}
