package workflows

import (
	"errors"
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

// The search attributes of an operation.
var (
	operationType   = temporal.NewSearchAttributeKeyKeyword(protocol.OperationTypeAttribute)
	operationStatus = temporal.NewSearchAttributeKeyKeyword(protocol.OperationStatusAttribute)
	operationOwner  = temporal.NewSearchAttributeKeyKeyword(protocol.OperationOwnerAttribute)
	correlationID   = temporal.NewSearchAttributeKeyKeyword(protocol.CorrelationIDAttribute)
	regardingObject = temporal.NewSearchAttributeKeyKeyword(protocol.RegardingObjectAttribute)
	postponeUntil   = temporal.NewSearchAttributeKeyTime(protocol.PostponeUntilAttribute)
)

// startAttributes are the search attributes that an operation starts with. The
// status is what it will be at once, so that most never change it.
func startAttributes(o protocol.Operation, start OperationStart, now time.Time) []temporal.SearchAttributeUpdate {
	key := string(o.OperationType)
	if start.Type != nil {
		key = start.Type.Key
	}
	status := protocol.InProgress
	updates := []temporal.SearchAttributeUpdate{operationType.ValueSet(key)}
	if o.PostponeUntil != nil && o.PostponeUntil.After(now) {
		status = protocol.Waiting
		updates = append(updates, postponeUntil.ValueSet(*o.PostponeUntil))
	}
	if start.Verdict != nil {
		status = start.Verdict.Status
	}
	updates = append(updates, operationStatus.ValueSet(status.String()))
	if o.DependencyToken != "" {
		updates = append(updates, dependencyToken.ValueSet(protocol.TokenKey(o.DependencyToken)))
	}
	for _, optional := range []struct {
		key   temporal.SearchAttributeKeyKeyword
		value string
	}{{operationOwner, o.OwnerID}, {correlationID, o.CorrelationID}, {regardingObject, o.RegardingObjectID}} {
		if optional.value != "" {
			updates = append(updates, optional.key.ValueSet(optional.value))
		}
	}
	return updates
}

// showStatus changes the status that filters see, where it was another.
func (o *operation) showStatus(status protocol.StatusCode, more ...temporal.SearchAttributeUpdate) {
	if !o.attributes {
		return
	}
	updates := append(more, operationStatus.ValueSet(status.String()))
	if err := workflow.UpsertTypedSearchAttributes(o.ctx, updates...); err != nil {
		workflow.GetLogger(o.ctx).Error("search attributes not set", "error", err)
	}
}

// setHandlers registers what an operation answers.
func (o *operation) setHandlers() error {
	now := func() time.Time { return workflow.Now(o.ctx) }
	return errors.Join(
		setQuery(o.ctx, protocol.OperationQueryName, "The operation's record",
			func() (protocol.Record, error) { return o.life.Record, nil }),
		workflow.SetUpdateHandlerWithOptions(o.ctx, protocol.CancelUpdateName,
			func(_ workflow.Context, r protocol.ActionRequest) (protocol.Record, error) {
				o.cancel(r.Reason)
				return shown(o.life.Record), nil
			},
			workflow.UpdateHandlerOptions{
				Description: "End the operation as Canceled",
				Validator: func(r protocol.ActionRequest) error {
					return refuse(errors.Join(o.life.Check(protocol.ActionCancel), protocol.ValidateReason(r.Reason)))
				},
			}),
		workflow.SetUpdateHandlerWithOptions(o.ctx, protocol.PostponeUpdateName,
			func(_ workflow.Context, r protocol.PostponeRequest) (protocol.Record, error) {
				o.life.Postpone(r.Until, now())
				o.changed = true
				if until := o.life.Record.PostponeUntil; until != nil {
					o.showStatus(protocol.Waiting, postponeUntil.ValueSet(*until))
				}
				return shown(o.life.Record), nil
			},
			workflow.UpdateHandlerOptions{
				Description: "Change when the operation may start",
				Validator: func(r protocol.PostponeRequest) error {
					return refuse(errors.Join(o.life.Check(protocol.ActionPostpone), checkPostpone(r)))
				},
			}),
	)
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

// details is what the Web UI shows of an operation now.
func (o *operation) details() string {
	r := o.life.Record
	text := fmt.Sprintf("**%s** (%s)", r.StatusCode, r.StateCode)
	if r.SuspendReason == protocol.SuspendPostponed {
		text += " postponed until " + r.PostponeUntil.Format(time.RFC3339)
	}
	if r.ErrorCode != "" || r.Message != "" {
		text += "\n\n" + escape(strings.TrimSpace(r.ErrorCode+" "+r.Message))
	}
	if r.FriendlyMessage != "" {
		text += "\n\n" + escape(r.FriendlyMessage)
	}
	return cut(text, maxDetailsBytes)
}

// activityOptions are those of the operation's binding. Nothing bounds the time
// before a worker takes it: it waits for one as long as it must.
func (o *operation) activityOptions() workflow.ActivityOptions {
	b := o.life.Type.Binding
	r := o.life.Record
	return workflow.ActivityOptions{
		TaskQueue:           b.TaskQueue,
		StartToCloseTimeout: seconds(b.StartToCloseSeconds),
		HeartbeatTimeout:    seconds(b.HeartbeatSeconds),
		WaitForCancellation: true,
		Summary:             summary(r.Operation),
		Priority:            temporal.Priority{PriorityKey: r.Priority, FairnessKey: r.FairnessKey},
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:        seconds(b.Retry.InitialSeconds),
			BackoffCoefficient:     b.Retry.Backoff,
			MaximumInterval:        seconds(b.Retry.MaxSeconds),
			MaximumAttempts:        b.Retry.MaxAttempts,
			NonRetryableErrorTypes: b.Retry.NonRetryable,
		},
	}
}

func seconds(n float64) time.Duration {
	return time.Duration(n * float64(time.Second))
}
