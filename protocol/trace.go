package protocol

import (
	"encoding/json"
	"strings"
)

// Attributes of spans (docs/observability.md). None is a payload, or a message that
// may quote one.
const (
	// SpanOperationID, SpanOperationType and SpanToken say which operation it is; the
	// type is that which was submitted, the token is absent where it has none.
	SpanOperationID   = "seriatim.operation.id"
	SpanOperationType = "seriatim.operation.type"
	SpanToken         = "seriatim.dependency_token"
	// SpanFence is "sequence.n.attempt" (SPEC 2.2), SpanAttempt the attempt, from 1.
	SpanFence   = "seriatim.fence"
	SpanAttempt = "seriatim.attempt"
	// SpanOutcome is an OutcomeKind; SpanCounted, of a retry, says whether it counts
	// against the type's attempts.
	SpanOutcome = "seriatim.outcome"
	SpanCounted = "seriatim.retry.counted"
	// SpanErrorType is the outcome's code, or why a submission was refused.
	SpanErrorType = "error.type"
)

// traceparentName is the one field that a batch may have beside its operations: it
// is ignored there.
const traceparentName = "traceparent"

// ParseTraceparent takes a W3C trace context apart, version 00:
// "00-<32 hex digits>-<16 hex digits>-<2 hex digits>", all of them lower-case, with
// neither id all zeros. ok is false of anything else, which counts as none: a trace
// never costs an operation (SPEC 1.2).
func ParseTraceparent(traceparent string) (traceID, spanID, flags string, ok bool) {
	parts := strings.Split(traceparent, "-")
	if len(parts) != 4 || parts[0] != "00" || !isHexID(parts[1], 32) || !isHexID(parts[2], 16) || !isHex(parts[3], 2) {
		return "", "", "", false
	}
	return parts[1], parts[2], parts[3], true
}

func isHexID(s string, digits int) bool {
	return isHex(s, digits) && strings.Trim(s, "0") != ""
}

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// knownTraceparent is the trace context as it was given, empty where it is none.
func knownTraceparent(traceparent string) string {
	if _, _, _, ok := ParseTraceparent(traceparent); !ok {
		return ""
	}
	return traceparent
}

// TraceID is the id of the trace that the operation goes on, empty where it has none
// of its submitter's. An occurrence goes on no trace: its own is linked to that in
// which the recurrence was submitted.
func (o Operation) TraceID() string {
	if isOccurrenceID(o.ID) {
		return ""
	}
	traceID, _, _, _ := ParseTraceparent(o.Traceparent)
	return traceID
}

// readTraceparent leaves out what is none, whatever JSON it is.
func readTraceparent(o *Operation, raw []byte) error {
	var traceparent string
	if json.Unmarshal(raw, &traceparent) == nil {
		o.Traceparent = knownTraceparent(traceparent)
	}
	return nil
}
