package workflows

import (
	"encoding/json"
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// setHandlers registers what a serializer answers.
func (s *serializer) setHandlers() error {
	return errors.Join(
		setUpdate(s, protocol.CancelUpdateName, "End an operation that queues, as Canceled",
			func(r protocol.ActionRequest) (string, error) {
				return r.OperationID, protocol.ValidateReason(r.Reason)
			},
			func(r protocol.ActionRequest) (protocol.Record, error) {
				return s.queue.Cancel(r.OperationID, r.Reason, workflow.Now(s.ctx))
			}),
		setUpdate(s, protocol.PostponeUpdateName, "Change when an operation that queues may start",
			func(r protocol.PostponeRequest) (string, error) { return r.OperationID, checkPostpone(r) },
			func(r protocol.PostponeRequest) (protocol.Record, error) {
				return s.queue.Postpone(r.OperationID, r.Until, workflow.Now(s.ctx))
			}),
		setQuery(s.ctx, protocol.StateQueryName, "The token: head, counts, what was refused", s.state),
		setQuery(s.ctx, protocol.ListQueryName, "The queue from an offset, in order",
			func(r protocol.ListRequest) (protocol.ListReply, error) {
				return s.queue.List(r, workflow.Now(s.ctx))
			}),
		setQuery(s.ctx, protocol.FindQueryName, "One operation of the token by its id",
			func(r protocol.FindRequest) (protocol.FindReply, error) {
				reply := s.queue.Find(r.OperationID, workflow.Now(s.ctx))
				reply.Reading = s.lookingBack || s.submissions.Len() > 0
				return reply, nil
			}),
	)
}

func (s *serializer) state() (protocol.SerializerState, error) {
	state := s.queue.State(workflow.Now(s.ctx))
	state.Refused, state.Predecessor = s.refused, s.predecessor
	return state, nil
}

// setUpdate registers an update about an operation that queues. Its validator
// refuses what is wrong without a trace in history; only with submissions not
// read yet does the handler have to decide, after reading them.
func setUpdate[T any](
	s *serializer, name, description string,
	check func(T) (id string, err error), do func(T) (protocol.Record, error),
) error {
	validate := func(ctx workflow.Context, request T) error {
		if s.ending {
			return refuse(continuingAsNew)
		}
		if s.answers.find(updateID(ctx)) != nil {
			return nil
		}
		id, err := check(request)
		if err == nil {
			err = protocol.ValidateID(id)
		}
		if err == nil && s.submissions.Len() == 0 && !s.lookingBack {
			_, err = s.queue.waitingAt(id)
		}
		return refuse(err)
	}
	handle := func(ctx workflow.Context, request T) (protocol.Record, error) {
		if before := s.answers.find(updateID(ctx)); before != nil {
			return before.result()
		}
		if err := workflow.Await(ctx, func() bool { return !s.lookingBack }); err != nil {
			return protocol.Record{}, err
		}
		s.intake(ctx)
		record, err := do(request)
		s.changed = true
		s.answers.add(updateID(ctx), record, err)
		return record, refuse(err)
	}
	return workflow.SetUpdateHandlerWithOptions(s.ctx, name, handle,
		workflow.UpdateHandlerOptions{Validator: validate, Description: description})
}

func setQuery(ctx workflow.Context, name, description string, handler any) error {
	return workflow.SetQueryHandlerWithOptions(ctx, name, handler, workflow.QueryHandlerOptions{Description: description})
}

func updateID(ctx workflow.Context) string {
	return workflow.GetCurrentUpdateInfo(ctx).ID
}

var continuingAsNew = &protocol.Refusal{
	Type:    protocol.ErrTypeContinuingAsNew,
	Message: "this run is ending: send the update again with the same update id",
}

func checkPostpone(r protocol.PostponeRequest) error {
	if r.Until.IsZero() || r.Until.Year() > 9999 {
		return &protocol.FieldError{Field: "until", Value: r.Until.String(), Problem: "is not an RFC 3339 instant"}
	}
	return protocol.ValidateReason(r.Reason)
}

// refuse turns an error into the application error that crosses the wire.
func refuse(err error) error {
	if err == nil {
		return nil
	}
	refusal := protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Message: err.Error()}
	if known := (*protocol.Refusal)(nil); errors.As(err, &known) {
		refusal = *known
	}
	refusal.Name = refusal.Code.Name()
	return temporal.NewNonRetryableApplicationError(refusal.Error(), refusal.Type, nil, refusal)
}

// Bounds of the answers that a run hands to the next.
const (
	maxAnswers     = 100
	maxAnswerBytes = 64 << 10
)

// answers remembers the last updates, so that one that is sent again to the
// next run is not carried out again.
type answers struct {
	Last  []answer `json:"last,omitempty"`
	Bytes int      `json:"bytes,omitempty"`
}

type answer struct {
	UpdateID string            `json:"updateId"`
	Record   *protocol.Record  `json:"record,omitempty"`
	Refusal  *protocol.Refusal `json:"refusal,omitempty"`
	Bytes    int               `json:"bytes"`
}

func (a *answers) find(updateID string) *answer {
	for i := range a.Last {
		if a.Last[i].UpdateID == updateID {
			return &a.Last[i]
		}
	}
	return nil
}

func (a *answers) add(updateID string, record protocol.Record, err error) {
	added := answer{UpdateID: updateID, Record: &record}
	var refusal *protocol.Refusal
	if errors.As(err, &refusal) {
		added.Record, added.Refusal = nil, refusal
	}
	encoded, _ := json.Marshal(added) // plain data
	added.Bytes = len(encoded)
	a.Last, a.Bytes = append(a.Last, added), a.Bytes+added.Bytes
	for len(a.Last) > maxAnswers || a.Bytes > maxAnswerBytes {
		a.Bytes -= a.Last[0].Bytes
		a.Last = a.Last[1:]
	}
}

func (a *answer) result() (protocol.Record, error) {
	if a.Refusal != nil {
		return protocol.Record{}, refuse(a.Refusal)
	}
	return *a.Record, nil
}
