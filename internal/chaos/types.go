package main

import (
	"encoding/json"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/mail"
	"github.com/seriatim-go/seriatim/activities/sqlimport"
	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// The types of operation, each run by another kind of handler.
const (
	chaosType  = "chaos.work"   // the harness's own activity
	httpType   = "chaos.http"   // http.request, sent to the target
	flowType   = "chaos.flow"   // a workflow
	localType  = "chaos.local"  // the harness's own activity, the first attempt local
	importType = "chaos.import" // import, into a SQLite database
	mailType   = "chaos.mail"   // bulk.email, to an SMTP server
)

// stoppedTypes are those that are stopped for a while.
var stoppedTypes = []protocol.TypeRef{httpType, localType}

// localActivity is the name under which localType has the harness's own activity.
const localActivity = "chaos.local"

// handlerActivities are those that run operations; the engine's are not among them.
var handlerActivities = []string{chaosType, activities.HTTPActivity, localActivity, sqlimport.Activity, mail.Activity}

// Bounds of handlers. Every kill takes attempts away from an operation that did
// nothing wrong, so it has many.
const (
	startToClose     = 3 * time.Second
	heartbeatTimeout = 1500 * time.Millisecond
	maxAttempts      = 8

	// A bulk handler works for seconds. That of mailings relies on its lock for a
	// second at a time, and asks for a heartbeat that is much longer.
	bulkStartToClose = time.Minute
	mailHeartbeat    = 10 * time.Second
	// mailWork is how long the mail server takes over a message.
	mailWork = 20 * time.Millisecond
)

// chaosCatalogue binds the types.
func chaosCatalogue() *catalogue.Catalogue {
	activity := catalogue.Binding{
		Activity: chaosType, StartToCloseSeconds: startToClose.Seconds(), HeartbeatSeconds: heartbeatTimeout.Seconds(),
		CancelTimeoutSeconds: 2, Retry: catalogue.Retry{MaxAttempts: maxAttempts, InitialSeconds: 0.1, Backoff: 1.5, MaxSeconds: 1},
	}
	request := activity
	request.Activity = activities.HTTPActivity
	local := activity
	local.Activity, local.Execution, local.HeartbeatSeconds = localActivity, catalogue.ExecutionLocal, 0
	imports, mailing := activity, activity
	imports.Activity, imports.StartToCloseSeconds = sqlimport.Activity, bulkStartToClose.Seconds()
	mailing.Activity, mailing.StartToCloseSeconds, mailing.HeartbeatSeconds = mail.Activity, bulkStartToClose.Seconds(), mailHeartbeat.Seconds()
	c, err := catalogue.New(
		catalogue.Type{Key: chaosType, Binding: activity},
		catalogue.Type{Key: httpType, Binding: request},
		catalogue.Type{Key: localType, Binding: local},
		catalogue.Type{Key: importType, Binding: imports},
		catalogue.Type{Key: mailType, Binding: mailing},
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
	switch p.Type {
	case importType, mailType:
		data = p.bulkData()
	case httpType:
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
