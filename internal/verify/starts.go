package verify

import (
	"context"
	"slices"
)

// knows says that an execution or a duplicate with this number is known.
func (w *walk) knows(sequence int64) bool {
	return w.checker.IsClaimed(sequence) || slices.ContainsFunc(w.unclosed, func(s *Start) bool { return s.Sequence == sequence })
}

// startsOf are the executions that a run started or found, in order.
func (w *walk) startsOf(one *run) (starts []*Start) {
	for _, f := range one.facts {
		switch {
		case f.recovered:
			w.recovered = true
		case f.doubtful:
			w.doubtful[f.start.ID] = f.start
		case f.ahead:
			w.waitsAhead(f.start)
		case f.turn != nil:
			if s := w.ahead[f.id]; s != nil {
				delete(w.ahead, f.id)
				s.take(f.turn)
				w.place(s)
				starts = append(starts, s)
			}
		case f.start != nil:
			delete(w.doubtful, f.start.ID)
			delete(w.ahead, f.start.ID)
			w.place(f.start)
			starts = append(starts, f.start)
		default:
			if s := w.found(f); s != nil && !slices.ContainsFunc(starts, func(o *Start) bool { return o.Sequence == s.Sequence }) {
				starts = append(starts, s)
			}
		}
	}
	return starts
}

// waitsAhead notes an execution that waits for its turn. One whose turn is known is
// read again.
func (w *walk) waitsAhead(s *Start) {
	if !w.knows(s.Sequence) {
		delete(w.doubtful, s.ID)
		w.ahead[s.ID] = s
	}
}

// place marks the first of another chain's operations that was put before this
// one's queue: its number is lower than that of the one before it.
func (w *walk) place(s *Start) {
	if s.Verdict {
		return
	}
	s.Recovered = s.Recovered || w.recovered && s.Sequence < w.highest
	w.recovered = w.recovered && !s.Recovered
	w.highest = s.Sequence
}

// found is an execution that was there when an operation was to be started; nil
// where it is another operation's, or known.
func (w *walk) found(f fact) *Start {
	s := w.doubtful[f.id]
	if s == nil {
		return nil
	}
	delete(w.doubtful, f.id)
	if f.look.Token != w.token || f.look.Sequence != s.Sequence {
		w.checker.Duplicate(s.Ref)
		if ahead := w.ahead[f.id]; ahead != nil {
			ahead.Recovered = true // it was left by another chain, and gets its turn now
		}
		return nil
	}
	switch {
	case w.knows(s.Sequence), w.ahead[f.id] != nil: // that one's turn tells
		return nil
	case s.Gated || f.look.Gated:
		s.Gated = true
		w.waitsAhead(s)
		return nil
	}
	return s
}

// judge has the executions judged, with those before them that had not closed.
// The last one to run, and those that only record an end, may still not have.
func (w *walk) judge(ctx context.Context, starts []*Start) error {
	starts = slices.DeleteFunc(starts, func(s *Start) bool {
		return slices.ContainsFunc(w.unclosed, func(u *Start) bool { return u.ID == s.ID && u.Execution.RunID == s.Execution.RunID })
	})
	starts = append(w.unclosed, starts...)
	w.unclosed = nil
	if err := w.readExecutions(ctx, starts); err != nil {
		w.unclosed = starts
		return err
	}
	for i, s := range starts {
		isLast := !slices.ContainsFunc(starts[i+1:], func(o *Start) bool { return !o.Verdict })
		if s.Execution.Closed.IsZero() && (s.Verdict || isLast) {
			w.unclosed = append(w.unclosed, s)
			continue
		}
		w.checked(s)
	}
	return nil
}

func (w *walk) checked(s *Start) {
	w.options.Each(*s)
	w.checker.Start(*s)
}
