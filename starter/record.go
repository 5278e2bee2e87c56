package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// recordOutput is a record as machines read it: as on the wire, with the names
// of its state and status and where it comes from.
type recordOutput struct {
	protocol.Record
	State       string          `json:"state"`
	Status      string          `json:"status"`
	Source      opclient.Source `json:"source,omitempty"`
	WorkflowID  string          `json:"workflowId,omitempty"`
	NextAttempt *time.Time      `json:"nextAttempt,omitempty"`
	// Progress is how far a running handler says that it is.
	Progress *protocol.Progress `json:"progress,omitempty"`
}

func outputOf(found opclient.Found) recordOutput {
	return recordOutput{
		Record: found.Record, State: found.StateCode.String(), Status: found.StatusCode.String(),
		Source: found.Source, WorkflowID: found.WorkflowID, NextAttempt: found.NextAttempt, Progress: found.Progress,
	}
}

// typeText is the type by key and number, as far as they are known.
func typeText(r protocol.Record) string {
	switch {
	case r.TypeKey == "":
		return string(r.OperationType)
	case r.TypeNumber == 0:
		return r.TypeKey
	}
	return fmt.Sprintf("%s (%d)", r.TypeKey, r.TypeNumber)
}

// printRecord prints one operation.
func (a *app) printRecord(found opclient.Found) error {
	return a.print(outputOf(found), func(w io.Writer) { a.writeRecord(w, found) })
}

func (a *app) writeRecord(w io.Writer, found opclient.Found) {
	r := found.Record
	status := found.StatusCode.String()
	if a.colored() {
		status = paint(status)
	}
	fmt.Fprintf(w, "%-16s%s (%s)\n", "status", status, found.StateCode)
	writePairs(w, []pair{
		{"why", why(found)},
		{"progress", progressText(found.Progress)},
		{"id", r.ID},
		{"name", r.Name},
		{"type", typeText(r)},
		{"restrictions", restrictionsText(r.Restrictions)},
		{"token", r.DependencyToken},
		{"error code", r.ErrorCode},
		{"message", r.Message},
		{"for people", r.FriendlyMessage},
		{"created", instant(r.CreatedOn)},
		{"started", instant(r.StartedOn)},
		{"completed", instant(r.CompletedOn)},
		{"ran for", seconds(r.ExecutionTimeSpan)},
		{"retries", number(r.RetryCount)},
		{"host", r.HostID},
		{"postponed until", instant(r.PostponeUntil)},
		{"deadline", instant(r.Deadline)},
		{"recurrence", ruleText(r)},
		{"first on", instant(r.RecurrenceStartTime)},
		{"occurrence of", r.RecurrenceOf},
		{"occurrence", number(int(r.Occurrence))},
		{"last occurrence", lastOccurrenceText(r.LastOccurrence)},
		{"last action", takenText(r.LastAction)},
		{"rerun of", r.RerunOf},
		{"priority", number(r.Priority)},
		{"fairness key", r.FairnessKey},
		{"owner", r.OwnerID},
		{"regarding", r.RegardingObjectID},
		{"entity", r.PrimaryEntityType},
		{"event", r.MessageName},
		{"correlation", r.CorrelationID},
		{"request", r.RequestID},
		{"trace", r.TraceID()},
		{"depth", number(r.Depth)},
		{"data", payload(r.Data)},
		{"result", payload(r.Result)},
		{"workflow", found.WorkflowID},
	})
	writeSource(w, found.Source)
}

// why says in a few words what a waiting operation waits for (SPEC 8.4).
func why(found opclient.Found) string {
	r := found.Record
	switch {
	case r.Position > 0:
		return strings.Join(append([]string{fmt.Sprintf("position %d", r.Position)}, queuedWhy(r)...), ", ")
	case found.NextAttempt != nil:
		return fmt.Sprintf("retrying at %s", instant(found.NextAttempt))
	case r.SuspendReason == protocol.SuspendPostponed:
		return "postponed until " + instant(r.PostponeUntil)
	case r.SuspendReason == protocol.SuspendNextOccurrence:
		return "next occurrence at " + instant(r.PostponeUntil)
	case r.SuspendReason != "":
		return string(r.SuspendReason)
	case r.StatusCode == protocol.WaitingForResources && (found.Source == opclient.FromQuery || found.Source == opclient.FromDescribe):
		return "no worker has taken it yet"
	}
	return ""
}

// progressText is how far a running handler says that it is, and when that was.
func progressText(p *protocol.Progress) string {
	if p == nil {
		return ""
	}
	text := p.String()
	if p.ReportedOn != nil {
		text += ", as of " + instant(p.ReportedOn)
	}
	return text
}

// queuedWhy says what a queued operation waits for, besides its turn.
func queuedWhy(r protocol.Record) (reasons []string) {
	if r.BlockedBy != "" {
		reasons = append(reasons, "behind "+r.BlockedBy)
	}
	if r.SuspendReason == protocol.SuspendPostponed {
		reasons = append(reasons, "postponed until "+instant(r.PostponeUntil))
	}
	return reasons
}

// takenText is what was last asked of an operation and done.
func takenText(t *protocol.Taken) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("%s, %s", t.Action, instant(&t.On)) + byWhom(t.Identity, t.Reason)
}

// byWhom goes behind what somebody did: who, and why, as far as they said so.
func byWhom(identity, reason string) (text string) {
	if identity != "" {
		text = " by " + identity
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

func seconds(s float64) string {
	if s == 0 {
		return ""
	}
	return strconv.FormatFloat(s, 'f', 2, 64) + " s"
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
