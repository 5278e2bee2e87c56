package workflows

import "fmt"

// KeepInPages puts what does not fit one payload of a state that RebuildToken
// answered into BacklogPages, and answers the state without it. start starts a
// workflow of that id with that input, or finds the one that runs already, and
// answers its run id; nil only leaves out what would be in pages, for a look.
//
// A chain that was closed with no worker up may have left any number of
// operations in its history; the state itself would be refused by the server. The
// pages are the same each time that the same history is read, so a repeat finds
// them.
func KeepInPages(state any, start func(workflowID string, content any) (runID string, err error)) (any, error) {
	carried, ok := state.(carried)
	if !ok || carried.Queue == nil {
		return state, nil
	}
	q := carried.Queue
	q.Spill()
	for _, page := range q.ToStart() {
		if start == nil {
			page.Entries = nil
			continue
		}
		id := q.Address(page).WorkflowID
		runID, err := start(id, contentOf(q.Token, page.N, page.Entries))
		if err != nil {
			return nil, fmt.Errorf("page %s of the queue: %w", id, err)
		}
		q.PageStarted(page, runID)
	}
	return carried, nil
}
