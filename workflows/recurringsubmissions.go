package workflows

import (
	"cmp"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// A recurring operation never queues (SPEC 7.3): a token that receives one has it
// started as a workflow of its own and goes on. Its occurrences come back to the
// token as operations, each when it falls due. The engine starts it, not the
// serializer: the server lets a workflow have no more than 2,000 children at once,
// and these live for years.

const (
	// maxRecurringInFlight bounds how many are being started at once.
	maxRecurringInFlight = 50
	// maxRecurringBytes pauses intake until what was taken in is started.
	maxRecurringBytes = 256 << 10
	// startRecurringTimeout bounds one attempt.
	startRecurringTimeout = 2 * time.Minute
)

// acceptRecurring takes a recurring operation in, to be started.
func (q *Queue) acceptRecurring(o protocol.Operation, now time.Time) {
	if o.ID == "" {
		q.Reject(protocol.ErrTypeInvalidOperation, "", "id: is missing: a recurring operation has no place in the queue to make one from", now)
		return
	}
	if err := checkOccurrences(o); err != nil {
		q.Reject(protocol.ErrTypeInvalidOperation, idToShow(o), err.Error(), now)
		return
	}
	entry := Entry{Operation: o, CreatedOn: now, Hash: o.ContentHash()}
	entry.Bytes = entry.room()
	q.Seen.Add(o.ID, entry.Hash)
	q.Bytes += entry.Bytes
	q.Recurring = append(q.Recurring, entry)
}

// RecurringAnswered notes what became of a recurring operation that the engine was
// to start: it is there, it was there before, or another operation has its id.
func (q *Queue) RecurringAnswered(id string, reply protocol.StartRecurrenceReply, now time.Time) {
	at := slices.IndexFunc(q.Recurring, func(e Entry) bool { return e.Operation.ID == id })
	if at < 0 {
		return
	}
	q.Bytes -= q.Recurring[at].Bytes
	q.Recurring = slices.Delete(q.Recurring, at, at+1)
	switch {
	case reply.Refused != "":
		q.Reject(cmp.Or(reply.Type, protocol.ErrTypeInvalidOperation), id, reply.Refused, now)
	case reply.Duplicate:
		q.Counts.Duplicates++
	default:
		q.Counts.Recurring++
	}
}

// recurringStart is a recurring operation that the engine is starting.
type recurringStart struct {
	entry  Entry
	answer workflow.Future
}

func (c *recurringStart) hasNews() bool { return c.answer.IsReady() }

// startRecurring has the recurring operations started that were submitted, and
// notes what became of those before. A run that ends leaves the rest to the next:
// one that is started twice is there once.
func (s *serializer) startRecurring() {
	s.recurring = slices.DeleteFunc(s.recurring, func(c *recurringStart) bool {
		if c.hasNews() {
			s.recurringAnswered(c)
			return true
		}
		return false
	})
	for _, entry := range s.queue.Recurring {
		if len(s.recurring) >= maxRecurringInFlight {
			return
		}
		inFlight := func(c *recurringStart) bool { return c.entry.Operation.ID == entry.Operation.ID }
		if !slices.ContainsFunc(s.recurring, inFlight) {
			s.recurring = append(s.recurring, &recurringStart{entry: entry, answer: s.spawn(entry.Operation)})
		}
	}
}

// spawn has the engine start a recurring operation.
func (s *serializer) spawn(o protocol.Operation) workflow.Future {
	ctx := workflow.WithActivityOptions(s.ctx, workflow.ActivityOptions{
		TaskQueue:           engineTaskQueue(s.ctx),
		StartToCloseTimeout: startRecurringTimeout,
		Summary:             "starts recurring " + cut(o.ID, maxSummaryBytes-20),
		RetryPolicy:         &temporal.RetryPolicy{MaximumInterval: 30 * time.Second},
	})
	return workflow.ExecuteActivity(ctx, protocol.StartRecurrenceActivity, o)
}

// recurringAnswered notes what became of a recurring operation.
func (s *serializer) recurringAnswered(c *recurringStart) {
	var reply protocol.StartRecurrenceReply
	if err := c.answer.Get(s.ctx, &reply); err != nil {
		reply.Refused = "not started: " + err.Error()
	}
	s.queue.RecurringAnswered(c.entry.Operation.ID, reply, workflow.Now(s.ctx))
}

// mustSpawn says that a recurring operation waits to be started.
func (s *serializer) mustSpawn() bool {
	return len(s.queue.Recurring) > len(s.recurring) && len(s.recurring) < maxRecurringInFlight
}

// recurringNews says that the engine answered for one.
func (s *serializer) recurringNews() bool {
	return slices.ContainsFunc(s.recurring, (*recurringStart).hasNews)
}
