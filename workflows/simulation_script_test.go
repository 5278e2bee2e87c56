package workflows

import (
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// simScript is what happens to one token. Events happen at multiples of
// simGrid. Nothing that happens by itself does, except in the very instant of an
// event: so the only races are those between things of one instant, and of them
// the model learns from the order in which they were seen.
type simScript struct {
	maxRunSignals int
	pageBytes     int // small ones, so that most queues cross pages
	maxRunCalls   int // how often an operation's handler is called in one run
	linger        time.Duration
	window        int // how many operations are started ahead
	events        []simEvent
}

// simGrid is long, so that the waits that are off it can be longer than any sum of
// what makes them differ.
const simGrid = 10_000 * time.Second

// simEvent is one request.
type simEvent struct {
	at     time.Duration
	hops   int // how much of what came before is done before, in one instant
	action simAction
	items  []simItem // of a submission
	batch  bool
	target string        // an operation's id
	until  time.Duration // of a postponement, or a hold's end; 0 is none
	newID  string        // of a rerun; empty leaves it to the serializer
	policy simPolicy     // of setPolicy
}

// String is the event in a line, for the report of a script that failed.
func (e simEvent) String() string {
	if e.action == simSubmit {
		return fmt.Sprintf("%s submit %+v", e.at, e.items)
	}
	return fmt.Sprintf("%s %s %s %s %s %+v", e.at, e.action, e.target, e.until, e.newID, e.policy)
}

// simAction is what an event asks for: the name of its update, where it is one.
type simAction string

const (
	simSubmit      simAction = "submit"
	simCancel      simAction = protocol.CancelUpdateName
	simPostpone    simAction = protocol.PostponeUpdateName
	simPause       simAction = protocol.PauseUpdateName
	simResume      simAction = protocol.ResumeUpdateName
	simRerun       simAction = protocol.RerunUpdateName
	simHold        simAction = protocol.HoldUpdateName
	simRelease     simAction = protocol.ReleaseUpdateName
	simSkip        simAction = protocol.SkipUpdateName
	simSetPolicy   simAction = protocol.SetPolicyUpdateName
	simCancelAll   simAction = protocol.CancelAllUpdateName
	simCancelToken simAction = "cancel the token"
)

// ofToken says that it is asked of the token as a whole.
func (a simAction) ofToken() bool {
	switch a {
	case simHold, simRelease, simSkip, simSetPolicy, simCancelAll:
		return true
	}
	return false
}

// simPolicy is what setPolicy changes: an empty onFailure, and a maxQueued below
// 0, stay as they are.
type simPolicy struct {
	onFailure protocol.FailurePolicy
	maxQueued int
}

// simItem is one operation of a submission, as it is sent.
type simItem struct {
	simOperation
	bad          string // sent instead, and refused
	unknownField bool
}

// simOperation is what tells an operation from another.
type simOperation struct {
	ID, Name      string
	PostponeUntil time.Duration // 0 is none
	plan          simPlan
}

// simPlan is what its handler does, call by call; the last is for all that
// follow.
type simPlan struct {
	Calls       [3]simCall
	N           int  // how many of them there are
	Keeps       bool // it keeps a checkpoint
	UnknownType bool
	Local       simLocal // of a type whose first attempt is local
}

// simLocal is what becomes of the first attempt of an operation that starts at once.
type simLocal string

const (
	simRegular   simLocal = ""          // its type is not local
	simHere      simLocal = "here"      // it is made, and takes no time
	simWithTask  simLocal = "lost"      // it is lost with its workflow task: the history is longer
	simElsewhere simLocal = "elsewhere" // the worker does not have the handler
)

// String is the plan without what is not used of it.
func (p simPlan) String() string {
	return fmt.Sprintf("%+v keeps:%v unknown type:%v local:%s", p.Calls[:p.N], p.Keeps, p.UnknownType, p.Local)
}

func (p simPlan) call(n int64) simCall { return p.Calls[min(n, int64(p.N))-1] }

// simCall is one call of a handler: it fails Retries times so that the engine
// tries again, then takes its time and ends. Asked to stop, it takes StopTakes
// and does what Stop says.
type simCall struct {
	Retries   int
	Takes     time.Duration
	Ends      simEnd
	Stop      simEnd
	StopTakes time.Duration
	Leaves    bool // a checkpoint, where its handler keeps one
}

// simEnd is how an attempt of a handler ends.
type simEnd string

const (
	simSucceeds simEnd = "succeeds"
	simFails    simEnd = "fails"    // for good
	simSuspends simEnd = "suspends" // a person is needed
	simWaits    simEnd = "waits"    // a retry that does not count
	simStops    simEnd = "stops"    // as one that saw that it was cancelled
	simAgain    simEnd = "again"    // a retry that counts
	simIsLost   simEnd = "is lost"  // its worker is
	simIgnores  simEnd = "ignores"  // that it is asked to stop
)

// The type of all operations. All waits are a little longer than a multiple of
// the grid, so that no sum of them is one.
const (
	simMaxAttempts   = 4
	simFirstRetry    = simGrid + 10_001*time.Millisecond // it doubles
	simUncounted     = simGrid + 20_003*time.Millisecond // before a retry that does not count
	simStandsAfter   = 2003 * time.Millisecond           // a head does
	simCancelTimeout = 2*simGrid + 30_011*time.Millisecond
)

// localTo is the type with its first attempts local.
func localTo(t catalogue.Type) catalogue.Type {
	t.Key, t.Binding.Execution = "test.local", catalogue.ExecutionLocal
	return t
}

var simType = catalogue.Type{Key: "test.record", Binding: catalogue.Binding{
	Activity: "record", CancelTimeoutSeconds: simCancelTimeout.Seconds(),
	Retry: catalogue.Retry{MaxAttempts: simMaxAttempts, InitialSeconds: simFirstRetry.Seconds(), MaxSeconds: 10 * simGrid.Seconds()},
}}
