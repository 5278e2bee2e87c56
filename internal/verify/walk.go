package verify

import (
	"context"
	"fmt"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// walk goes through the runs of one token, in the order in which they began.
type walk struct {
	*Reader
	workflowID, token string
	checker           *Checker
	report            *Report

	// last is the run that was read last; seen are those that were read.
	last  *run
	seen  map[string]bool
	order []string
	// stopped are runs that were closed with a queue, and from which nothing is
	// known to go on.
	stopped []*run
	// unclosed are executions that had not closed when they were read: they are
	// read again with the next run's, which may know more.
	unclosed []*Start
	// doubtful are operations of which it is not known whether their execution is
	// their own, by their ids.
	doubtful map[string]*Start
	// ahead are those that were started ahead, and wait for their turn, by their ids.
	ahead   map[string]*Start
	ordinal int
	// recovered says that another chain's operations were put before the queue, and
	// none of them was started yet; highest is the number of the last one that was.
	recovered bool
	highest   int64
	// answers says that a worker answers queries.
	answers bool
}

// verify goes through these runs, and what came after them meanwhile.
func (r *Reader) verify(ctx context.Context, workflowID, token string, runs []serializerRun, limit string) (*Report, error) {
	slices.SortStableFunc(runs, func(a, b serializerRun) int { return a.started.Compare(b.started) })
	w := &walk{Reader: r, workflowID: workflowID, token: token, seen: make(map[string]bool), doubtful: make(map[string]*Start), ahead: make(map[string]*Start)}
	w.checker = NewChecker(token, r.options.Skew)
	w.report = w.checker.report
	if limit != "" {
		w.report.limit(limit)
	}
	if r.options.Every > 1 {
		w.report.limit(fmt.Sprintf("the own history of one operation in %d was read", r.options.Every))
	}
	var before protocol.SerializerState
	if before, w.answers = w.state(ctx, ""); !w.answers {
		w.report.limit("no worker answers: what a chain's last run accepted, and neither started nor handed on, is not known")
	}
	for i, one := range runs {
		if err := w.follow(ctx, one.id); err != nil {
			return w.report, fmt.Errorf("token %q: %w", token, err)
		}
		n := w.report.Counts
		r.options.Progress(Progress{Token: token, Run: i + 1, Runs: len(runs), Operations: n.Operations, Violations: w.report.Violations})
	}
	if w.last == nil {
		return nil, fmt.Errorf("token %q: %w", token, ErrUnknownToken)
	}
	if err := w.conclude(ctx, before); err != nil {
		return w.report, fmt.Errorf("token %q: %w", token, err)
	}
	w.checker.End(w.last.closed == Succeeded)
	return w.report, w.completePairs(ctx)
}

// follow reads a run, and those that it led to.
func (w *walk) follow(ctx context.Context, runID string) error {
	for runID != "" && !w.seen[runID] {
		one, err := w.readRun(ctx, runID)
		if isNotFound(err) {
			return nil // its retention ended
		}
		if err != nil {
			return err
		}
		if err := w.take(ctx, one); err != nil {
			return err
		}
		w.seen[runID], w.order = true, append(w.order, runID)
		runID = one.next
	}
	return nil
}

func (w *walk) readRun(ctx context.Context, runID string) (*run, error) {
	one := newRun(runID)
	events := w.client.GetWorkflowHistory(ctx, w.workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("history of run %s: %w", runID, err)
		}
		one.read(event)
	}
	return one, nil
}

// take judges a run. It may be one that was taken before, read again.
func (w *walk) take(ctx context.Context, one *run) error {
	if !w.seen[one.id] {
		w.note(one)
	}
	w.resume(one)
	if err := w.begin(ctx, one); err != nil {
		return err
	}
	for _, q := range []*carriedQueue{one.state, one.restored} {
		if q != nil && q.Head != nil && !w.knows(q.Head.Sequence) {
			w.doubtful[q.Head.Operation.ID] = &Start{Ref: q.Head.ref(), Serializer: one.id}
		}
	}
	w.last = one
	starts := w.startsOf(one)
	one.facts, one.starts = nil, nil
	return w.judge(ctx, starts)
}

// begin tells the checker what a run began with.
func (w *walk) begin(ctx context.Context, one *run) error {
	last := w.last
	switch {
	case last != nil && last.id == one.id:
	case !one.continued:
		if last != nil && last.closed == Succeeded {
			w.completed(ctx, last)
		}
		if one.restored != nil {
			w.checker.Accepted(one.restored.NextSequence)
		}
		w.checker.ChainBegins(one.began.UnixMicro())
	case one.state == nil, one.wasReset():
	case last != nil && last.next == one.id:
		w.checker.Accepted(one.state.NextSequence)
		w.received(last, one.state.Counts)
	default:
		return w.beginInTheMiddle(ctx, one.state)
	}
	return nil
}

// firstNumber is the first number that the run itself gave away.
func (r *run) firstNumber() int64 {
	switch {
	case r.state != nil:
		return r.state.NextSequence
	case r.restored != nil:
		return max(r.began.UnixMicro(), r.restored.NextSequence)
	}
	return r.began.UnixMicro()
}

// received compares what a run received with what it had counted at its end.
func (w *walk) received(one *run, counts protocol.Counts) {
	if !one.refused && one.restored == nil {
		w.checker.Submitted(one.id, one.submitted, taken(counts)-one.takenBefore())
	}
}

// takenBefore is what was counted when the run began.
func (r *run) takenBefore() int64 {
	if r.state == nil {
		return 0
	}
	return taken(r.state.Counts)
}

// note counts a run that is new.
func (w *walk) note(one *run) {
	c := &w.report.Coverage
	if w.last == nil {
		c.Since, c.FromChainStart = one.began, !one.continued
	}
	if one.last.After(c.Until) {
		c.Until = one.last
	}
	if one.token != "" && protocol.SerializerWorkflowID(one.token) == w.workflowID {
		w.token, w.report.Token = one.token, one.token
	}
	n := &w.report.Counts
	n.Runs++
	if !one.continued && !one.wasReset() {
		n.Chains++
	}
	n.MaxCarriedBytes = max(n.MaxCarriedBytes, one.stateBytes)
	if one.state != nil && one.state.Head != nil {
		n.Adoptions++
	}
}

// resume notes whether what a closed run had to do goes on in this one.
func (w *walk) resume(one *run) {
	if one.wasReset() {
		w.stopped = slices.DeleteFunc(w.stopped, func(s *run) bool { return s.original == one.original || s.id == one.original })
	}
	if n := len(w.stopped); n > 0 && one.restored != nil {
		if one.found.ByServer {
			w.stopped = w.stopped[:n-1]
		} else {
			w.stopped[n-1].rest = one.restored
		}
	}
	switch one.closed {
	case Terminated, TimedOut, Failed, Canceled:
		if !slices.ContainsFunc(w.stopped, func(s *run) bool { return s.id == one.id }) {
			w.stopped = append(w.stopped, one)
		}
	}
}

// beginInTheMiddle begins with a run whose predecessors are not retained.
func (w *walk) beginInTheMiddle(ctx context.Context, q *carriedQueue) error {
	waiting := q.waiting()
	if q.Head != nil {
		waiting = append(waiting, q.Head.ref())
	}
	for _, page := range q.pages() {
		refs, err := w.readPage(ctx, page)
		if err != nil && !isNotFound(err) {
			return err
		}
		waiting = append(waiting, refs...)
	}
	w.checker.Carried(q.NextSequence, waiting)
	return nil
}
