package main

import (
	"context"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// ask is something that is asked of an operation, or of its token.
type ask struct {
	// Verb is the name of its update.
	Verb  string `json:"verb"`
	ID    string `json:"id,omitempty"`
	Token string `json:"token,omitempty"`
	// For is how long a postponement or a hold lasts, from when it is asked for; 0
	// is a hold without an end.
	For    time.Duration          `json:"for,omitempty"`
	Policy protocol.FailurePolicy `json:"policy,omitempty"`
	NewID  string                 `json:"newId,omitempty"` // of a rerun
}

// asks plans what is asked of tokens: holds all along, and policies from the
// begin. The caretaker lets go what was held, and puts the policies back.
func (p *planner) asks(holds int) {
	for n, token := range p.tokens {
		lane := n % lanes
		if n%4 > 1 {
			policy := []protocol.FailurePolicy{protocol.HoldOnFailure, protocol.CancelRestOnFailure}[n/4%2]
			p.add(n%submitters, step{Lane: lane, Ask: &ask{Verb: protocol.SetPolicyUpdateName, Token: token, Policy: policy}})
		}
		for range holds {
			at := time.Duration(p.rand.Int64N(int64(p.window)))
			hold := &ask{Verb: protocol.HoldUpdateName, Token: token}
			if p.rand.IntN(2) == 0 {
				hold.For = time.Second + time.Duration(p.rand.Int64N(int64(3*time.Second)))
			}
			p.add(p.rand.IntN(submitters), step{At: at, Lane: lane, Ask: hold})
		}
	}
}

// askOf plans what is asked of an operation: to pause, or to wait for longer.
func (p *planner) askOf(submitter, lane int, at time.Duration, o planned) {
	if o.Postpone > 0 {
		return // one instant before which it does not start is enough
	}
	soon := at + time.Duration(p.rand.Int64N(int64(2*time.Second)))
	asked := &ask{Verb: protocol.PauseUpdateName, ID: o.ID, Token: o.Token}
	if p.rand.IntN(3) == 0 || o.Type == flowType { // a workflow is never paused
		asked.Verb, asked.For = protocol.PostponeUpdateName, 2*time.Second+time.Duration(p.rand.Int64N(int64(2*time.Second)))
	}
	p.add(submitter, step{At: soon, Lane: lane, Ask: asked})
}

// asking fills in what a line of the log says of a request.
func (l *submitLine) asking(a ask) {
	l.Verb, l.ID, l.Token, l.NewID = a.Verb, a.ID, a.Token, a.NewID
	if a.For > 0 {
		until := l.At.Add(a.For).UTC()
		l.Until = &until
	}
}

// askFor sends the request of a line.
func (s *submitter) askFor(ctx context.Context, a ask, until *time.Time) (protocol.StatusCode, error) {
	bounded, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	const reason = "by chaos"
	var end time.Time
	if until != nil {
		end = *until
	}
	var record protocol.Record
	var err error
	switch a.Verb {
	case protocol.PauseUpdateName:
		record, err = s.client.Pause(bounded, a.ID, a.Token, reason)
	case protocol.CancelUpdateName:
		record, err = s.client.Cancel(bounded, a.ID, a.Token, reason)
	case protocol.ResumeUpdateName:
		record, err = s.client.Resume(bounded, a.ID, a.Token, reason)
	case protocol.PostponeUpdateName:
		record, err = s.client.Postpone(bounded, a.ID, a.Token, end, reason)
	case protocol.RerunUpdateName:
		record, err = s.client.Rerun(bounded, a.ID, a.Token, a.NewID, reason)
	case protocol.HoldUpdateName:
		_, err = s.client.Hold(bounded, a.Token, end, reason)
	case protocol.ReleaseUpdateName:
		_, err = s.client.Release(bounded, a.Token, reason)
	case protocol.SkipUpdateName:
		_, err = s.client.Skip(bounded, a.Token, reason)
	case protocol.SetPolicyUpdateName:
		_, err = s.client.SetPolicy(bounded, a.Token, protocol.PolicyRequest{OnFailure: a.Policy, Reason: reason})
	}
	return record.StatusCode, err
}
