package opclient

import (
	"fmt"
	"strings"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// Filter says which operations List answers. Its zero value is all of them.
type Filter struct {
	// Status is the name of a status, in any case. Operations that run are told
	// apart as InProgress and Waiting only; WaitingForResources are the queued
	// ones of a token.
	Status string
	// Type is an operation type as it is recorded: its key where the worker's
	// catalogue knows it.
	Type string
	// Token is a dependency token; with it the queued operations are listed too.
	Token string
	// Owner is an ownerId.
	Owner string
	// CreatedBefore, unless it is zero, leaves out what is younger. One that has
	// started counts from its start, since the server's index knows no earlier
	// instant: it is never younger than that, and may be older.
	CreatedBefore time.Time
	// Limit is the most operations to answer; default 100, negative for all.
	Limit int

	// open leaves out what is Completed.
	open bool
}

// OlderThan is the instant for CreatedBefore of what is older than age now.
func OlderThan(age time.Duration) time.Time { return time.Now().Add(-age).UTC() }

// defaultListLimit is Filter.Limit where it is not set.
const defaultListLimit = 100

// clause is one condition: for the server, and for what the server answered.
type clause struct {
	query string
	// attribute is the search attribute that it needs, empty for none.
	attribute string
	// remembered says that the memo tells it too, so that it can be checked
	// without the attribute.
	remembered bool
	// unsafe says that the server does not compare this value as it is.
	unsafe bool
	match  func(protocol.Record) bool
}

// clauses are the conditions of a filter in a namespace with those names.
func (f Filter) clauses(names protocol.AttributeNames) ([]clause, error) {
	list := []clause{{query: fmt.Sprintf("WorkflowType IN (%s, %s)", protocol.QuoteForQuery(protocol.OperationWorkflow), protocol.QuoteForQuery(protocol.RecurrenceWorkflow))}}
	equal := func(attribute, value, wanted string, remembered bool, of func(protocol.Record) string) {
		list = append(list, clause{
			query: names.InQuery(attribute) + " = " + protocol.QuoteForQuery(value), attribute: names.Of(attribute), remembered: remembered, unsafe: !protocol.IsExactInQuery(value),
			match: func(r protocol.Record) bool { return of(r) == wanted },
		})
	}
	if f.Token != "" {
		equal(protocol.DependencyTokenAttribute, protocol.TokenKey(f.Token), f.Token, true,
			func(r protocol.Record) string { return r.DependencyToken })
	}
	if f.Type != "" {
		equal(protocol.OperationTypeAttribute, f.Type, f.Type, true,
			func(r protocol.Record) string { return string(r.OperationType) })
	}
	if f.Owner != "" {
		equal(protocol.OperationOwnerAttribute, f.Owner, f.Owner, false,
			func(r protocol.Record) string { return r.OwnerID })
	}
	if !f.CreatedBefore.IsZero() {
		list = append(list, clause{query: "StartTime < " + protocol.QuoteForQuery(f.CreatedBefore.UTC().Format(time.RFC3339Nano))})
	}
	if f.open && f.Status == "" {
		list = append(list, running)
	}
	if f.Status == "" {
		return list, nil
	}
	status, err := protocol.ParseStatus(f.Status)
	if err != nil {
		return nil, err
	}
	return append(list, statusClauses(status, names)...), nil
}

// running are the executions that have not closed.
var running = clause{query: "ExecutionStatus = 'Running'"}

// matchesQueued decides on an operation that queues.
func (f Filter) matchesQueued(r protocol.Record) bool {
	return (f.Type == "" || string(r.OperationType) == f.Type) &&
		(f.Owner == "" || r.OwnerID == f.Owner) &&
		(f.Status == "" || strings.EqualFold(r.StatusCode.String(), f.Status)) &&
		(f.CreatedBefore.IsZero() || r.CreatedOn != nil && r.CreatedOn.Before(f.CreatedBefore))
}

// statusClauses combine Temporal's own status with the coarse attribute, which
// closed workflows keep as it was.
func statusClauses(status protocol.StatusCode, names protocol.AttributeNames) []clause {
	execution := map[protocol.StatusCode]string{
		protocol.Succeeded: "ExecutionStatus = 'Completed'",
		protocol.Failed:    "ExecutionStatus IN ('Failed', 'TimedOut')",
		protocol.Canceled:  "ExecutionStatus IN ('Canceled', 'Terminated')",
	}
	if query, ok := execution[status]; ok {
		return []clause{{query: query}}
	}
	return []clause{running, {
		query:     names.InQuery(protocol.OperationStatusAttribute) + " = " + protocol.QuoteForQuery(status.String()),
		attribute: names.Of(protocol.OperationStatusAttribute), remembered: true,
		match: func(r protocol.Record) bool { return r.StatusCode == status },
	}}
}

// visibilityQuery is what the server is asked; match decides on what it
// answers. Without attributes only the conditions that need none are sent; what
// cannot be decided at all is an error.
func visibilityQuery(clauses []clause, attributes bool) (query string, match func(protocol.Record) bool, err error) {
	var sent []string
	var checks []func(protocol.Record) bool
	for _, c := range clauses {
		available := c.attribute == "" || attributes
		if !available && !c.remembered {
			return "", nil, fmt.Errorf("the namespace has no search attribute %s, which this filter needs", c.attribute)
		}
		if available && !c.unsafe {
			sent = append(sent, c.query)
		} else if c.match != nil {
			checks = append(checks, c.match)
		}
	}
	return strings.Join(sent, " AND "), func(r protocol.Record) bool {
		for _, check := range checks {
			if !check(r) {
				return false
			}
		}
		return true
	}, nil
}
