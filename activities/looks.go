package activities

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/time/rate"

	"github.com/seriatim-go/seriatim/protocol"
)

// Looks are limited, since the server's index answers some ten requests a second
// for a whole namespace: so many a second for this process, shared by up to so
// many tokens each.
const (
	looksPerSecond = 3
	looksAtOnce    = 100
	looksPageSize  = 1000
	findPatience   = 5 * time.Second
)

// looks asks the server's index for serializers that may not have ended as they
// should, many tokens in one request.
type looks struct {
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

func newLooks(c client.Client) *looks {
	return &looks{client: c, limit: rate.NewLimiter(looksPerSecond, looksPerSecond)}
}

// find answers the run ids of the workflow that run or were closed abnormally.
func (l *looks) find(ctx context.Context, workflowID string) ([]string, error) {
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
func (l *looks) ask() {
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

func (l *looks) answer(batch []look) {
	ctx, cancel := context.WithTimeout(context.Background(), findPatience)
	defer cancel()
	runs, err := l.query(ctx, batch)
	for _, question := range batch {
		question.answer <- lookAnswer{runs[question.workflowID], err}
	}
}

func (l *looks) query(ctx context.Context, batch []look) (map[string][]string, error) {
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
