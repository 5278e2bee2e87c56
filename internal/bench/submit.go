package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// parallel is how many requests are in flight; that of opclient.
const parallel = 16

// item is an operation on its way.
type item struct {
	operation protocol.Operation
	submitted time.Time // just before its request
}

// submit sends all of it, each token's in its order.
func (s *site) submit(ctx context.Context, v variant, lanes []lane) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, l := range lanes {
		if l.token != "" && v.kind != kindBare {
			group.Go(func() error { return s.submitLane(ctx, v, l) })
			continue
		}
		for _, i := range l.items {
			group.Go(func() error { return s.submitOne(ctx, v, i) })
		}
	}
	return group.Wait()
}

// submitLane sends one token's operations.
func (s *site) submitLane(ctx context.Context, v variant, l lane) error {
	size := protocol.MaxBatchOperations
	if v.singles {
		size = 1
	}
	for items := l.items; len(items) > 0; {
		batch := items[:min(size, len(items))]
		items = items[len(batch):]
		now := time.Now()
		for _, i := range batch {
			i.submitted = now
		}
		if err := s.submitBatch(ctx, v, l.token, batch); err != nil {
			return err
		}
	}
	return nil
}

// submitBatch sends what shares a signal.
func (s *site) submitBatch(ctx context.Context, v variant, token string, batch []*item) error {
	operations := make([]protocol.Operation, len(batch))
	for n, i := range batch {
		operations[n] = i.operation
	}
	switch {
	case v.kind == kindPlain:
		id := plainToken(token)
		_, err := s.temporal.SignalWithStartWorkflow(ctx, id, plainSignal, operations,
			client.StartWorkflowOptions{ID: id, TaskQueue: v.kind.taskQueue()}, plainWorkflow, []protocol.Operation{})
		return err
	case len(batch) == 1:
		_, err := s.operations[v.kind].Submit(ctx, operations[0])
		return err
	}
	summary, err := s.operations[v.kind].SubmitMany(ctx, opclient.Items(operations...), nil)
	if err == nil && summary.Accepted != len(batch) {
		err = fmt.Errorf("of %d operations %d were accepted", len(batch), summary.Accepted)
	}
	return err
}

// submitOne sends one operation by itself.
func (s *site) submitOne(ctx context.Context, v variant, i *item) error {
	i.submitted = time.Now()
	token := i.operation.DependencyToken
	switch {
	case v.kind == kindBare:
		_, err := s.temporal.ExecuteWorkflow(ctx,
			client.StartWorkflowOptions{ID: plainID(i.operation.ID), TaskQueue: v.kind.taskQueue()}, bareWorkflow, i.operation)
		return err
	case v.kind.ours() && token == "":
		_, err := s.operations[v.kind].Submit(ctx, i.operation)
		return err
	}
	return s.submitBatch(ctx, v, token, []*item{i})
}

// workflowID is that of an operation's execution.
func workflowID(v variant, i *item) string {
	if v.kind.ours() {
		return protocol.OperationWorkflowID(i.operation.ID)
	}
	return plainID(i.operation.ID)
}

// serializerID is that of a token's serializer.
func serializerID(v variant, token string) string {
	if v.kind.ours() {
		return protocol.SerializerWorkflowID(token)
	}
	return plainToken(token)
}
