package main

import (
	"encoding/json"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// The types of operation, each run by another kind of handler.
const (
	chaosType = "chaos.work" // the harness's own activity
	httpType  = "chaos.http" // http.request, sent to the target; it is what is stopped for a while
	flowType  = "chaos.flow" // a workflow
)

// Bounds of handlers. Every kill takes attempts away from an operation that did
// nothing wrong, so it has many.
const (
	startToClose     = 3 * time.Second
	heartbeatTimeout = 1500 * time.Millisecond
	maxAttempts      = 8
)

// chaosCatalogue binds the types.
func chaosCatalogue() *catalogue.Catalogue {
	activity := catalogue.Binding{
		Activity: chaosType, StartToCloseSeconds: startToClose.Seconds(), HeartbeatSeconds: heartbeatTimeout.Seconds(),
		CancelTimeoutSeconds: 2, Retry: catalogue.Retry{MaxAttempts: maxAttempts, InitialSeconds: 0.1, Backoff: 1.5, MaxSeconds: 1},
	}
	request := activity
	request.Activity = activities.HTTPActivity
	c, err := catalogue.New(
		catalogue.Type{Key: chaosType, Binding: activity},
		catalogue.Type{Key: httpType, Binding: request},
		// A cancellation has two ways to go.
		catalogue.Type{Key: flowType, Binding: catalogue.Binding{Workflow: flowWorkflow, CancelTimeoutSeconds: 5}},
	)
	if err != nil {
		panic(err) // a constant
	}
	return c
}

// targetConnection is the name by which operations know the target.
const targetConnection = "target"

// delivery is what an operation of httpType sends.
type delivery struct {
	Register string `json:"register"`
	Work     work   `json:"work"`
}

// data is what the operation carries.
func (p planned) data() json.RawMessage {
	var data any = p.Work
	if p.Type == httpType {
		data = map[string]any{
			"connection": targetConnection, "path": deliveryPath,
			"body": delivery{registerOf(protocol.Operation{ID: p.ID, DependencyToken: p.Token}), p.Work},
		}
	}
	encoded, _ := json.Marshal(data) // plain data
	return encoded
}

// registerOf is what of the target an operation writes to.
func registerOf(o protocol.Operation) string {
	if o.DependencyToken == "" {
		return "free " + o.ID
	}
	return "token " + o.DependencyToken
}
