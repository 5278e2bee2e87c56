package workflows

import (
	"encoding/json"
	"slices"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/protocol"
)

// rebuiltPages is what a run's history says of pages: which it started, read and
// searched. Nothing is decided anew here: where a page was cut is in the history.
type rebuiltPages struct {
	initiated  map[int64]*Page // by the event that asked for it
	loading    map[int64]protocol.PageAddress
	searching  map[int64]protocol.FindInPagesRequest
	recovering map[int64]protocol.RecoverRunRequest
	// searches are updates that wait for one, by their id.
	searches map[string]*historypb.WorkflowExecutionUpdateAcceptedEventAttributes
}

func newRebuiltPages() rebuiltPages {
	return rebuiltPages{
		initiated: map[int64]*Page{}, loading: map[int64]protocol.PageAddress{}, searching: map[int64]protocol.FindInPagesRequest{},
		recovering: map[int64]protocol.RecoverRunRequest{},
		searches:   map[string]*historypb.WorkflowExecutionUpdateAcceptedEventAttributes{},
	}
}

// settingsIn are what the run recorded at its start: how much a page holds, by which
// a cancellation of all cuts pages, and what it leaves out. A run that recorded
// nothing decided nothing.
func settingsIn(events []*historypb.HistoryEvent) (recorded settings) {
	for _, event := range events {
		marker := event.GetMarkerRecordedEventAttributes()
		if marker.GetMarkerName() != "SideEffect" {
			continue
		}
		if payload := rawPayload(marker.GetDetails()["data"], 0).Payload(); payload != nil && json.Unmarshal(payload.GetData(), &recorded) == nil {
			return recorded
		}
	}
	return recorded
}

// pageOf takes a page's workflow id apart.
func pageOf(workflowID, chain string) *Page {
	of, n, _ := protocol.ParsePageWorkflowID(workflowID) // of our own making
	if of == chain {
		of = ""
	}
	return &Page{N: n, Chain: of}
}

// pageInitiated moves what the run put into a page out of the queue.
func (r *rebuild) pageInitiated(event *historypb.HistoryEvent) error {
	a := event.GetStartChildWorkflowExecutionInitiatedEventAttributes()
	page := pageOf(a.GetWorkflowId(), r.queue.Chain)
	r.pages.initiated[event.GetEventId()] = page
	if known, _ := r.queue.findPage(page); known != nil {
		return nil
	}
	entries, err := readPage(rawPayload(a.GetInput(), 0).Payload().GetData())
	if err == nil && len(entries) > 0 {
		r.queue.spillAs(page, entries)
	}
	return err
}

// spillAs moves these entries into that page. What is before them is Front.
func (q *Queue) spillAs(page *Page, entries []Entry) {
	first := slices.IndexFunc(q.Waiting, func(e Entry) bool { return e.Operation.ID == entries[0].Operation.ID })
	if first < 0 || first+len(entries) > len(q.Waiting) {
		return // it is one that got another number
	}
	q.Front = append(q.Front, q.Waiting[:first]...)
	spilled := slices.Clone(q.Waiting[first : first+len(entries)])
	q.tailBytes -= bytesIn(q.Waiting[:first]) + bytesIn(spilled)
	q.Waiting = q.Waiting[first+len(entries):]
	q.NextPage = max(q.NextPage, page.N)
	q.Pages = append(q.Pages, Page{N: page.N, Chain: page.Chain, Count: len(spilled), Entries: spilled})
}

// pageStarted notes that a page is there, or that its id was taken.
func (r *rebuild) pageStarted(initiated int64, runID string) {
	page := r.pages.initiated[initiated]
	switch {
	case page == nil:
	case runID == "":
		r.queue.PageTaken(page)
	default:
		r.queue.PageStarted(page, runID)
	}
}

// pageAsked notes what the run asked the engine about pages.
func (r *rebuild) pageAsked(event *historypb.HistoryEvent, input []byte) error {
	switch event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() {
	case protocol.LoadPageActivity:
		var at protocol.PageAddress
		err := json.Unmarshal(input, &at)
		r.pages.loading[event.GetEventId()] = at
		return err
	case protocol.RecoverRunActivity:
		var request protocol.RecoverRunRequest
		err := json.Unmarshal(input, &request)
		r.pages.recovering[event.GetEventId()] = request
		return err
	case protocol.FindInPagesActivity:
		var request protocol.FindInPagesRequest
		err := json.Unmarshal(input, &request)
		r.pages.searching[event.GetEventId()] = request
		return err
	}
	return nil
}

// pageLoaded takes a page's operations back.
func (r *rebuild) pageLoaded(scheduled int64, answer converter.RawValue) error {
	entries, err := readPage(answer.Payload().GetData())
	if err != nil {
		return err
	}
	r.queue.Loaded(pageOf(r.pages.loading[scheduled].WorkflowID, r.queue.Chain), entries)
	return nil
}

// searched carries an update out on what was found in a page.
func (r *rebuild) searched(scheduled int64, answer converter.RawValue) error {
	request := r.pages.searching[scheduled]
	var found protocol.FindInPagesReply
	if err := json.Unmarshal(answer.Payload().GetData(), &found); err != nil {
		return err
	}
	update := r.pages.searches[request.UpdateID]
	if update == nil {
		return nil
	}
	delete(r.pages.searches, request.UpdateID)
	var pages []Page
	for _, at := range request.Pages {
		pages = append(pages, *pageOf(at.WorkflowID, r.queue.Chain))
	}
	input := update.GetAcceptedRequest().GetInput()
	var asked protocol.PostponeRequest // of any action, the fields that count
	if err := json.Unmarshal(rawPayload(input.GetArgs(), 0).Payload().GetData(), &asked); err != nil {
		return err
	}
	record, err := r.queue.actFound(pages, found, request.OperationID, asked,
		taken(protocol.Action(input.GetName()), r.task, asked.Reason, asked.Identity))
	r.answers.add(request.UpdateID, record, err)
	return nil
}

// recovered takes in what another chain had, as the run did.
func (r *rebuild) recovered(scheduled int64, answer converter.RawValue) error {
	request := r.pages.recovering[scheduled]
	var read protocol.RecoverRunReply
	if err := json.Unmarshal(answer.Payload().GetData(), &read); err != nil {
		return err
	}
	reply, err := r.queue.prependRead(request.Asked, read, r.last)
	r.answers.add(request.UpdateID, reply, err)
	return nil
}
