package activities

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/time/rate"

	"github.com/seriatim-go/seriatim/protocol"
)

// Looks are limited, since a server's index answers some ten requests a second by
// default, for a whole namespace: so many a second for this process, shared by up
// to so many tokens each, and fewer while the server says that it is too much.
const (
	looksPerSecond       = 10
	leastLooksPerSecond  = 1
	moreLooksAfterAnswer = 0.2 // a second, for each answer that came
	looksAtOnce          = 100
	looksPageSize        = 1000
	findPatience         = 5 * time.Second
)

// Looks ask the server's index for serializers that may not have ended as they
// should, many tokens in one request. A process has one.
type Looks struct {
	client client.Client
	limit  *rate.Limiter

	mu      sync.Mutex
	waiting []look
	busy    bool
}

// look is one token's question.
type look struct {
	workflowID string
	answer     chan lookAnswer
}

type lookAnswer struct {
	runs []string // that run, or were closed abnormally
	err  error
}

// NewLooks makes them.
func NewLooks(c client.Client) *Looks {
	return &Looks{client: c, limit: rate.NewLimiter(looksPerSecond, looksPerSecond)}
}

// NothingBefore says that the index knows of no run of this serializer before the
// one that asks that ended abnormally or still runs. It is
// workflows.Options.NothingBefore: false, or an error, leaves the answer to the
// engine's activity.
func (l *Looks) NothingBefore(ctx context.Context, request protocol.PredecessorRequest) (bool, error) {
	if !protocol.IsExactInQuery(request.WorkflowID) {
		return false, nil
	}
	suspicious, err := l.suspicious(ctx, request)
	return err == nil && !suspicious, err
}

func (l *Looks) suspicious(ctx context.Context, request protocol.PredecessorRequest) (bool, error) {
	runs, err := l.find(ctx, request.WorkflowID)
	return slices.ContainsFunc(runs, func(run string) bool { return run != request.RunID }), err
}

// find answers the run ids of the workflow that run or were closed abnormally.
func (l *Looks) find(ctx context.Context, workflowID string) ([]string, error) {
	question := look{workflowID, make(chan lookAnswer, 1)}
	l.mu.Lock()
	l.waiting = append(l.waiting, question)
	if !l.busy {
		l.busy = true
		go l.ask()
	}
	l.mu.Unlock()
	select {
	case answer := <-question.answer:
		return answer.runs, answer.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ask answers questions until none waits.
func (l *Looks) ask() {
	for {
		_ = l.limit.Wait(context.Background()) // cannot fail without a deadline
		l.mu.Lock()
		n := min(len(l.waiting), looksAtOnce)
		batch := l.waiting[:n:n]
		l.waiting = l.waiting[n:]
		l.busy = n > 0
		l.mu.Unlock()
		if n == 0 {
			return
		}
		l.answer(batch)
	}
}

func (l *Looks) answer(batch []look) {
	ctx, cancel := context.WithTimeout(context.Background(), findPatience)
	defer cancel()
	runs, err := l.query(ctx, batch)
	l.adapt(err)
	for _, question := range batch {
		question.answer <- lookAnswer{runs[question.workflowID], err}
	}
}

// adapt asks half as often where the server has had too much, and a little more
// often with every answer.
func (l *Looks) adapt(err error) {
	var tooMuch *serviceerror.ResourceExhausted
	switch {
	case errors.As(err, &tooMuch):
		l.limit.SetLimit(max(l.limit.Limit()/2, leastLooksPerSecond))
	case err == nil:
		l.limit.SetLimit(min(l.limit.Limit()+moreLooksAfterAnswer, looksPerSecond))
	}
}

func (l *Looks) query(ctx context.Context, batch []look) (map[string][]string, error) {
	ids := make([]string, len(batch))
	for i, question := range batch {
		ids[i] = protocol.QuoteForQuery(question.workflowID)
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: looksPageSize,
		Query: "WorkflowId IN (" + strings.Join(ids, ", ") + ") AND " +
			"ExecutionStatus IN ('Running', 'Failed', 'Terminated', 'TimedOut')",
	}
	runs := make(map[string][]string)
	for {
		reply, err := l.client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, run := range reply.GetExecutions() {
			id := run.GetExecution().GetWorkflowId()
			runs[id] = append(runs[id], run.GetExecution().GetRunId())
		}
		if request.NextPageToken = reply.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return runs, nil
		}
	}
}
