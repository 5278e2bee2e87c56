package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ServiceWorkflow keeps which operation types are stopped, or that all are (SPEC
// 8.2). One runs for each task queue of workers, and only while something is
// stopped. It is on the task queue with EngineTaskQueueSuffix. Its start input is
// nothing.
const ServiceWorkflow = "Service"

// ControlSignalName tells a Service to stop or to start: a ControlRequest. It is
// sent as a signal-with-start, so that it needs no worker.
const ControlSignalName = "control"

// ServiceQueryName on Service answers a ServiceState.
const ServiceQueryName = "service"

// StopsMemo is the memo of a Service that says what is stopped: a list of Stops.
const StopsMemo = "stops"

// ApplyStopsActivity has a change of the stops reach what no worker of ours does:
// an ApplyStopsRequest, answered by an ApplyStopsReply.
const ApplyStopsActivity = "ApplyStops"

// CodeStopped is the error code of an operation whose handler was not started, or
// was interrupted, since its type is stopped. It is tried again by itself.
const CodeStopped = "Stopped"

const servicePrefix = "service:"

// ServiceWorkflowID is the workflow id of the Service of a task queue. It is at
// most 255 bytes where the task queue's name is at most 247.
func ServiceWorkflowID(taskQueue string) string { return servicePrefix + taskQueue }

// ControlAction is what a Service is told.
type ControlAction string

// The actions of a ControlRequest.
const (
	ControlStop  ControlAction = "stop"
	ControlStart ControlAction = "start"
)

// ControlRequest stops or starts the handlers of one operation type, or of all.
type ControlRequest struct {
	Action ControlAction `json:"action"`
	// OperationType is a key or a number of the catalogue; "" is all of them. Start
	// without a type ends every stop, those of single types too.
	OperationType TypeRef `json:"operationType,omitempty"`
	// Reason and Identity are kept and shown, at most 1,000 bytes and 255 bytes.
	Reason   string `json:"reason,omitempty"`
	Identity string `json:"identity,omitempty"`
}

// Validate names each field that is wrong; the errors are *FieldErrors.
func (r ControlRequest) Validate() error {
	var problem error
	if r.Action != ControlStop && r.Action != ControlStart {
		problem = &FieldError{Field: "action", Value: fmt.Sprintf("%q", preview([]byte(r.Action))), Problem: `is neither "stop" nor "start"`}
	}
	if r.OperationType != "" {
		problem = errors.Join(problem, Operation{OperationType: r.OperationType}.Validate())
	}
	return errors.Join(problem, ValidateAsked(r.Reason, r.Identity))
}

// Stop says that no handler starts, of one operation type or of all.
type Stop struct {
	// OperationType is the type's key; "" is all types.
	OperationType string    `json:"operationType,omitempty"`
	On            time.Time `json:"on"`
	Reason        string    `json:"reason,omitempty"`
	Identity      string    `json:"identity,omitempty"`
}

// ServiceState is what a Service knows.
type ServiceState struct {
	// Stops are in the order in which they began; none is a service that runs.
	Stops []Stop `json:"stops"`
	// Problem is why a change did not reach everything, empty where it did.
	Problem string `json:"problem,omitempty"`
	// Refused is the last request that could not be carried out, and why.
	Refused string `json:"refused,omitempty"`
}

// ApplyStopsRequest is what changed.
type ApplyStopsRequest struct {
	// Limited are task queues of other workers on which no handler may start now,
	// Unlimited those on which one may again.
	Limited   []string `json:"limited,omitempty"`
	Unlimited []string `json:"unlimited,omitempty"`
	// Started are keys of types whose operations are told to go on at once.
	Started []string `json:"started,omitempty"`
	// Reason is kept with the task queues.
	Reason string `json:"reason,omitempty"`
}

// ApplyStopsReply is what came of it.
type ApplyStopsReply struct {
	// Resumed is how many operations were told to go on.
	Resumed int `json:"resumed"`
	// Problem is what could not be done, and why.
	Problem string `json:"problem,omitempty"`
}

// DecodeControl reads a ControlRequest.
func DecodeControl(raw json.RawMessage) (r ControlRequest, err error) {
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("%s is not a request to stop or to start", preview(raw))
	}
	return r, r.Validate()
}
