package workflows

import "go.temporal.io/sdk/workflow"

// Versions of what a serializer does, by the name of what changed. A version is
// asked for where it first matters in a run, so that a run which never came
// there has no trace of it.
const (
	// recurringSubmissions: 1 starts a recurring operation that was submitted to a
	// token as a workflow of its own; before that it was refused.
	recurringSubmissions = "recurring-submissions"
)

// takesRecurring says whether this run starts recurring operations.
func (s *serializer) takesRecurring() bool {
	return workflow.GetVersion(s.ctx, recurringSubmissions, workflow.DefaultVersion, 1) == 1
}
