package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// Bounds of what people are shown; the server refuses a command with more.
const (
	maxSummaryBytes = 200
	maxDetailsBytes = 8 << 10
	maxShownBytes   = 2 << 10
)

// keyword and datetime are search attributes under the names that the workflow
// recorded when it began, never those of the worker that runs it now: what is
// shown decides whether a workflow sets it.
func keyword(names protocol.AttributeNames, attribute string) temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword(names.Of(attribute))
}

func datetime(names protocol.AttributeNames, attribute string) temporal.SearchAttributeKeyTime {
	return temporal.NewSearchAttributeKeyTime(names.Of(attribute))
}

// startAttributes are the search attributes that an operation starts with. The
// status is what it will be at once, so that most never change it.
func startAttributes(o protocol.Operation, start OperationStart, now time.Time) []temporal.SearchAttributeUpdate {
	key := string(o.OperationType)
	if start.Type != nil {
		key = start.Type.Key
	}
	status := protocol.InProgress
	names := start.AttributeNames
	updates := []temporal.SearchAttributeUpdate{keyword(names, protocol.OperationTypeAttribute).ValueSet(key)}
	if start := o.RecurrenceStartTime; start != nil && start.After(now) {
		status = protocol.Waiting
	}
	if o.PostponeUntil != nil && o.PostponeUntil.After(now) {
		status = protocol.Waiting
		updates = append(updates, datetime(names, protocol.PostponeUntilAttribute).ValueSet(*o.PostponeUntil))
	}
	if start.Gated && status == protocol.InProgress {
		status = protocol.WaitingForResources
	}
	if start.Verdict != nil {
		status = start.Verdict.Status
	}
	token := ""
	if o.DependencyToken != "" {
		token = protocol.TokenKey(o.DependencyToken)
	}
	for _, optional := range []struct{ attribute, value string }{
		{protocol.OperationStatusAttribute, status.String()},
		{protocol.DependencyTokenAttribute, token},
		{protocol.OperationOwnerAttribute, o.OwnerID},
		{protocol.CorrelationIDAttribute, o.CorrelationID},
		{protocol.RegardingObjectAttribute, o.RegardingObjectID},
	} {
		if optional.value != "" {
			updates = append(updates, keyword(names, optional.attribute).ValueSet(optional.value))
		}
	}
	return updates
}

// showStatus changes the status that filters see, where it is another.
func (o *operation) showStatus(status protocol.StatusCode) {
	showStatus(o.ctx, o.start.SearchAttributes, o.start.AttributeNames, o.life.Record, status)
}

func showStatus(ctx workflow.Context, attributes bool, names protocol.AttributeNames, r protocol.Record, status protocol.StatusCode) {
	if !attributes {
		return
	}
	shown := workflow.GetTypedSearchAttributes(ctx)
	operationStatus, postponeUntil := keyword(names, protocol.OperationStatusAttribute), datetime(names, protocol.PostponeUntilAttribute)
	updates := []temporal.SearchAttributeUpdate{operationStatus.ValueSet(status.String())}
	now, _ := shown.GetKeyword(operationStatus)
	if until := r.PostponeUntil; status == protocol.Waiting && until != nil {
		if before, ok := shown.GetTime(postponeUntil); !ok || !before.Equal(*until) {
			now = ""
			updates = append(updates, postponeUntil.ValueSet(*until))
		}
	}
	if now == status.String() {
		return
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Error("search attributes not set", "error", err)
	}
}

// summary is one line for the Web UI.
func summary(o protocol.Operation) string {
	if o.Name == "" {
		return cut(string(o.OperationType), maxSummaryBytes)
	}
	return cut(fmt.Sprintf("%s: %s", o.OperationType, o.Name), maxSummaryBytes)
}

// staticDetails is what the Web UI shows of an operation that never changes.
func staticDetails(o protocol.Operation) string {
	var b strings.Builder
	line := func(label, value string) {
		if value != "" {
			fmt.Fprintf(&b, "- %s: %s\n", label, escape(value))
		}
	}
	line("type", string(o.OperationType))
	line("name", o.Name)
	line("dependency token", o.DependencyToken)
	line("owner", o.OwnerID)
	line("regarding", strings.TrimSpace(o.PrimaryEntityType+" "+o.RegardingObjectID))
	line("message", o.MessageName)
	line("correlation", o.CorrelationID)
	return cut(b.String(), maxDetailsBytes)
}

// details is what the Web UI shows of an operation now: why it is where it is,
// what happens next, and what may be done about it.
func (o *operation) details() string {
	return explained(protocol.Situation{Record: o.life.Record, Hold: o.life.Hold, NextAttempt: o.life.RetryOn})
}

func explained(s protocol.Situation) string {
	r := s.Record
	explained := protocol.Explain(s)
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** (%s)\n\n", r.StatusCode, r.StateCode)
	for _, sentence := range explained.Why {
		fmt.Fprintf(&b, "- %s\n", escape(cut(sentence, maxShownBytes)))
	}
	if r.FriendlyMessage != "" {
		fmt.Fprintf(&b, "\n%s\n", escape(cut(r.FriendlyMessage, maxShownBytes)))
	}
	fmt.Fprintf(&b, "\n**Next** %s", escape(explained.Next))
	if explained.NextOn != nil {
		fmt.Fprintf(&b, ", at %s", explained.NextOn.UTC().Format(time.RFC3339))
	}
	if len(explained.Allowed) > 0 {
		fmt.Fprintf(&b, "\n\n**May be asked** %s", joined(explained.Allowed))
	}
	return cut(b.String(), maxDetailsBytes)
}

func joined(actions []protocol.Action) string {
	words := make([]string, len(actions))
	for i, action := range actions {
		words[i] = string(action)
	}
	return strings.Join(words, ", ")
}

// timerSummary is what the Web UI shows of a wait.
func timerSummary(r protocol.Record, until time.Time) string {
	what := "postponed"
	switch r.SuspendReason {
	case protocol.SuspendRetrying:
		what = "retries"
	case protocol.SuspendPostponed:
	default:
		return "its deadline " + until.Format(time.RFC3339)
	}
	return what + " until " + until.Format(time.RFC3339)
}
