package workflows

import "go.temporal.io/sdk/workflow"

// Versions of what a serializer or an operation does, by the name of what changed. A version is
// asked for where it first matters in a run, so that a run which never came
// there has no trace of it.
const (
	// recurringSubmissions: 1 starts a recurring operation that was submitted to a
	// token as a workflow of its own; before that it was refused.
	recurringSubmissions = "recurring-submissions"
	// heldStatus: 1 shows in the search attribute OperationStatus that a token is
	// held; before that it told only who asked the workflow.
	heldStatus = "held-status"
	// wantedPages: 1 starts a page that a request waits for; before that the request
	// waited until something else had the loop turn.
	wantedPages = "wanted-pages"
	// freshCheckpoint: 1 reads a running handler's checkpoint again where the answer
	// was long on its way; before that it was taken as it came.
	freshCheckpoint = "fresh-checkpoint"
)

// takesRecurring says whether this run starts recurring operations.
func (s *serializer) takesRecurring() bool {
	return workflow.GetVersion(s.ctx, recurringSubmissions, workflow.DefaultVersion, 1) == 1
}

// tellsHeld says whether this run shows that the token is held.
func (s *serializer) tellsHeld() bool {
	return workflow.GetVersion(s.ctx, heldStatus, workflow.DefaultVersion, 1) == 1
}

// startsWanted says whether this run starts a page that a request waits for.
func (s *serializer) startsWanted() bool {
	return workflow.GetVersion(s.ctx, wantedPages, workflow.DefaultVersion, 1) == 1
}

// readsAgain says whether this run reads a checkpoint again that is out of date.
func (o *operation) readsAgain() bool {
	return workflow.GetVersion(o.ctx, freshCheckpoint, workflow.DefaultVersion, 1) == 1
}
