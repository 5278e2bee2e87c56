package verify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/internal/gone"
	"github.com/seriatim-go/seriatim/protocol"
)

// Options change how a Reader works. The zero value reads everything.
type Options struct {
	// Every reads the own history of every n-th operation only; the others are
	// judged by what the serializer's history tells of them. Default 1: all.
	Every int
	// Parallel is how many histories are read at once; default 8.
	Parallel int
	// Skew is by how much the clocks of the server's hosts may differ; default 0.
	Skew time.Duration
	// Progress is told how far it is, between two runs of a serializer. Default:
	// nobody is told.
	Progress func(Progress)
	// Each is told every execution as it is judged, in order, and EachQueued every
	// operation that waits, some more than once. Default: nobody is.
	Each       func(Start)
	EachQueued func(Ref)
}

// Progress is how far the verification of a token is.
type Progress struct {
	Token      string
	Run, Runs  int
	Operations int
	Violations int
}

// queryTimeout is how long a worker may take to say what waits.
const queryTimeout = 5 * time.Second

// ErrUnknownToken says that the server retains nothing of a token.
var ErrUnknownToken = errors.New("nothing of this token is retained")

// Reader reads histories and has a Checker judge them.
type Reader struct {
	client  client.Client
	options Options
}

// NewReader uses a Temporal client, which stays the caller's to close.
func NewReader(c client.Client, o Options) *Reader {
	o.Every, o.Parallel = max(1, o.Every), max(0, o.Parallel)
	if o.Parallel == 0 {
		o.Parallel = 8
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Each == nil {
		o.Each = func(Start) {}
	}
	if o.EachQueued == nil {
		o.EachQueued = func(Ref) {}
	}
	return &Reader{client: c, options: o}
}

// Token verifies one token. The error is ErrUnknownToken, or that of a request:
// then the report is what was found so far, and nil where that is nothing.
func (r *Reader) Token(ctx context.Context, token string) (*Report, error) {
	workflowID := protocol.SerializerWorkflowID(token)
	runs, limit, err := r.runsOf(ctx, workflowID)
	if err != nil {
		return nil, fmt.Errorf("token %q: %w", token, err)
	}
	return r.verify(ctx, workflowID, token, runs, limit)
}

// All verifies every token of which a serializer is retained, in the order of
// their names. An error is about the token that the report names, and ends it
// where that names none.
func (r *Reader) All(ctx context.Context) iter.Seq2[*Report, error] {
	return func(yield func(*Report, error) bool) {
		all := make(map[string][]serializerRun)
		err := r.list(ctx, "WorkflowType = "+protocol.QuoteForQuery(protocol.SerializerWorkflow), func(info *workflowpb.WorkflowExecutionInfo) {
			id := strings.Clone(info.GetExecution().GetWorkflowId())
			all[id] = append(all[id], runOf(info))
		})
		if err != nil {
			yield(&Report{}, fmt.Errorf("list the tokens: %w", err))
			return
		}
		ids := make([]string, 0, len(all))
		for id := range all {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for _, id := range ids {
			key, _ := protocol.SerializerKey(id)
			report, err := r.verify(ctx, id, key, all[id], "")
			if report == nil {
				report = &Report{Token: key, WorkflowID: id}
			}
			if !yield(report, err) || ctx.Err() != nil {
				return
			}
		}
	}
}

// serializerRun is a run as the server's index knows it.
type serializerRun struct {
	id      string
	started time.Time
}

func runOf(info *workflowpb.WorkflowExecutionInfo) serializerRun {
	return serializerRun{strings.Clone(info.GetExecution().GetRunId()), info.GetStartTime().AsTime()}
}

// runsOf lists the retained runs of a token's serializer. limit says what could
// not be looked for.
func (r *Reader) runsOf(ctx context.Context, workflowID string) (runs []serializerRun, limit string, err error) {
	if protocol.IsExactInQuery(workflowID) {
		err = r.list(ctx, "WorkflowId = "+protocol.QuoteForQuery(workflowID), func(info *workflowpb.WorkflowExecutionInfo) {
			if info.GetExecution().GetWorkflowId() == workflowID {
				runs = append(runs, runOf(info))
			}
		})
	} else {
		limit = "the server cannot search for this token's characters, so that only its last run is known"
	}
	if err != nil {
		return nil, "", err
	}
	// The index lags: the latest run may not be there yet.
	latest, err := r.client.DescribeWorkflowExecution(ctx, workflowID, "")
	switch {
	case isNotFound(err) && len(runs) == 0:
		return nil, "", ErrUnknownToken
	case err != nil && !isNotFound(err):
		return nil, "", err
	case err == nil && !slices.ContainsFunc(runs, func(s serializerRun) bool { return s.id == runOf(latest.GetWorkflowExecutionInfo()).id }):
		runs = append(runs, runOf(latest.GetWorkflowExecutionInfo()))
	}
	return runs, limit, nil
}

// list asks the server's index, page by page.
func (r *Reader) list(ctx context.Context, query string, each func(*workflowpb.WorkflowExecutionInfo)) error {
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000}
	for {
		page, err := r.client.ListWorkflow(ctx, request)
		if err != nil {
			return err
		}
		for _, info := range page.GetExecutions() {
			each(info)
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return nil
		}
	}
}

func isNotFound(err error) bool { return gone.Is(err) }
