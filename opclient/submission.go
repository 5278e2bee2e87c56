package opclient

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// What is there is sent in signals that are not full when the stream pauses, or
// when the first of it has waited long enough.
const (
	pauseBeforeFlush = 50 * time.Millisecond
	delayBeforeFlush = time.Second
)

// submission is one SubmitMany. All of it belongs to one goroutine, which reads
// items, hands batches to senders and takes their answers.
type submission struct {
	client *Client
	each   func(Result)

	lanes    lanes
	inFlight int
	sent     chan sent
	// flush sends what is there although more would fit, until all of it is on
	// its way. since is when it began to wait.
	flush bool
	since time.Time
	// failed holds the tokens of which nothing more is sent.
	failed map[string]error
	// stopped is why nothing more is sent at all.
	stopped error

	summary Summary
	errs    []error
}

// sent is the answer to one batch.
type sent struct {
	batch  []entry
	handle *Handle
	err    error
}

func (s *submission) run(ctx context.Context, items iter.Seq[Item]) (Summary, error) {
	quit := make(chan struct{})
	defer close(quit)
	input, done := produce(items, quit), ctx.Done()
	paused := time.NewTimer(pauseBeforeFlush)
	defer paused.Stop()
	for input != nil || s.lanes.operations > 0 {
		s.dispatch(ctx, input == nil)
		select {
		case item, ok := <-s.open(input):
			if !ok {
				input = nil
				continue
			}
			s.read(ctx, item)
			paused.Reset(s.patience())
		case answer := <-s.sent:
			s.settle(answer)
		case <-paused.C:
			s.flush = true
		case <-done:
			done = nil
			s.stop(ctx.Err())
		}
		if s.stopped != nil {
			input = nil
		}
	}
	return s.summary, errors.Join(s.errs...)
}

// produce iterates in a goroutine of its own, so that a stream that pauses
// holds up nothing.
func produce(items iter.Seq[Item], quit <-chan struct{}) <-chan Item {
	input := make(chan Item)
	go func() {
		defer close(input)
		for item := range items {
			select {
			case input <- item:
			case <-quit:
				return
			}
		}
	}()
	return input
}

// patience is how long to wait for more before what is there is sent.
func (s *submission) patience() time.Duration {
	if s.lanes.waiting <= 1 {
		s.since = time.Now()
	}
	return max(0, min(pauseBeforeFlush, delayBeforeFlush-time.Since(s.since)))
}

// open is the input while there is room, else nil, which blocks.
func (s *submission) open(input <-chan Item) <-chan Item {
	if s.lanes.room() {
		return input
	}
	return nil
}

// dispatch hands out batches while senders are idle.
func (s *submission) dispatch(ctx context.Context, ended bool) {
	for s.inFlight < s.client.options.Parallel {
		batch, ok := s.lanes.next(s.flush || ended || !s.lanes.room())
		if !ok {
			break
		}
		s.inFlight++
		go func() {
			handle, err := s.client.send(context.WithoutCancel(ctx), ctx, batch)
			s.sent <- sent{batch, handle, err}
		}()
	}
	s.flush = s.flush && s.lanes.waiting > 0
}

// read checks one item and puts it in its lane.
func (s *submission) read(ctx context.Context, item Item) {
	s.summary.Read++
	o := item.Operation
	result := Result{Line: item.Line, ID: o.ID, Token: o.DependencyToken, Delivery: Refused, Err: item.Err}
	if item.Err != nil {
		s.report(result)
		return
	}
	e, err := s.client.prepare(ctx, o)
	if err != nil {
		result.Err = err
		s.report(result)
		return
	}
	e.line = item.Line
	if cause, ok := s.failed[o.DependencyToken]; ok {
		s.report(resultOf(e, NotSubmitted, notSent(o.DependencyToken, cause)))
		return
	}
	s.lanes.add(e)
}

// settle takes the answer to a batch.
func (s *submission) settle(answer sent) {
	s.inFlight--
	s.lanes.settle(answer.batch)
	token := answer.batch[0].operation.DependencyToken
	if isFree(answer.batch[0].operation) {
		token = ""
	}
	if token != "" && answer.err == nil {
		s.summary.Signals++
	}
	delivery := deliveryOf(answer)
	for _, e := range answer.batch {
		s.report(resultOf(e, delivery, answer.err))
	}
	if answer.err == nil || delivery == Refused {
		return
	}
	s.fail(token, answer.err)
}

func deliveryOf(answer sent) Delivery {
	var unanswered *UnansweredError
	switch {
	case answer.err == nil && answer.handle.Duplicate:
		return Duplicate
	case answer.err == nil:
		return Accepted
	case errors.As(answer.err, &unanswered):
		return Unanswered
	case isRefusal(answer.err, protocol.ErrTypeDuplicateID):
		return Refused
	default:
		return NotSubmitted
	}
}

// fail holds back what would overtake an operation that was not sent.
func (s *submission) fail(token string, cause error) {
	if s.stopped != nil {
		return
	}
	if affectsAll(cause) {
		s.stop(cause)
		return
	}
	s.note(cause)
	if token == "" {
		return
	}
	s.failed[token] = cause
	for _, e := range s.lanes.drop(token) {
		s.report(resultOf(e, NotSubmitted, notSent(token, cause)))
	}
}

// stop holds back everything.
func (s *submission) stop(cause error) {
	if s.stopped != nil {
		return
	}
	s.stopped = cause
	s.errs = append(s.errs, cause)
	for _, e := range s.lanes.dropAll() {
		s.report(resultOf(e, NotSubmitted, notSent("", cause)))
	}
}

// note keeps the first failure of each kind.
func (s *submission) note(cause error) {
	for _, known := range s.errs {
		if classify(known) == classify(cause) {
			return
		}
	}
	s.errs = append(s.errs, cause)
}

func resultOf(e entry, delivery Delivery, err error) Result {
	o := e.operation
	r := Result{Line: e.line, ID: o.ID, Token: o.DependencyToken, Delivery: delivery, Err: err}
	switch {
	case delivery != Accepted && delivery != Duplicate:
	case isFree(o):
		r.WorkflowID = protocol.OperationWorkflowID(o.ID)
	default:
		r.WorkflowID = protocol.SerializerWorkflowID(o.DependencyToken)
	}
	return r
}

func (s *submission) report(r Result) {
	switch r.Delivery {
	case Accepted:
		s.summary.Accepted++
	case Duplicate:
		s.summary.Duplicates++
	case Refused:
		s.summary.Refused++
	case NotSubmitted:
		s.summary.NotSubmitted++
	case Unanswered:
		s.summary.Unanswered++
	}
	s.each(r)
}
