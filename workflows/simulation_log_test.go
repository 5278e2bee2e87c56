package workflows

import (
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// simKind is a kind of thing that is seen of the real workflows from outside.
type simKind string

const (
	// Of the serializer.
	simChainBegins simKind = "the chain begins"
	simRunEnds     simKind = "the run ends" // and continues as new
	simChainEnds   simKind = "the chain ends"
	simDelivered   simKind = "delivered" // a submission
	simTaken       simKind = "taken"     // a hold, which is answered later
	simAnswered    simKind = "answered"  // an update, here or by the operation's own workflow
	simStarts      simKind = "starts"    // it commands an execution
	simTurns       simKind = "turns"     // it tells an execution that was started ahead
	simNotes       simKind = "notes"     // it takes note of an execution's end

	// Of an operation's own workflow.
	simBegins    simKind = "begins"
	simTold      simKind = "told"    // whether its token is held
	simCalls     simKind = "calls"   // its handler
	simReports   simKind = "reports" // its handler does, by a heartbeat
	simAsks      simKind = "asks"    // its handler to stop
	simReturns   simKind = "returns" // its handler does
	simConcludes simKind = "concludes"
	simCloses    simKind = "closes"
)

// simLogged is one thing that was seen. The order of the log tells the order of
// what happened in one instant.
type simLogged struct {
	kind        simKind
	at          time.Duration
	event       int    // of the script
	toOperation bool   // the operation's own workflow answered
	answer      string // of an update
	id          string // of an operation; of a rerun the new one's
	sequence    int64
	ends        bool // the execution only records an end
	gated       bool // it waits for its turn
	n           int64
	checkpoint  string
	held        bool
	outcome     simOutcome
	status      protocol.StatusCode
}

// String is the entry in a line, for the report of a script that failed.
func (l simLogged) String() string {
	line := fmt.Sprintf("%s %s %s", l.at, l.id, l.kind)
	switch l.kind {
	case simDelivered, simTaken:
		return fmt.Sprintf("%s: event %d", line, l.event)
	case simAnswered:
		return fmt.Sprintf("%s: event %d, %s (by its own workflow: %v)", line, l.event, l.answer, l.toOperation)
	case simStarts, simNotes, simTurns:
		return fmt.Sprintf("%s: %d, an end: %v, ahead: %v", line, l.sequence, l.ends, l.gated)
	case simTold:
		return fmt.Sprintf("%s: held: %v", line, l.held)
	case simCalls, simReports:
		return fmt.Sprintf("%s: n=%d checkpoint=%s", line, l.n, l.checkpoint)
	case simConcludes:
		return fmt.Sprintf("%s: %+v", line, l.outcome)
	case simCloses:
		return fmt.Sprintf("%s: %s", line, l.status)
	}
	return line
}

// simOutcome is how a call of a handler ended.
type simOutcome struct {
	end        simEnd
	checkpoint string
	local      bool
}

// simSeen is what was seen of a script.
type simSeen struct {
	log     []simLogged
	states  []protocol.SerializerState // each chain's last
	pages   int                        // pages that were started
	adopted int                        // heads that were left to a next run
	calls   int                        // of handlers
	renewed int                        // operations that continued as new
	locals  int                        // calls that were local attempts
	lost    []string                   // operations whose start was under way when the run ended
}

func (b *simBench) log(l simLogged) {
	l.at = b.elapsed()
	b.seen.log = append(b.seen.log, l)
}
