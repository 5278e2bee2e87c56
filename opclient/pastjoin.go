package opclient

import (
	"cmp"
	"encoding/json"
	"slices"

	commonpb "go.temporal.io/api/common/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// takeOver goes on after a chain that ended before its time: with all of it where
// the server closed it, else with what protects the token.
func (p *past) takeOver(before pastQueue) {
	if p.Head = before.Head; p.Head != nil {
		p.know(&p.Head.Operation)
	}
	p.Hold, p.Failure, p.Policy = before.Hold, before.Failure, before.Policy
	if !p.byServer {
		return
	}
	runs, accepted := p.Counts.Runs, p.Counts.Accepted
	p.ChainStartedOn, p.Counts = before.ChainStartedOn, before.Counts
	p.Counts.Runs, p.Counts.Accepted = p.Counts.Runs+runs, p.Counts.Accepted+accepted
	before.Head = nil
	p.prepend(before)
}

// recovered takes in what another chain still had to do.
func (p *past) recovered(input, answer *commonpb.Payload) {
	var asked protocol.RecoverRunRequest
	var reply protocol.RecoverRunReply
	var state struct {
		Queue pastQueue `json:"queue"`
	}
	if p.decode(input, &asked) && p.decode(answer, &reply) && reply.Refused == "" && !asked.Asked.DryRun && json.Unmarshal(reply.State, &state) == nil {
		p.prepend(state.Queue)
	}
}

// prepend puts the queue of another chain before this one, without what is here
// already. What would stand between pages then is a page that is not started yet.
func (p *past) prepend(before pastQueue) {
	first := before.Front
	if before.Head != nil {
		first = append([]queueEntry{*before.Head}, first...)
	}
	isKnown := func(e queueEntry) bool { return p.ids[e.Operation.ID] }
	first, last := slices.DeleteFunc(first, isKnown), slices.DeleteFunc(before.Waiting, isKnown)
	pages := slices.DeleteFunc(before.Pages, func(page pastPage) bool {
		return p.findPage(protocol.PageWorkflowID(cmp.Or(page.Chain, before.Chain), page.N), p.Pages) != nil
	})
	for _, list := range [][]pastPage{pages, before.Doomed} {
		for i := range list {
			list[i].Chain = cmp.Or(list[i].Chain, before.Chain)
		}
	}
	last = append(last, p.Front...)
	switch {
	case len(pages) == 0 && len(p.Pages) == 0:
		p.Front, p.Waiting = nil, slices.Concat(first, last, p.Waiting)
	case len(pages) == 0:
		p.Front = append(first, last...)
	case len(p.Pages) == 0:
		p.Front, p.Pages, p.Waiting = first, pages, append(last, p.Waiting...)
	default:
		between := pastPage{Count: len(last), Entries: last}
		p.Front, p.Pages = first, slices.Concat(pages, []pastPage{between}, p.Pages)
	}
	p.Ended, p.Doomed = before.Ended, append(p.Doomed, before.Doomed...)
	p.knowAll()
}
