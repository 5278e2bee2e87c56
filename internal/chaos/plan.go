package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// submitters is how many processes submit; each sends lanes of steps side by
// side, and what concerns one token is in one lane.
const (
	submitters = 3
	lanes      = 4
)

// work is the data of an operation: what its handler does.
type work struct {
	// Version tells contents with one id apart.
	Version int `json:"version"`
	// Kind is what becomes of it.
	Kind string `json:"kind"`
	// Milliseconds is how long it takes.
	Milliseconds int `json:"milliseconds"`
	// Failures is how many attempts fail before one succeeds.
	Failures int `json:"failures,omitempty"`
	// Parts are the rows of an import, or the recipients of a mailing.
	Parts int `json:"parts,omitempty"`
}

// The kinds of work.
const (
	workSucceeds = "succeeds"
	workFails    = "fails"    // for good
	workRetries  = "retries"  // fails so often, and may then succeed
	workPanics   = "panics"   // as workRetries
	workHangs    = "hangs"    // its first attempt outlives its lock and ignores that
	workSuspends = "suspends" // its first call asks for a person
)

// planned is one operation of a plan. Its instants are counted from the begin of
// the load.
type planned struct {
	ID       string           `json:"id"`
	Type     protocol.TypeRef `json:"type"`
	Token    string           `json:"token,omitempty"`
	Postpone time.Duration    `json:"postpone,omitempty"`
	Recurs   *recurring       `json:"recurs,omitempty"`
	Work     work             `json:"work"`
}

// operation is what is submitted: the same in every repeat.
func (p planned) operation(begin time.Time) protocol.Operation {
	o := protocol.Operation{ID: p.ID, OperationType: p.Type, DependencyToken: p.Token, Data: p.data()}
	if p.Work.Parts > 0 {
		o.Name = bulkName(p.ID, p.Work.Version)
	}
	if p.Postpone > 0 {
		until := begin.Add(p.Postpone).UTC().Truncate(time.Millisecond)
		o.PostponeUntil = &until
	}
	if p.Recurs != nil {
		first := begin.Add(p.Recurs.First).UTC().Truncate(time.Second)
		o.RecurrencePattern, o.RecurrenceStartTime = p.Recurs.rule(), &first
	}
	return o
}

// step is one thing that a submitter does: submit a batch, cancel one, or ask
// for something else.
type step struct {
	At         time.Duration `json:"at"`
	Lane       int           `json:"lane"`
	Operations []planned     `json:"operations,omitempty"`
	Cancel     *planned      `json:"cancel,omitempty"`
	Ask        *ask          `json:"ask,omitempty"`
}

// plan is what a seed decides.
type plan struct {
	// Steps are those of each submitter, in order of time.
	Steps  [submitters][]step
	Faults []fault
}

// newPlan makes the plan of a seed: load over the window, faults inside it.
func newPlan(o options, window time.Duration) plan {
	p := planner{
		rand: rand.New(rand.NewPCG(o.seed, 1)), tokens: tokenNames(o.tokens),
		window: window * 9 / 10,
	}
	for number := 0; number < o.operations; {
		number += p.submit(number, o.operations-number)
	}
	p.asks(max(2, o.operations/o.tokens/15))
	p.recurrences(o.recurrences)
	for i := range p.Steps {
		slices.SortStableFunc(p.Steps[i], func(a, b step) int { return cmp.Compare(a.At, b.At) })
	}
	p.Faults = newFaults(rand.New(rand.NewPCG(o.seed, 2)), o, window)
	return p.plan
}

// tokenNames are the tokens; some are of a form that a clumsy query or path
// would trip over.
func tokenNames(n int) []string {
	forms := []string{"customer-%02d", "o'brien \"%02d\"", "Größe/%02d:x", "t%02d"}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf(forms[i%len(forms)], i)
	}
	return names
}

// long are the operations that work long enough to be stopped in the middle.
func (p plan) long() map[string]bool {
	ids := make(map[string]bool)
	for _, steps := range p.Steps {
		for _, s := range steps {
			for _, o := range s.Operations {
				if o.Type != flowType && (o.Work.Parts > 0 || o.Work.Milliseconds >= 500) {
					ids[o.ID] = true
				}
			}
		}
	}
	return ids
}

// planner fills a plan.
type planner struct {
	plan
	rand   *rand.Rand
	tokens []string
	window time.Duration
}

// submit plans some operations of one submitter on one token, numbered from
// number, and answers how many.
func (p *planner) submit(number, limit int) (count int) {
	submitter, token := p.rand.IntN(submitters), p.rand.IntN(len(p.tokens))
	at, lane := time.Duration(p.rand.Int64N(int64(p.window))), token%lanes
	count, batch, free := p.shape()
	operations := make([]planned, min(count, limit))
	for i := range operations {
		operations[i] = planned{ID: fmt.Sprintf("op-%05d", number+i), Work: p.work(), Postpone: p.postpone(at)}
		p.kind(&operations[i])
		if !free {
			operations[i].Token = p.tokens[token]
		}
	}
	if batch {
		p.add(submitter, step{At: at, Lane: lane, Operations: operations})
	} else {
		for _, o := range operations {
			p.add(submitter, step{At: at, Lane: lane, Operations: []planned{o}})
		}
	}
	for _, o := range operations {
		p.follow(submitter, lane, at, o)
	}
	return len(operations)
}

// shape draws how operations are submitted: some without a token, signals with
// one each in a quick row, a batch, or one alone.
func (p *planner) shape() (count int, batch, free bool) {
	switch shape := p.rand.IntN(100); {
	case shape < 5:
		return 1 + p.rand.IntN(3), false, true
	case shape < 45:
		return 8 + p.rand.IntN(12), false, false
	case shape < 80:
		return 2 + p.rand.IntN(10), true, false
	}
	return 1, false, false
}

func (p *planner) add(submitter int, s step) {
	p.Steps[submitter] = append(p.Steps[submitter], s)
}

// work draws what the handler does.
func (p *planner) work() work {
	w := work{Version: 1, Kind: workSucceeds, Milliseconds: 5 + p.rand.IntN(40)}
	switch n := p.rand.IntN(100); {
	case n < 3:
		w.Kind = workFails
	case n < 7:
		w.Kind, w.Failures = workRetries, 1+p.rand.IntN(3)
	case n < 8:
		w.Kind, w.Failures = workRetries, 1000
	case n < 10:
		w.Kind, w.Failures = workPanics, 1+p.rand.IntN(2)
	case n < 20:
		w.Milliseconds = 500 + p.rand.IntN(2000)
	case n < 21:
		w.Kind = workHangs
	case n < 23:
		w.Kind = workSuspends
	}
	return w
}

// kind draws what runs it. The handlers that are not the harness's own do not do all
// that it does.
func (p *planner) kind(o *planned) {
	o.Type = chaosType
	switch n := p.rand.IntN(100); {
	case n < 20:
		o.Type = httpType
	case n < 30:
		o.Type = flowType
	case n < 50:
		if o.Type = localType; p.rand.IntN(4) == 0 { // more of them are hit by a fault
			o.Work.Milliseconds = 200 + p.rand.IntN(1500)
		}
	case n < 54:
		o.Type, o.Work = importType, work{Version: 1, Kind: workSucceeds, Parts: importBatch * (150 + p.rand.IntN(250))}
	case n < 57:
		o.Type, o.Work = mailType, work{Version: 1, Kind: workSucceeds, Parts: 30 + p.rand.IntN(70)}
	}
	if o.Type != chaosType && o.Type != localType && o.Work.Kind != workFails && o.Work.Kind != workRetries {
		o.Work.Kind = workSucceeds
	}
}

// postpone draws until when one of eight waits: up to five seconds.
func (p *planner) postpone(at time.Duration) time.Duration {
	if p.rand.IntN(8) > 0 {
		return 0
	}
	return at + time.Duration(p.rand.Int64N(int64(5*time.Second)))
}

// follow plans what else happens to an operation: it is cancelled, submitted
// again, by this submitter or by another, or its id is used for another content,
// on its token or on another one. Each of these alone keeps what is to be
// expected simple.
func (p *planner) follow(submitter, lane int, at time.Duration, o planned) {
	later := at + time.Duration(p.rand.Int64N(int64(8*time.Second)))
	again := step{At: later, Lane: lane, Operations: []planned{o}}
	switch n := p.rand.IntN(100); {
	case n < 7:
		soon := at + time.Duration(p.rand.Int64N(int64(time.Second)))
		p.add(submitter, step{At: soon, Lane: lane, Cancel: &o})
	case n < 14:
		p.add(submitter, again)
	case n < 16:
		p.add((submitter+1)%submitters, again)
	case n < 19:
		again.Operations[0].Work.Version = 2
		p.add(submitter, again)
	case n < 20 && o.Token != "":
		again.Operations[0].Work.Version = 2
		again.Operations[0].Token = p.tokens[p.rand.IntN(len(p.tokens))]
		p.add(submitter, again)
	case n < 35:
		p.askOf(submitter, lane, at, o)
	}
}
