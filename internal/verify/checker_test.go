package verify

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// t0 is when the chain of the tests began, first its first number.
var (
	t0    = time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)
	first = t0.UnixMicro()
)

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

// started is the n-th operation of a token that keeps its promise: it runs from
// n to n + 0.9 seconds.
func started(n int) Start {
	begin := float64(n)
	return Start{
		Ref: Ref{fmt.Sprintf("op-%d", n), first + int64(n)}, Serializer: "run-1", Event: int64(10 * n), On: at(begin),
		Execution: Execution{
			RunID: fmt.Sprintf("execution-%d", n), Read: true, Began: at(begin), Closed: at(begin + 0.9), Status: Succeeded,
			Calls: []Call{{Scheduled: at(begin + 0.1), Closed: at(begin + 0.8)}},
		},
	}
}

// told is what a checker is told in a test; the zero value keeps the promise.
type told struct {
	starts     []Start
	next       int64 // what the next operation would get
	ahead      []Start
	duplicates []Ref
	queued     []Ref
	left       []Ref
	running    bool
	skew       time.Duration
	received   int64
	unknown    int64
}

func (f *told) report() *Report {
	c := NewChecker("customer-42", f.skew)
	c.ChainBegins(first)
	for _, s := range f.starts {
		c.Start(s)
	}
	for _, s := range f.ahead {
		c.Ahead(s)
	}
	for _, ref := range f.duplicates {
		c.Duplicate(ref)
	}
	for _, ref := range f.queued {
		c.Queued(ref)
	}
	for _, ref := range f.left {
		c.Left(ref)
	}
	c.Submitted("run-1", f.received, 5)
	c.Unknown(f.unknown)
	c.Accepted(f.next)
	return c.End(!f.running)
}

// kept are five operations in order.
func kept() *told {
	f := &told{next: first + 5, received: 5}
	for n := range 5 {
		f.starts = append(f.starts, started(n))
	}
	return f
}

func TestCheckerFindsEachViolation(t *testing.T) {
	t.Parallel()
	require.True(t, kept().report().Kept, "the facts that each case spoils are in order")
	for _, tc := range []struct {
		name  string
		spoil func(*told)
		wants []Kind
		// pair are the operations of the first finding.
		pair []string
	}{
		{"a number without an execution", func(f *told) { f.starts = append(f.starts[:2], f.starts[3:]...) }, []Kind{Missing}, []string{""}},
		{"the last numbers without an execution", func(f *told) { f.next += 2 }, []Kind{Missing}, []string{""}},
		{"one number for two operations", func(f *told) { f.starts[3].Sequence = f.starts[2].Sequence }, []Kind{NumberTwice, Reordered, Missing}, []string{"op-2", "op-3"}},
		{"one operation with two executions", func(f *told) { f.starts[4].ID = "op-1" }, []Kind{StartedTwice}, []string{"op-1"}},
		{"started in another order", func(f *told) {
			f.starts[2].Ref, f.starts[3].Ref = f.starts[3].Ref, f.starts[2].Ref
		}, []Kind{Reordered}, []string{"op-3", "op-2"}},
		{"began before the one before it closed", func(f *told) { f.starts[3].Execution.Began = at(2.5) }, []Kind{Overlapped}, []string{"op-2", "op-3"}},
		{"began while the one before it runs", func(f *told) {
			f.starts[2].Execution.Closed, f.starts[2].Execution.Status, f.running = time.Time{}, Running, true
		}, []Kind{Overlapped}, []string{"op-2", "op-3"}},
		{"a handler called twice at once", func(f *told) {
			f.starts[1].Execution.Calls = append(f.starts[1].Execution.Calls, Call{Scheduled: at(1.5), Closed: at(1.8)})
		}, []Kind{Overlapped}, []string{"op-1"}},
		{"ran before its turn", func(f *told) { f.starts[3].Gated, f.starts[3].Turn = true, at(3.5) }, []Kind{Overlapped}, []string{"op-3"}},
		{"was given its turn before the one before it closed", func(f *told) {
			f.starts[3].Gated, f.starts[3].Turn = true, at(2.5)
		}, []Kind{Overlapped}, []string{"op-2", "op-3"}},
		{"ran while it waited for its turn", func(f *told) {
			f.ahead, f.queued, f.running = f.starts[4:], []Ref{f.starts[4].Ref}, true
			f.starts = f.starts[:4]
		}, []Kind{Overlapped}, []string{"op-4"}},
		{"scheduled before it was due", func(f *told) { f.starts[4].Execution.Calls[0].NotBefore = at(4.2) }, []Kind{Early}, []string{"op-4"}},
		{"started while held", func(f *told) { f.starts[4].Held = "held since yesterday" }, []Kind{WhileHeld}, []string{"op-4"}},
		{"its handler scheduled while held", func(f *told) { f.starts[4].Execution.Calls[0].Held = true }, []Kind{WhileHeld}, []string{"op-4"}},
		{"ran although it had ended while it queued", func(f *told) { f.starts[3].Verdict = true }, []Kind{RanAfterEnd}, []string{"op-3"}},
		{"closed while its handler ran", func(f *told) { f.starts[3].Execution.Calls[0].Closed = time.Time{} }, []Kind{LockLeft}, []string{"op-3"}},
		{"open although the token is idle", func(f *told) {
			f.starts[4].Execution.Closed, f.starts[4].Execution.Status = time.Time{}, Running
		}, []Kind{Unfinished}, []string{"op-4"}},
		{"left with its serializer", func(f *told) {
			f.next++
			f.left = []Ref{{"op-5", first + 5}}
		}, []Kind{Lost}, []string{"op-5"}},
		{"received and not counted", func(f *told) { f.received = 7 }, []Kind{Unread}, []string{""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := kept()
			tc.spoil(f)
			r := f.report()
			var kinds []Kind
			for _, finding := range r.Broken {
				kinds = append(kinds, finding.Kind)
			}
			require.Equal(t, tc.wants, kinds, "%+v", r.Broken)
			require.False(t, r.Kept)
			var pair []string
			for _, p := range r.Broken[0].Operations {
				pair = append(pair, p.ID)
			}
			require.Equal(t, tc.pair, pair)
		})
	}
}

func TestCheckerTakesWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*told)
		check  func(*testing.T, *Report)
	}{
		{"a failure that runs again in its place", func(f *told) {
			f.starts[3].Sequence, f.starts[3].RerunOf, f.starts[3].N = f.starts[2].Sequence, "op-2", 1
			f.starts[4].Sequence--
			f.next--
		}, func(t *testing.T, r *Report) { require.Equal(t, 1, r.Counts.Reruns) }},
		{"an end in the queue, recorded before its turn", func(f *told) {
			record := f.starts[3]
			record.Verdict, record.Execution.Calls = true, nil
			f.starts = []Start{f.starts[0], record, f.starts[1], f.starts[2], f.starts[4]}
		}, func(t *testing.T, r *Report) { require.Equal(t, 1, r.Counts.EndedInQueue) }},
		{"a repeat that was found out late", func(f *told) {
			f.starts, f.duplicates = f.starts[:4], []Ref{{"op-1", first + 4}}
		}, func(t *testing.T, r *Report) { require.Equal(t, 1, r.Counts.Duplicates) }},
		{"what waits and what runs", func(f *told) {
			f.starts[4].Execution.Closed, f.starts[4].Execution.Status = time.Time{}, Running
			f.next, f.running = f.next+2, true
			f.queued = []Ref{{"op-5", first + 5}, {"op-6", first + 6}}
		}, func(t *testing.T, r *Report) {
			require.Equal(t, 2, r.Counts.Queued)
			require.Equal(t, 1, r.Counts.Running)
		}},
		{"history that a reset repeated", func(f *told) {
			f.starts = append(f.starts[:3:3], append(f.starts[1:3:3], f.starts[3:]...)...)
		}, func(t *testing.T, r *Report) { require.Equal(t, 5, r.Counts.Operations) }},
		{"a lock that was broken", func(f *told) {
			f.starts[2].Execution.Calls[0].Closed, f.starts[2].Execution.LockBroken = time.Time{}, true
		}, func(t *testing.T, r *Report) {
			require.Equal(t, 1, r.Counts.LockBroken)
			require.Equal(t, LockBroken, r.Apart[0].Kind)
		}},
		{"one that was terminated", func(f *told) {
			f.starts[2].Execution.Calls[0].Closed, f.starts[2].Execution.Status = time.Time{}, Terminated
		}, func(t *testing.T, r *Report) { require.Equal(t, WasTerminated, r.Apart[0].Kind) }},
		{"left with its serializer, and submitted again", func(f *told) {
			f.left = []Ref{{"op-4", first - 100}}
		}, func(*testing.T, *Report) {}},
		{"clocks that differ by no more than was said", func(f *told) {
			f.starts[3].Execution.Began, f.skew = at(2.899), 2*time.Millisecond
		}, func(*testing.T, *Report) {}},
		{"a number whose default id somebody chose", func(f *told) {
			f.starts[4].Sequence++
			f.starts[1].ID = protocol.DefaultOperationID("customer-42", first+4)
			f.next++
		}, func(*testing.T, *Report) {}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := kept()
			tc.change(f)
			r := f.report()
			require.True(t, r.Kept, "%+v", r.Broken)
			tc.check(t, r)
		})
	}
}

// Without the runs before, what the first one that is retained was given is what
// can be judged.
func TestCheckerBeginsInTheMiddle(t *testing.T) {
	t.Parallel()
	c := NewChecker("customer-42", 0)
	c.Carried(first+5, []Ref{started(3).Ref, started(4).Ref})
	c.Start(started(3))
	r := c.End(true)
	require.Len(t, r.Broken, 1)
	require.Equal(t, first+4, r.Broken[0].Operations[0].Sequence)
	require.Equal(t, first+3, r.Coverage.First)
	require.Equal(t, first+4, r.Coverage.Last)
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	var n, all numbers
	all.add(0, 100)
	for _, s := range []span{{50, 60}, {10, 20}, {20, 30}, {5, 5}, {90, 100}, {25, 55}} {
		n.add(s.from, s.to)
	}
	require.Equal(t, []span{{10, 60}, {90, 100}}, n.spans)
	require.Equal(t, int64(60), n.count())
	for number := int64(-1); number < 101; number++ {
		require.Equal(t, number >= 10 && number < 60 || number >= 90 && number < 100, n.has(number), number)
	}
	var gaps []span
	for s := range all.without(&n) {
		gaps = append(gaps, s)
	}
	require.Equal(t, []span{{0, 10}, {60, 90}}, gaps)
}

// The report has a bound, and still counts.
func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	f := &told{next: first, running: true}
	for n := range 3 * maxFindings {
		s := started(n)
		s.Held = "held"
		f.starts = append(f.starts, s)
	}
	r := f.report()
	require.Len(t, r.Broken, maxFindings)
	require.Equal(t, 3*maxFindings, r.Violations)
}

// Numbers that a run gave away and that only a worker could tell of are not
// missing; what the runs before it gave away is.
func TestNumbersThatNobodyCanTellOfAreNotMissing(t *testing.T) {
	t.Parallel()
	f := kept()
	f.starts, f.running = append(f.starts[:2], f.starts[4]), true
	require.Equal(t, 2, f.report().Violations, "a worker answers")
	f.unknown = first + 2
	require.True(t, f.report().Kept)
	f.unknown = first + 3
	require.Equal(t, 1, f.report().Violations, "one is of the run before")
}
