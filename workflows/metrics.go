package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// The metrics that the workflows report to the metrics handler of the worker's
// client, named as it is told them. They cost no history and are not reported
// again by a replay. One workflow task that the server had run again, since a
// signal arrived just as it ended a run, is counted twice.
const (
	MetricAccepted         = "seriatim_operations_accepted"
	MetricRefused          = "seriatim_operations_refused"
	MetricDuplicates       = "seriatim_operations_duplicates"
	MetricStarted          = "seriatim_operations_started"
	MetricCompleted        = "seriatim_operations_completed"
	MetricWait             = "seriatim_operation_wait"
	MetricRun              = "seriatim_operation_run"
	MetricHandOff          = "seriatim_handoff"
	MetricPostponeLateness = "seriatim_postpone_lateness"
	MetricAdoptions        = "seriatim_adoptions"
	MetricPagesStarted     = "seriatim_pages_started"
	MetricPagesLoaded      = "seriatim_pages_loaded"
	MetricPagesLost        = "seriatim_pages_lost"
)

// The labels of the metrics, beside those that the SDK gives to every metric of a
// workflow (namespace, task_queue, workflow_type, …).
const (
	// LabelType is a key of the catalogue, or OtherType.
	LabelType = "type"
	// LabelOutcome is Succeeded, Failed or Canceled.
	LabelOutcome = "outcome"
	// LabelReason is one of protocol's ErrType constants.
	LabelReason = "reason"
)

// OtherType is the type of an operation whose type is not in the catalogue: what
// callers write must not become a label.
const OtherType = "other"

// count adds to a counter. tags may be nil.
func count(ctx workflow.Context, name string, n int64, tags map[string]string) {
	if n > 0 {
		workflow.GetMetricsHandler(ctx).WithTags(tags).Counter(name).Inc(n)
	}
}

// observe notes how long something took.
func observe(ctx workflow.Context, name string, took time.Duration, tags map[string]string) {
	workflow.GetMetricsHandler(ctx).WithTags(tags).Timer(name).Record(max(took, 0))
}

// refusals is how many submissions were refused for one reason.
type refusals struct {
	reason string
	n      int64
}

// addRefusal counts one more.
func addRefusal(list []refusals, reason string) []refusals {
	for i := range list {
		if list[i].reason == reason {
			list[i].n++
			return list
		}
	}
	return append(list, refusals{reason, 1})
}

// report tells the metrics what the queue has counted since the last time.
func (s *serializer) report() {
	now, before := s.queue.Counts, s.reported
	count(s.ctx, MetricAccepted, now.Accepted-before.Accepted, nil)
	count(s.ctx, MetricDuplicates, now.Duplicates-before.Duplicates, nil)
	for _, refused := range s.queue.refused {
		count(s.ctx, MetricRefused, refused.n, map[string]string{LabelReason: refused.reason})
	}
	s.reported, s.queue.refused = now, nil
}

// typeLabel is the label of a type that the catalogue may not have.
func typeLabel(t *catalogue.Type) map[string]string {
	if t == nil {
		return map[string]string{LabelType: OtherType}
	}
	return map[string]string{LabelType: t.Key}
}

// reportStart tells the metrics that the handler is scheduled for the first time.
func (o *operation) reportStart(now time.Time) {
	if o.life.Record.N != o.start.N {
		return
	}
	tags := typeLabel(o.life.Type)
	count(o.ctx, MetricStarted, 1, tags)
	observe(o.ctx, MetricWait, now.Sub(*o.life.Record.CreatedOn), tags)
	if o.start.FreedOn != nil && !o.waited {
		observe(o.ctx, MetricHandOff, now.Sub(*o.start.FreedOn), nil)
	}
}

// reportRun tells them how long the handler took, as the workflow sees it.
func (o *operation) reportRun(scheduled time.Time) {
	observe(o.ctx, MetricRun, workflow.Now(o.ctx).Sub(scheduled), typeLabel(o.life.Type))
}

// reportDue tells them how late a postponed operation was woken.
func (o *operation) reportDue(until time.Time) {
	if late := workflow.Now(o.ctx).Sub(until); late >= 0 {
		observe(o.ctx, MetricPostponeLateness, late, nil)
	}
}

// reportOutcome tells them how the operation ended.
func (o *operation) reportOutcome(status protocol.StatusCode) {
	tags := typeLabel(o.life.Type)
	tags[LabelOutcome] = status.String()
	count(o.ctx, MetricCompleted, 1, tags)
}
