package main

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// caretakerLog is where it writes what it asked for.
const caretakerLog = "caretaker.jsonl"

// caretaker is the person that the service waits for: it resumes what is paused
// or asks for one, releases what is held, and runs again, or skips, what holds
// its token by a failure. Without it the load would never end. Until the end
// comes it also pauses, or postpones, what it sees running, each operation once: a
// plan does not know when that is.
type caretaker struct {
	submitter
	site      *site
	steps     atomic.Int64
	long      map[string]bool // operations that can be stopped in the middle: interrupt's
	stopped   map[string]bool // those of them that were seen running
	postponed map[string]bool // others, which tend has asked to wait
	finishing atomic.Bool     // policies are put back, too
	ending    atomic.Bool     // what recurs is cancelled, too
	done      chan struct{}
}

// startCaretaker has it look around until ctx is done.
func (s *site) startCaretaker(ctx context.Context, begin time.Time, long map[string]bool) (*caretaker, error) {
	log, err := openJournal(filepath.Join(s.folder, caretakerLog))
	if err != nil {
		return nil, err
	}
	c := &caretaker{site: s, long: long, stopped: make(map[string]bool), postponed: make(map[string]bool), done: make(chan struct{})}
	c.submitter = submitter{
		number: submitters, begin: begin, journal: log,
		client: opclient.New(s.temporal, opclient.Options{RetryFor: 5 * time.Second}),
	}
	var all sync.WaitGroup
	every := func(gap time.Duration, look func(context.Context)) {
		all.Go(func() {
			for pause(ctx, gap) {
				look(ctx)
			}
		})
	}
	every(2*time.Second, c.tendOperations)
	every(2*time.Second, c.tendTokens)
	every(interruptLook, c.interrupt)
	go func() {
		all.Wait()
		log.close()
		close(c.done)
	}()
	return c, nil
}

// interruptLook is shorter than what works for long takes.
const interruptLook = 300 * time.Millisecond

// interrupt pauses, or postpones, what runs just now: two of three that work for
// long, and each once. One that has ended meanwhile refuses that.
func (c *caretaker) interrupt(ctx context.Context) {
	if c.finishing.Load() {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	running, err := c.site.list(bounded, "ExecutionStatus = 'Running' AND "+protocol.OperationStatusAttribute+" = "+
		protocol.QuoteForQuery(protocol.InProgress.String()))
	if err != nil {
		return // the server is away: later
	}
	for _, info := range running {
		id, ok := protocol.OperationID(info.GetExecution().GetWorkflowId())
		if !ok || !c.long[id] || c.stopped[id] {
			continue
		}
		var token string
		_ = converter.GetDefaultDataConverter().FromPayload(info.GetMemo().GetFields()[protocol.TokenMemo], &token)
		c.stopped[id] = true
		switch len(c.stopped) % 6 {
		case 0, 3:
		case 1:
			c.request(ctx, ask{Verb: protocol.PostponeUpdateName, For: 2 * time.Second, ID: id, Token: token})
		default:
			c.request(ctx, ask{Verb: protocol.PauseUpdateName, ID: id, Token: token})
		}
	}
}

// tendOperations resumes what waits for a person. It may come too late; then
// there is nothing to resume.
func (c *caretaker) tendOperations(ctx context.Context) {
	waiting, err := c.site.list(ctx, "ExecutionStatus = 'Running' AND "+protocol.OperationStatusAttribute+" = "+
		protocol.QuoteForQuery(protocol.Waiting.String()))
	if err != nil {
		return // the server is away: later
	}
	for _, info := range waiting {
		id, ok := protocol.OperationID(info.GetExecution().GetWorkflowId())
		if !ok {
			continue
		}
		found, err := c.client.Get(ctx, id, "")
		reason := found.Record.SuspendReason
		if err == nil && (reason == protocol.SuspendPaused || reason == protocol.SuspendError) {
			c.request(ctx, ask{Verb: protocol.ResumeUpdateName, ID: id, Token: found.Record.DependencyToken})
		}
		if err == nil && reason == protocol.SuspendNextOccurrence && c.ending.Load() {
			c.request(ctx, ask{Verb: protocol.CancelUpdateName, ID: id, Token: found.Record.DependencyToken})
		}
	}
}

// tendTokens lets the tokens go on that stand.
func (c *caretaker) tendTokens(ctx context.Context) {
	running, err := c.site.list(ctx, "ExecutionStatus = 'Running' AND WorkflowType = "+protocol.QuoteForQuery(protocol.SerializerWorkflow))
	if err != nil {
		return
	}
	for _, info := range running {
		key, _ := protocol.SerializerKey(info.GetExecution().GetWorkflowId())
		token, _ := protocol.TokenOfKey(key)
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		state, err := c.client.Token(bounded, token)
		cancel()
		if err == nil {
			c.tend(ctx, token, state.SerializerState)
		}
	}
}

func (c *caretaker) tend(ctx context.Context, token string, state protocol.SerializerState) {
	const again = "-again"
	switch failure := state.Failure; {
	case failure == nil:
	case strings.HasSuffix(failure.OperationID, again) || failure.Sequence%2 == 0 || isOccurrence(failure.OperationID):
		c.request(ctx, ask{Verb: protocol.SkipUpdateName, Token: token})
	default:
		c.request(ctx, ask{Verb: protocol.RerunUpdateName, ID: failure.OperationID, Token: token, NewID: failure.OperationID + again})
	}
	if hold := state.Hold; hold != nil && hold.Until == nil && time.Since(hold.On) > time.Second {
		c.request(ctx, ask{Verb: protocol.ReleaseUpdateName, Token: token})
	}
	if head := state.Head; head != nil && head.PostponeUntil == nil && !c.finishing.Load() && !strings.HasSuffix(head.ID, again) && !c.long[head.ID] && !c.postponed[head.ID] {
		c.postponed[head.ID] = true
		c.request(ctx, ask{Verb: protocol.PostponeUpdateName, For: 2 * time.Second, ID: head.ID, Token: token})
	}
	if c.finishing.Load() && state.Policy.OnFailure != "" {
		c.request(ctx, ask{Verb: protocol.SetPolicyUpdateName, Token: token, Policy: protocol.ContinueOnFailure})
	}
}

// isOccurrence says that the operation is one of a recurrence: that makes the next
// by itself.
func isOccurrence(id string) bool {
	_, _, ok := protocol.ParseOccurrenceID(id)
	return ok
}

// request asks once, and writes down when and what came of it.
func (c *caretaker) request(ctx context.Context, a ask) {
	step := int(c.steps.Add(1))
	line := submitLine{Event: "call", At: time.Now(), Submitter: c.number, Step: step}
	line.asking(a)
	if c.journal.write(line) != nil {
		return // the run fails for want of evidence
	}
	status, err := c.askFor(ctx, a, line.Until)
	answer := submitLine{Event: "answer", At: time.Now(), Submitter: c.number, Step: step, Status: status, Acknowledged: err == nil}
	if err != nil {
		answer.Error = err.Error()
	}
	_ = c.journal.write(answer)
}
