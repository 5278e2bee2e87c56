package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of SPEC 1.2.
const (
	MaxIDBytes           = 128
	MaxNameChars         = 256
	MaxTokenChars        = 256
	MaxTypeBytes         = 128
	MaxRecurrenceChars   = 256
	MaxMessageNameChars  = 160
	MaxReferenceBytes    = 255
	MaxFairnessKeyBytes  = 64
	MinPriority          = 1
	MaxPriority          = 5
	MaxResultBytes       = 256 << 10
	MaxCheckpointBytes   = 64 << 10
	MaxErrorMessageBytes = 100_000
	MaxReasonBytes       = 1000
	MaxNoteBytes         = 1000
)

// typeKey is the form of a type's key: lower-case words with dots.
var typeKey = regexp.MustCompile(`^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*$`)

// Validate checks every form and limit of SPEC 1.2 that the operation alone can
// break. The error joins one *FieldError per field.
func (o Operation) Validate() error {
	return join(o.problems())
}

func (o Operation) problems() (problems []*FieldError) {
	refuse := func(field, value, problem string) {
		problems = append(problems, &FieldError{Field: field, Value: value, Problem: problem})
	}
	if problem := idProblem(o.ID); problem != "" {
		refuse("id", quoted(o.ID), problem)
	}
	for _, s := range o.strings() {
		if problem := s.problem(); problem != "" {
			refuse(s.field, quoted(s.value), problem)
		}
	}
	if problem := typeProblem(string(o.OperationType)); problem != "" {
		refuse("operationType", quoted(string(o.OperationType)), problem)
	}
	if o.Depth < 0 {
		refuse("depth", fmt.Sprint(o.Depth), "is less than 0")
	}
	if o.Priority != 0 && (o.Priority < MinPriority || o.Priority > MaxPriority) {
		refuse("priority", fmt.Sprint(o.Priority), fmt.Sprintf("is not in %d..%d", MinPriority, MaxPriority))
	}
	if problem := dataProblem(o.Data); problem != "" {
		refuse("data", preview(o.Data), problem)
	}
	for _, at := range o.instants() {
		if at.value != nil && (at.value.UTC().Year() < 1 || at.value.UTC().Year() > 9999) {
			refuse(at.field, at.value.String(), "is not an RFC 3339 instant: its year in UTC is not in 1..9999")
		}
	}
	return append(problems, o.recurrenceProblems()...)
}

// idProblem says what is wrong with an operation id. An occurrence's has the
// limit for the id of its recurrence.
func idProblem(id string) string {
	own := id
	if recurrence, _, ok := ParseOccurrenceID(id); ok {
		if own = recurrence; isOccurrenceID(own) {
			return "is that of an occurrence of an occurrence"
		}
	}
	return limited{"id", own, MaxIDBytes, "bytes", func(s string) int { return len(s) }}.problem()
}

// Recurs says that the operation is a recurring one (SPEC 7).
func (o Operation) Recurs() bool { return o.RecurrencePattern != "" }

// recurrenceProblems refuses what a recurring operation cannot have.
func (o Operation) recurrenceProblems() (problems []*FieldError) {
	refuse := func(field, value, problem string) {
		problems = append(problems, &FieldError{Field: field, Value: value, Problem: problem, Code: CodeInvalidRecurrence})
	}
	if !o.Recurs() {
		if o.RecurrenceStartTime != nil {
			refuse("recurrenceStartTime", stamp(*o.RecurrenceStartTime), "needs a recurrencePattern")
		}
		return problems
	}
	if err := o.checkPattern(); err != nil {
		problems = append(problems, err)
	}
	if isOccurrenceID(o.ID) {
		refuse("id", quoted(o.ID), "is that of an occurrence, which does not recur itself")
	}
	return problems
}

// checkPattern refuses a pattern, or one that has no point from the start that is
// given.
func (o Operation) checkPattern() *FieldError {
	rule, err := ParseRecurrence(o.RecurrencePattern)
	if err == nil && o.RecurrenceStartTime != nil {
		_, err = rule.Anchored(*o.RecurrenceStartTime)
	}
	var problem *FieldError
	errors.As(err, &problem)
	return problem
}

// limited is a string field with its limit.
type limited struct {
	field, value string
	limit        int
	unit         string
	length       func(string) int
}

func (o Operation) strings() []limited {
	bytes := func(field, value string, limit int) limited {
		return limited{field, value, limit, "bytes", func(s string) int { return len(s) }}
	}
	chars := func(field, value string, limit int) limited {
		return limited{field, value, limit, "characters", utf8.RuneCountInString}
	}
	return []limited{
		chars("name", o.Name, MaxNameChars),
		chars("dependencyToken", o.DependencyToken, MaxTokenChars),
		chars("recurrencePattern", o.RecurrencePattern, MaxRecurrenceChars),
		chars("messageName", o.MessageName, MaxMessageNameChars),
		bytes("primaryEntityType", o.PrimaryEntityType, MaxReferenceBytes),
		bytes("regardingObjectId", o.RegardingObjectID, MaxReferenceBytes),
		bytes("ownerId", o.OwnerID, MaxReferenceBytes),
		bytes("correlationId", o.CorrelationID, MaxReferenceBytes),
		bytes("requestId", o.RequestID, MaxReferenceBytes),
		bytes("fairnessKey", o.FairnessKey, MaxFairnessKeyBytes),
	}
}

type namedInstant struct {
	field string
	value *time.Time
}

func (o Operation) instants() []namedInstant {
	return []namedInstant{
		{"postponeUntil", o.PostponeUntil},
		{"recurrenceStartTime", o.RecurrenceStartTime},
		{"deadline", o.Deadline},
	}
}

// problem says what is wrong with the string, empty if nothing.
func (l limited) problem() string {
	if n := l.length(l.value); n > l.limit {
		return fmt.Sprintf("has %d %s, the limit is %d", n, l.unit, l.limit)
	}
	return charProblem(l.value)
}

// charProblem refuses what SPEC 1.2 does in any string: invalid Unicode and
// control characters.
func charProblem(s string) string {
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	if at := strings.IndexFunc(s, unicode.IsControl); at >= 0 {
		return fmt.Sprintf("has a control character at byte %d", at)
	}
	return ""
}

// dataProblem refuses data that is not JSON, or that two handlers could read
// differently.
func dataProblem(data []byte) string {
	switch {
	case len(data) == 0:
		return ""
	case !utf8.Valid(data):
		return "is not valid UTF-8"
	case !json.Valid(data):
		return "is not JSON"
	}
	return ambiguity(data)
}

func typeProblem(key string) string {
	switch {
	case key == "":
		return "is missing: name a type of the catalogue by key or number"
	case len(key) > MaxTypeBytes:
		return fmt.Sprintf("has %d bytes, the limit is %d", len(key), MaxTypeBytes)
	case isNumber(key) || typeKey.MatchString(key):
		return ""
	}
	return "is neither a number nor a key of lower-case words with dots"
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// ValidateToken checks a dependency token alone.
func ValidateToken(token string) error {
	return fieldProblem("dependencyToken", token, MaxTokenChars, "characters", utf8.RuneCountInString)
}

// ValidateID checks an operation id alone; an empty one is refused with
// MissingId.
func ValidateID(id string) error {
	if id == "" {
		return &Refusal{Type: ErrTypeOperationNotFound, Code: CodeMissingID, Message: "the operation id is missing"}
	}
	if problem := idProblem(id); problem != "" {
		return &FieldError{Field: "id", Value: quoted(id), Problem: problem}
	}
	return nil
}

// ValidateReason checks the reason that a person gives for an action.
func ValidateReason(reason string) error {
	return fieldProblem("reason", reason, MaxReasonBytes, "bytes", func(s string) int { return len(s) })
}

// ValidateAsked checks who asks for something, and why.
func ValidateAsked(reason, identity string) error {
	return errors.Join(
		ValidateReason(reason),
		fieldProblem("identity", identity, MaxReferenceBytes, "bytes", func(s string) int { return len(s) }),
	)
}

func fieldProblem(field, value string, limit int, unit string, length func(string) int) error {
	if problem := (limited{field, value, limit, unit, length}).problem(); problem != "" {
		return &FieldError{Field: field, Value: quoted(value), Problem: problem}
	}
	return nil
}
