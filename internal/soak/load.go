package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// tokens are so many that each of them idles for longer than linger before its next
// turn: it ends, and starts anew.
const (
	tokens = 40
	linger = 3 * time.Second
)

// load is what is submitted, second by second.
type load struct {
	site      *site
	submitted []string // ids
	asked     int
}

// run goes on until ctx is done; every submission and every request has to succeed.
func (l *load) run(ctx context.Context) error {
	recurring := l.operation("", 0)
	recurring.RecurrencePattern = "FREQ=MINUTELY"
	if _, err := l.site.client.Submit(ctx, recurring); err != nil {
		return err
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for second := 0; ; second++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		// What is under way is finished, so that no submission is left in doubt.
		if err := l.second(context.WithoutCancel(ctx), second); err != nil {
			return fmt.Errorf("in second %d: %w", second, err)
		}
	}
}

// second is eight operations: three in a batch, two alone and one postponed on
// tokens, two without one.
func (l *load) second(ctx context.Context, n int) error {
	batch, single, late := name(4*n), name(4*n+1), name(4*n+2)
	soon := time.Now().Add(5 * time.Second)
	postponed := l.operation(late, 0)
	postponed.PostponeUntil = &soon
	operations := []protocol.Operation{
		l.operation(batch, 0), l.operation(batch, 1), l.operation(batch, 2),
		l.operation(single, 0), l.operation(single, 1), postponed, l.operation("", 0), l.operation("", 1),
	}
	for i := range operations {
		operations[i].ID = fmt.Sprintf("soak-%d-%d", n, i)
	}
	for _, part := range [][]protocol.Operation{operations[:3], operations[3:4], operations[4:6], operations[6:]} {
		summary, err := l.site.client.SubmitMany(ctx, opclient.Items(part...), nil)
		if err != nil || summary.Accepted != len(part) {
			return errors.Join(err, fmt.Errorf("%d of %d operations were accepted", summary.Accepted, len(part)))
		}
		for _, o := range part {
			l.submitted = append(l.submitted, o.ID)
		}
	}
	return l.ask(ctx, n, batch, operations[0].ID)
}

// ask holds and releases a token, and asks for it and an operation.
func (l *load) ask(ctx context.Context, n int, token, id string) error {
	c := l.site.client
	var err error
	switch n % 4 {
	case 0:
		_, err = c.Hold(ctx, token, time.Time{}, "soak")
		if err == nil {
			_, err = c.Release(ctx, token, "soak")
		}
	case 1:
		_, err = c.Token(ctx, token)
	case 2:
		_, err = c.Get(ctx, id, token)
	default:
		for _, err = range c.List(ctx, opclient.Filter{Token: token}) {
			if err != nil {
				break
			}
		}
	}
	l.asked++
	return err
}

func (l *load) operation(token string, n int) protocol.Operation {
	return protocol.Operation{
		ID: fmt.Sprintf("soak-recurs-%d", n), OperationType: "http.request", DependencyToken: token,
		Data: []byte(`{"connection":"target","path":"/","body":{"text":"what a delivery may say"}}`),
	}
}

func name(n int) string { return fmt.Sprintf("soak-%d", n%tokens) }
