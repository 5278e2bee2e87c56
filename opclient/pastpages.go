package opclient

import (
	"cmp"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// pastPage is a part of a token's queue that a BacklogPage holds, as a serializer
// hands it on. One without a run id is about to be started, and has its entries.
type pastPage struct {
	N       int64        `json:"n"`
	Chain   string       `json:"chain"`
	RunID   string       `json:"runId"`
	Count   int          `json:"count"`
	Entries []queueEntry `json:"entries"`
	Changes []pastChange `json:"changes"`
}

// pastChange is what became of an operation while a page held it.
type pastChange struct {
	ID         string                    `json:"id"`
	Removed    bool                      `json:"removed"`
	Postponed  *protocol.PostponeRequest `json:"postponed"`
	LastAction *protocol.Taken           `json:"lastAction"`
}

func (c pastChange) applyTo(entry *queueEntry) {
	if c.LastAction != nil {
		entry.LastAction = c.LastAction
	}
	if c.Postponed == nil {
		return
	}
	entry.Operation.PostponeUntil = nil
	if until := c.Postponed.Until; !until.IsZero() {
		entry.Operation.PostponeUntil = &until
	}
}

// pastRequest is what a run asked the engine for.
type pastRequest struct {
	activity string
	input    *commonpb.Payload
}

func (p *past) address(page *pastPage) protocol.PageAddress {
	return protocol.PageAddress{WorkflowID: protocol.PageWorkflowID(cmp.Or(page.Chain, p.Chain), page.N), RunID: page.RunID}
}

// findPage is the page with that workflow id in one of the lists; nil where there
// is none.
func (p *past) findPage(workflowID string, pages []pastPage) *pastPage {
	for i := range pages {
		if p.address(&pages[i]).WorkflowID == workflowID {
			return &pages[i]
		}
	}
	return nil
}

// spill moves what a page is started with out of what waits. What is before it is
// first in the queue, unless pages are: then it was refused, or a repeat.
func (p *past) spill(child *historypb.StartChildWorkflowExecutionInitiatedEventAttributes) {
	var content pageContent
	payloads := child.GetInput().GetPayloads()
	chain, n, ok := protocol.ParsePageWorkflowID(child.GetWorkflowId())
	if !ok || p.findPage(child.GetWorkflowId(), slices.Concat(p.Pages, p.Doomed)) != nil ||
		len(payloads) == 0 || !p.decode(payloads[0], &content) || len(content.Entries) == 0 {
		return
	}
	if at := p.unstarted(content.Entries[0].Operation.ID); at >= 0 {
		p.cut(at, len(content.Entries), pastPage{N: n, Chain: chain})
		return
	}
	for i := range content.Entries {
		p.place(&content.Entries[i], i == 0 && len(p.Pages) == 0)
	}
	p.Pages = append(p.Pages, pastPage{N: n, Chain: chain, Count: len(content.Entries), Entries: content.Entries})
}

// place takes an entry of a page out of what waits; what is before it then goes
// to the front of the queue, or away.
func (p *past) place(entry *queueEntry, toFront bool) {
	id := entry.Operation.ID
	at := slices.IndexFunc(p.Waiting, func(e queueEntry) bool { return e.Operation.ID == id })
	if at < 0 && !p.ids[id] {
		at = slices.IndexFunc(p.Waiting, func(e queueEntry) bool { return e.Operation.ID == "" })
	}
	p.know(&entry.Operation)
	if at < 0 {
		return
	}
	if toFront {
		p.Front = append(p.Front, p.Waiting[:at]...)
	}
	p.Waiting = p.Waiting[at+1:]
}

// unstarted is the place of the page that is to be started and begins with that
// operation; -1 where none does.
func (p *past) unstarted(first string) int {
	return slices.IndexFunc(p.Pages, func(page pastPage) bool {
		return page.RunID == "" && len(page.Entries) > 0 && page.Entries[0].Operation.ID == first
	})
}

// cut makes the first n entries of a page that is to be started those of this one:
// all of them where the id that it had was taken.
func (p *past) cut(at, n int, page pastPage) {
	whole := p.Pages[at].Entries
	n = min(n, len(whole))
	page.Entries, page.Count = whole[:n], n
	rest := pastPage{Count: len(whole) - n, Entries: whole[n:]}
	p.Pages[at] = page
	if rest.Count > 0 {
		p.Pages = slices.Insert(p.Pages, at+1, rest)
	}
}

// pageStarted notes where a page is.
func (p *past) pageStarted(execution *commonpb.WorkflowExecution) {
	for _, list := range [][]pastPage{p.Pages, p.Doomed} {
		if page := p.findPage(execution.GetWorkflowId(), list); page != nil && page.RunID == "" {
			page.RunID, page.Entries = execution.GetRunId(), nil
		}
	}
}

// ask notes what the run asked the engine for, as far as it changes the queue.
func (p *past) ask(event *historypb.HistoryEvent) {
	a := event.GetActivityTaskScheduledEventAttributes()
	switch name := a.GetActivityType().GetName(); name {
	case protocol.LoadPageActivity, protocol.FindInPagesActivity, protocol.FindPredecessorActivity,
		protocol.RebuildTokenActivity, protocol.RecoverRunActivity:
		if payloads := a.GetInput().GetPayloads(); len(payloads) > 0 {
			p.asked[event.GetEventId()] = pastRequest{name, payloads[0]}
		}
	}
}

// answered follows what the run did with an answer of the engine's.
func (p *past) answered(completed *historypb.ActivityTaskCompletedEventAttributes) {
	asked, ok := p.asked[completed.GetScheduledEventId()]
	payloads := completed.GetResult().GetPayloads()
	if !ok || len(payloads) == 0 {
		return
	}
	delete(p.asked, completed.GetScheduledEventId())
	answer := payloads[0]
	switch asked.activity {
	case protocol.LoadPageActivity:
		p.pageLoaded(asked.input, answer)
	case protocol.FindInPagesActivity:
		p.pageFound(asked.input, answer)
	case protocol.FindPredecessorActivity:
		var found protocol.Predecessor
		p.decode(answer, &found)
		p.byServer = found.ByServer
	case protocol.RebuildTokenActivity:
		var before struct {
			Queue pastQueue `json:"queue"`
		}
		if p.decode(answer, &before) {
			p.takeOver(before.Queue)
		}
	case protocol.RecoverRunActivity:
		p.recovered(asked.input, answer)
	}
}

// pageLoaded takes a page's operations back.
func (p *past) pageLoaded(input, answer *commonpb.Payload) {
	var at protocol.PageAddress
	var content pageContent
	if !p.decode(input, &at) || !p.decode(answer, &content) {
		return
	}
	page, doomed := p.findPage(at.WorkflowID, p.Pages), p.findPage(at.WorkflowID, p.Doomed)
	for _, entry := range content.Entries {
		switch p.know(&entry.Operation); {
		case doomed != nil:
			p.ending[entry.Operation.ID] = true
		case page != nil && page.apply(&entry):
			p.Front = append(p.Front, entry)
		}
	}
	same := func(other pastPage) bool { return p.address(&other).WorkflowID == at.WorkflowID }
	p.Pages, p.Doomed = slices.DeleteFunc(p.Pages, same), slices.DeleteFunc(p.Doomed, same)
}

// apply changes an entry as was asked for while it was in the page; false where it
// has left the queue.
func (page *pastPage) apply(entry *queueEntry) (queues bool) {
	for _, change := range page.Changes {
		if change.ID != entry.Operation.ID {
			continue
		}
		if change.Removed {
			return false
		}
		change.applyTo(entry)
	}
	return true
}

// pageFound notes in which page an operation is that something is asked of.
func (p *past) pageFound(input, answer *commonpb.Payload) {
	var asked protocol.FindInPagesRequest
	var reply protocol.FindInPagesReply
	if p.decode(input, &asked) && p.decode(answer, &reply) && reply.Found && reply.Page < len(asked.Pages) {
		p.inPage[asked.OperationID] = asked.Pages[reply.Page]
	}
}

// removeFromPage notes that an operation has ended while it was in a page.
func (p *past) removeFromPage(id string) {
	page := p.findPage(p.inPage[id].WorkflowID, p.Pages)
	if page == nil || !page.apply(&queueEntry{Operation: protocol.Operation{ID: id}}) {
		return
	}
	page.Changes = append(page.Changes, pastChange{ID: id, Removed: true})
	page.Count--
}
