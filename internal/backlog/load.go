package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// operationID is the id of a token's n-th operation, from 0.
func operationID(token string, n int) string { return fmt.Sprintf("%s-%06d", token, n) }

// operations are those of a token from one number up to another; the first of all
// is postponed, so that it holds back the rest.
func operations(token string, from, to, bytesOfData int) iter.Seq[opclient.Item] {
	data, _ := json.Marshal(string(bytes.Repeat([]byte("x"), bytesOfData-2))) // plain text
	later := time.Now().Add(24 * time.Hour)
	return func(yield func(opclient.Item) bool) {
		for n := from; n < to; n++ {
			o := protocol.Operation{ID: operationID(token, n), OperationType: operationType, DependencyToken: token, Data: data}
			if n == 0 {
				o.PostponeUntil = &later
			}
			if !yield(opclient.Item{Line: n, Operation: o}) {
				return
			}
		}
	}
}

// submit puts a part of the token's operations on its queue and answers how many
// were accepted.
func (s *site) submit(ctx context.Context, token string, from, to, bytesOfData int) (int, error) {
	begin := time.Now()
	summary, err := s.client.SubmitMany(ctx, operations(token, from, to, bytesOfData), nil)
	if err != nil {
		return summary.Accepted, fmt.Errorf("submit %d operations: %w", to-from, err)
	}
	s.Say("%d operations accepted in %d signals, %.1f s", summary.Accepted, summary.Signals, time.Since(begin).Seconds())
	return summary.Accepted, nil
}

// state asks the token's serializer, and says how long the answer took.
func (s *site) state(ctx context.Context, token string) (state protocol.SerializerState, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	begin := time.Now()
	answer, err := s.temporal.QueryWorkflow(ctx, protocol.SerializerWorkflowID(token), "", protocol.StateQueryName)
	if err != nil {
		return state, 0, err
	}
	return state, time.Since(begin), answer.Get(&state)
}

// untilState waits until the token's state is as wanted.
func (s *site) untilState(ctx context.Context, token string, wanted func(protocol.SerializerState) bool) error {
	for {
		state, _, err := s.state(ctx, token)
		if err == nil && wanted(state) {
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("wait for token %q: %w", token, err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
