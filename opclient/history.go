package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// Bounds of reading histories: the server ends a run at so many events.
const (
	maxHistoryRead = 51_200
	historyTimeout = 15 * time.Second
	// searchTimeout bounds the search of all tokens' histories.
	searchTimeout = 30 * time.Second
)

// readPast puts a token together from the history of its serializer's current
// run, for want of a worker. It keeps the data of the operation with the id data
// only.
func (c *Client) readPast(ctx context.Context, workflowID, data string) (*past, error) {
	bounded, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	p := &past{ids: make(map[string]bool), data: data}
	events := c.temporal.GetWorkflowHistory(bounded, workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for read := 0; events.HasNext(); read++ {
		event, err := events.Next()
		if err != nil && (read == 0 || bounded.Err() == nil || ctx.Err() != nil) {
			return nil, fmt.Errorf("read the history of workflow %q: %w", workflowID, err)
		}
		if err != nil || read == maxHistoryRead {
			p.partial = true
			break
		}
		if read == 0 {
			p.token = c.startedToken(workflowID, event.GetWorkflowExecutionStartedEventAttributes())
		}
		p.apply(event, c.decode)
	}
	return p, nil
}

// startedToken is the token of a serializer that was started so.
func (c *Client) startedToken(workflowID string, started *historypb.WorkflowExecutionStartedEventAttributes) string {
	var input protocol.SerializerInput
	if payloads := started.GetInput().GetPayloads(); len(payloads) > 0 {
		c.decode(payloads[0], &input)
	}
	if input.Token != "" && protocol.SerializerWorkflowID(input.Token) == workflowID {
		return input.Token
	}
	key, _ := protocol.SerializerKey(workflowID)
	return key
}

// pastInstead reads the token's history where err says that no worker answered;
// any other err it answers itself. What the history does not tell is told to
// Options.Notice.
func (c *Client) pastInstead(ctx context.Context, workflowID string, err error) (*past, error) {
	var unattended *NoWorkerError
	if !errors.As(err, &unattended) {
		return nil, err
	}
	p, unread := c.readPast(ctx, workflowID, "")
	if unread != nil {
		return nil, errors.Join(err, unread)
	}
	c.options.Notice(p.notice())
	return p, nil
}

// notice says what a token's history does not tell.
func (p *past) notice() string {
	text := fmt.Sprintf("token %q from history, without a worker: what was refused, repeated or asked for since %s is not known",
		p.token, p.startedOn.UTC().Format(time.RFC3339))
	if p.partial {
		text += "; its history is longer than what was read, so that the end of the queue is missing"
	}
	return text
}

// findPast looks for a queued operation in the history of its token's
// serializer, or of all running ones; cause, why nobody answered, is the error
// where none names it.
func (c *Client) findPast(ctx context.Context, id, token string, cause error) (Found, error) {
	serializers := []string{protocol.SerializerWorkflowID(token)}
	if token == "" {
		var err error
		if serializers, err = c.runningSerializers(ctx); err != nil {
			return Found{}, errors.Join(cause, err)
		}
	}
	searching, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	look := func(workflowID string) (p *past) {
		if p, err := c.readPast(searching, workflowID, id); err == nil && p.ids[id] {
			return p
		}
		return nil
	}
	for p := range inParallel(searching, c.options.Parallel, serializers, look) {
		if p == nil {
			continue
		}
		if record, ok := p.find(id, time.Now()); ok {
			c.options.Notice(p.notice())
			return Found{Record: record, Source: FromHistory, WorkflowID: protocol.SerializerWorkflowID(p.token)}, nil
		}
	}
	return Found{}, cause
}
