package workflows

import (
	"encoding/json"
	"errors"

	"github.com/seriatim-go/seriatim/protocol"
)

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
	Result   json.RawMessage   `json:"result,omitempty"`
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

// add remembers what an update was answered. What was refused for the moment is
// not: it is to be sent again.
func (a *answers) add(updateID string, result any, err error) {
	added := answer{UpdateID: updateID}
	refusal := (*protocol.Refusal)(nil)
	switch {
	case errors.As(err, &refusal) && refusal.Type == protocol.ErrTypeBusy:
		return
	case errors.As(err, &refusal):
		added.Refusal = refusal
	default:
		added.Result, _ = json.Marshal(result) // plain data
	}
	added.Bytes = jsonBytes(added)
	a.Last, a.Bytes = append(a.Last, added), a.Bytes+added.Bytes
	for len(a.Last) > maxAnswers || a.Bytes > maxAnswerBytes {
		a.Bytes -= a.Last[0].Bytes
		a.Last = a.Last[1:]
	}
}

// answered is what the update was answered before.
func answered[A any](before *answer) (result A, err error) {
	if before.Refusal != nil {
		return result, refuse(before.Refusal)
	}
	return result, json.Unmarshal(before.Result, &result)
}
