package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Operation is what a caller submits: one piece of work, described by SPEC 1.2.
// Limits are in bytes of UTF-8 unless they say characters; a field outside its
// limit is refused by name, never truncated. Strings hold no control
// characters.
type Operation struct {
	// ID is the primary key and the idempotency key, at most 128 bytes, unique
	// in the namespace. The Go client fills in a UUIDv7.
	ID string `json:"id,omitempty"`
	// Name is shown to people, at most 256 characters.
	Name string `json:"name,omitempty"`
	// OperationType says what work it is: a key or a number of the catalogue.
	OperationType TypeRef `json:"operationType,omitempty"`
	// DependencyToken serialises: operations with the same token run one after
	// another. At most 256 characters; "" is no token.
	DependencyToken string `json:"dependencyToken,omitempty"`
	// PostponeUntil is the instant before which it does not start.
	PostponeUntil *time.Time `json:"postponeUntil,omitempty"`
	// RecurrencePattern is an RRULE of at most 256 characters.
	RecurrencePattern string `json:"recurrencePattern,omitempty"`
	// RecurrenceStartTime is the first instant of a recurrence, in UTC.
	RecurrenceStartTime *time.Time `json:"recurrenceStartTime,omitempty"`
	// Data is the handler's payload: any JSON.
	Data json.RawMessage `json:"data,omitempty"`
	// MessageName is the event it is about, at most 160 characters.
	MessageName string `json:"messageName,omitempty"`
	// PrimaryEntityType is the kind of record it is about, at most 255 bytes.
	PrimaryEntityType string `json:"primaryEntityType,omitempty"`
	// RegardingObjectID is the record it is about, at most 255 bytes.
	RegardingObjectID string `json:"regardingObjectId,omitempty"`
	// OwnerID is whose operation it is, at most 255 bytes.
	OwnerID string `json:"ownerId,omitempty"`
	// CorrelationID ties operations that cause each other, at most 255 bytes.
	CorrelationID string `json:"correlationId,omitempty"`
	// RequestID is the request that it came from, at most 255 bytes.
	RequestID string `json:"requestId,omitempty"`
	// Traceparent is the W3C trace context of the span that submitted it, version 00,
	// 55 characters; what is none counts as absent. It is no content: a repeat from
	// another trace is the same operation.
	Traceparent string `json:"traceparent,omitempty"`
	// Depth counts the operations of one correlation that led to it, from 0.
	Depth int `json:"depth,omitempty"`
	// Priority orders tokens and free operations, 1 (first) to 5; 0 is unset.
	Priority int `json:"priority,omitempty"`
	// FairnessKey shares a task queue among groups, at most 64 bytes.
	FairnessKey string `json:"fairnessKey,omitempty"`
	// Deadline is the instant by which it has started, or it ends Canceled.
	Deadline *time.Time `json:"deadline,omitempty"`
}

// Record is everything the system knows of one operation: what was submitted
// and what became of it. Fields that were never set are absent.
type Record struct {
	Operation

	// TypeKey and TypeNumber are those of its type, whichever was submitted;
	// absent where it has none, or has not started yet. Restrictions are what may
	// not be asked of it.
	TypeKey      string       `json:"typeKey,omitempty"`
	TypeNumber   int          `json:"typeNumber,omitempty"`
	Restrictions Restrictions `json:"restrictions,omitempty"`

	StateCode  StateCode  `json:"stateCode"`
	StatusCode StatusCode `json:"statusCode"`
	// Sequence is the place in the token's order of acceptance.
	Sequence int64 `json:"sequence,omitempty"`
	// HostID is the worker that holds it or held it last.
	HostID string `json:"hostId,omitempty"`

	CreatedOn   *time.Time `json:"createdOn,omitempty"`
	StartedOn   *time.Time `json:"startedOn,omitempty"`
	CompletedOn *time.Time `json:"completedOn,omitempty"`
	ModifiedOn  *time.Time `json:"modifiedOn,omitempty"`
	// ExecutionTimeSpan is the time spent Locked in seconds, two decimals.
	ExecutionTimeSpan float64 `json:"executionTimeSpan,omitempty"`
	// RetryCount is the number of automatic retries.
	RetryCount int `json:"retryCount,omitempty"`

	// ErrorCode, Message (technical) and FriendlyMessage (for people) are set
	// by the handler's outcome, or by the system where it ended the operation.
	ErrorCode       string          `json:"errorCode,omitempty"`
	Message         string          `json:"message,omitempty"`
	FriendlyMessage string          `json:"friendlyMessage,omitempty"`
	Result          json.RawMessage `json:"result,omitempty"`

	// SuspendReason says which wait it is while it is Suspended.
	SuspendReason SuspendReason `json:"suspendReason,omitempty"`
	// BlockedBy is the id of the operation at the head of its token's queue.
	BlockedBy string `json:"blockedBy,omitempty"`
	// BlockedSince is since when that operation has been the head.
	BlockedSince *time.Time `json:"blockedSince,omitempty"`
	// Position is 1 for the next to start; absent once it has started.
	Position int `json:"position,omitempty"`
	// Gated says that it was started ahead of its turn, and waits for it. In its own
	// workflow's record BlockedBy is then the operation at which its token stood still,
	// and Position is absent.
	Gated bool `json:"gated,omitempty"`
	// LastAction is what was last asked of it and done.
	LastAction *Taken `json:"lastAction,omitempty"`
	// RerunOf is the operation that this one runs again.
	RerunOf string `json:"rerunOf,omitempty"`
	// N counts how often a handler was scheduled for it.
	N int64 `json:"n,omitempty"`
	// RecurrenceOf is the recurring operation of which it is an occurrence.
	RecurrenceOf string `json:"recurrenceOf,omitempty"`
	// Occurrence is its number among the occurrences, from 1; of a recurring
	// operation the number of the last one that began.
	Occurrence int64 `json:"occurrence,omitempty"`
	// LastOccurrence is how the last one that ended did, of a recurring operation.
	LastOccurrence *OccurrenceEnd `json:"lastOccurrence,omitempty"`
}

// OccurrenceEnd is how an occurrence of a recurring operation ended.
type OccurrenceEnd struct {
	// ID is the occurrence's, StatusCode how it ended, On when that was noticed.
	ID         string     `json:"id"`
	StatusCode StatusCode `json:"statusCode"`
	On         time.Time  `json:"on"`
	// Message says why it has no record of its own, where it has none.
	Message string `json:"message,omitempty"`
}

// TypeRef refers to an operation type by its key ("http.request") or its
// number. On the wire it may be a string or a whole number.
type TypeRef string

// UnmarshalJSON reads a string or a whole number.
func (t *TypeRef) UnmarshalJSON(raw []byte) error {
	var key string
	if json.Unmarshal(raw, &key) == nil {
		*t = TypeRef(key)
		return nil
	}
	var number uint32
	if err := json.Unmarshal(raw, &number); err != nil {
		return fmt.Errorf("%s is neither a type's key nor its number", preview(raw))
	}
	*t = TypeRef(fmt.Sprint(number))
	return nil
}

// ContentHash is the SHA-256 of the canonical JSON of what the caller set but for
// the traceparent, in hex: keys sorted, no white space, instants in UTC, numbers as
// written, null data absent. Two submissions with one id and one hash are the same; with
// another hash the second is refused. It is empty where Validate refuses the
// data or an instant.
func (o Operation) ContentHash() string {
	o.Traceparent = ""
	if string(bytes.TrimSpace(o.Data)) == "null" {
		o.Data = nil
	}
	for _, at := range []**time.Time{&o.PostponeUntil, &o.RecurrenceStartTime, &o.Deadline} {
		if *at != nil {
			utc := (*at).UTC()
			*at = &utc
		}
	}
	encoded, err := json.Marshal(o)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(canonical(encoded))
	return hex.EncodeToString(sum[:])
}

// canonical rewrites JSON with sorted keys and without white space; what is not
// JSON stays as it is.
func canonical(encoded []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return encoded
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return encoded
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
