package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// paging is a serializer's work on pages: those that it starts, the one that it
// reads, and those that it lets go.
type paging struct {
	starting  []startingPage
	loading   workflow.Future
	loaded    Page // the one that is being read
	releasing []workflow.Future
	wanted    bool // a request waits until a page has started
}

// startingPage is a page whose execution is not there yet.
type startingPage struct {
	page    Page
	started workflow.Future
}

// settled says that no page is between its command and its start, and no signal
// on its way: a run may end.
func (p *paging) settled() bool {
	return len(p.starting) == 0 && !slices.ContainsFunc(p.releasing, func(f workflow.Future) bool { return !f.IsReady() })
}

func (p *paging) hasNews() bool {
	return p.wanted || p.loading != nil && p.loading.IsReady() ||
		slices.ContainsFunc(p.starting, func(s startingPage) bool { return s.started.IsReady() })
}

// turnPages moves the middle of a long queue into pages, and takes the next one
// back when its turn is near.
func (s *serializer) turnPages() {
	s.pages.wanted = false
	s.notePages()
	s.queue.Spill()
	for _, page := range s.queue.ToStart() {
		s.startPage(*page)
	}
	if !s.ending {
		s.loadPage()
	}
}

// startPage begins a page's execution. It outlives this run.
func (s *serializer) startPage(page Page) {
	isPage := func(p startingPage) bool { return p.page.is(&page) }
	if slices.ContainsFunc(s.pages.starting, isPage) {
		return
	}
	ctx := workflow.WithChildOptions(s.ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            s.queue.Address(&page).WorkflowID,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         cut(fmt.Sprintf("holds %d operations of token %s", page.Count, s.queue.Token), maxSummaryBytes),
	})
	child := workflow.ExecuteChildWorkflow(ctx, protocol.BacklogPageWorkflow,
		contentOf(s.queue.Token, page.N, page.Entries))
	page.Entries = nil
	s.pages.starting = append(s.pages.starting, startingPage{page, child.GetChildWorkflowExecution()})
}

// notePages takes note of the pages that have started, and of the one that was
// read.
func (s *serializer) notePages() {
	s.pages.starting = slices.DeleteFunc(s.pages.starting, func(p startingPage) bool {
		if !p.started.IsReady() {
			return false
		}
		var execution workflow.Execution
		if err := p.started.Get(s.ctx, &execution); err != nil {
			s.queue.PageTaken(&p.page) // somebody has its id
		} else {
			count(s.ctx, MetricPagesStarted, 1, nil)
			s.queue.PageStarted(&p.page, execution.RunID)
		}
		return true
	})
	if s.pages.loading != nil && s.pages.loading.IsReady() {
		s.noteLoaded()
	}
	s.pages.releasing = slices.DeleteFunc(s.pages.releasing, workflow.Future.IsReady)
}

func (s *serializer) noteLoaded() {
	var encoded json.RawMessage
	err := s.pages.loading.Get(s.ctx, &encoded)
	s.pages.loading = nil
	var entries []Entry
	if err == nil {
		entries, err = readPage(encoded)
	}
	if err != nil {
		workflow.GetLogger(s.ctx).Error("a page of the queue cannot be read", "page", s.queue.Address(&s.pages.loaded).WorkflowID, "error", err)
		count(s.ctx, MetricPagesLost, 1, nil)
		s.queue.PageLost(&s.pages.loaded, protocol.Hold{On: workflow.Now(s.ctx)})
		return
	}
	count(s.ctx, MetricPagesLoaded, 1, nil)
	if page := s.queue.Loaded(&s.pages.loaded, entries); page != nil {
		s.releasePage(page)
	}
}

// releasePage tells a page that its operations were taken back.
func (s *serializer) releasePage(page *Page) {
	at := s.queue.Address(page)
	s.pages.releasing = append(s.pages.releasing,
		workflow.SignalExternalWorkflow(s.ctx, at.WorkflowID, at.RunID, protocol.ReleasePageSignalName, nil))
}

// loadPage reads the next page that is needed. It may take as long as it must,
// but a page that is gone is told at once.
func (s *serializer) loadPage() {
	page := s.queue.ToLoad()
	if page == nil || s.pages.loading != nil {
		return
	}
	ctx := workflow.WithActivityOptions(s.ctx, workflow.ActivityOptions{
		TaskQueue:           engineTaskQueue(s.ctx),
		StartToCloseTimeout: 30 * time.Second,
		Summary:             "takes a page of the queue back",
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, MaximumInterval: 10 * time.Second},
	})
	s.pages.loaded = *page
	s.pages.loaded.Entries = nil
	s.pages.loading = workflow.ExecuteActivity(ctx, protocol.LoadPageActivity, s.queue.Address(page))
}

// findTimeoutInPages bounds a search through all pages.
const findTimeoutInPages = time.Minute

// actOn carries an action out on an operation that queues, wherever it does.
func (s *serializer) actOn(ctx workflow.Context, id string, postpone protocol.PostponeRequest, asked protocol.Taken) (protocol.Record, error) {
	s.awaitMoved(ctx, id)
	record, err := s.queue.act(id, postpone, asked)
	if !isPaged(err) {
		return record, err
	}
	pages, request := s.queue.searchable(), protocol.FindInPagesRequest{OperationID: id, UpdateID: updateID(ctx)}
	for i := range pages {
		request.Pages = append(request.Pages, s.queue.Address(&pages[i]))
	}
	var found protocol.FindInPagesReply
	if err := engineActivity(ctx, protocol.FindInPagesActivity, "looks for an operation in the queue's pages", findTimeoutInPages, request, &found); err != nil {
		return record, busy(fmt.Sprintf("the pages of the queue could not be read, send the request again: %v", err))
	}
	return s.queue.actFound(pages, found, id, postpone, asked)
}

// awaitMoved waits until the operation is in no page that is yet to be started. The
// page may be of this very request, which took note of a failure that cancels the
// rest: then nothing else has the loop start it.
func (s *serializer) awaitMoved(ctx workflow.Context, id string) {
	if s.queue.isMoving(id) && s.startsWanted() {
		s.pages.wanted = true
	}
	_ = workflow.Await(ctx, func() bool { return !s.queue.isMoving(id) }) // the context is never cancelled
}

// BacklogPage holds a part of a long queue: its start input does. It completes
// when the token's serializer has taken the operations back.
func (d *definitions) BacklogPage(ctx workflow.Context, page converter.RawValue) error {
	var content pageContent
	if encoded, err := jsonOf(page); err == nil {
		_ = json.Unmarshal(encoded, &content) // whatever it is, it is kept
	}
	err := setQuery(ctx, protocol.ListQueryName, "The operations that the page was made with, in order",
		func() (protocol.ListReply, error) { return content.list(), nil })
	if err != nil {
		return err
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**Token** %s\n\n%d of its operations wait here until their turn is near; what was asked of them since is known to the token's serializer.",
		escape(content.Token), len(content.Entries)))
	var raw converter.RawValue
	workflow.GetSignalChannelWithOptions(ctx, protocol.ReleasePageSignalName, workflow.SignalChannelOptions{
		Description: "Its operations were taken back",
	}).Receive(ctx, &raw)
	return nil
}

// list are the page's operations, without their data.
func (c pageContent) list() protocol.ListReply {
	reply := protocol.ListReply{Operations: []protocol.Record{}, Total: len(c.Entries)}
	for _, entry := range c.Entries {
		record := (&Queue{}).record(entry, 0, entry.CreatedOn)
		record.StatusCode, record.StateCode = protocol.WaitingForResources, protocol.Ready
		reply.Operations = append(reply.Operations, record)
	}
	return reply
}
