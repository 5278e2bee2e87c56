package protocol

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Workflow id prefixes. Every id that Seriatim builds is at most 255 bytes,
// which is what SQL persistence holds. The separator is not "/": the server's
// HTTP API cannot address an id with a slash (docs/decisions/0001).
const (
	serializerPrefix = "token:"
	operationPrefix  = "operation:"
	pagePrefix       = "page:"
	handlerPrefix    = "handler:"
	eventPrefix      = "event:"
	occurrencePrefix = "occurrence:"
)

// A key is the token itself up to this many bytes of UTF-8; a longer token is
// cut to at most cutKeyBytes and told apart by its hash.
const (
	maxPlainKeyBytes = 200
	cutKeyBytes      = 120
	hashSuffixBytes  = 1 + 2*sha256.Size // "~" and 64 hex digits
)

// TokenKey is the form of a token that workflow ids and the DependencyToken
// search attribute carry: the token itself where it is at most 200 bytes and
// does not look like a hashed key, else its first bytes (at most 120, on a rune
// boundary), "~" and its SHA-256 in hex. It is total, injective and bounded.
func TokenKey(token string) string {
	if len(token) <= maxPlainKeyBytes && !isHashedKey(token) {
		return token
	}
	sum := sha256.Sum256([]byte(token))
	return cutAtRune(token, cutKeyBytes) + "~" + hex.EncodeToString(sum[:])
}

// isHashedKey says whether the key ends in "~" and 64 lower-case hex digits.
func isHashedKey(key string) bool {
	at := len(key) - hashSuffixBytes
	if at < 0 || key[at] != '~' {
		return false
	}
	digits := key[at+1:]
	return strings.Trim(digits, "0123456789abcdef") == ""
}

// cutAtRune returns the longest prefix of s that is at most limit bytes long
// and does not end inside a character.
func cutAtRune(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// SerializerWorkflowID is the workflow id of the token's serializer.
func SerializerWorkflowID(token string) string {
	return serializerPrefix + TokenKey(token)
}

// SerializerKey is the key in a serializer's workflow id; ok is false where the
// id is not one of a serializer.
func SerializerKey(workflowID string) (key string, ok bool) {
	key, ok = strings.CutPrefix(workflowID, serializerPrefix)
	return key, ok && key != ""
}

// TokenOfKey is the token that a key stands for where the key alone tells it;
// ok is false for a hashed key, whose token only the start input knows.
func TokenOfKey(key string) (token string, ok bool) {
	return key, key != "" && TokenKey(key) == key
}

// PageWorkflowID is the workflow id of a page of a token's queue: chain is the
// run id of the first run of its chain, which no other token's is.
func PageWorkflowID(chain string, n int64) string {
	return fmt.Sprintf("%s%s:%d", pagePrefix, chain, n)
}

// ParsePageWorkflowID takes the workflow id of a page apart; ok is false where it
// is not one.
func ParsePageWorkflowID(workflowID string) (chain string, n int64, ok bool) {
	rest, ok := strings.CutPrefix(workflowID, pagePrefix)
	at := strings.LastIndexByte(rest, ':')
	if !ok || at < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(rest[at+1:], 10, 64)
	return rest[:at], n, err == nil
}

// OperationWorkflowID is the workflow id of the operation's execution. The id of
// an occurrence is its workflow id too.
func OperationWorkflowID(id string) string {
	if isOccurrenceID(id) {
		return id
	}
	return operationPrefix + id
}

// OperationID is the operation id in an Operation's workflow id; ok is false
// where the id is not one of an operation.
func OperationID(workflowID string) (id string, ok bool) {
	if isOccurrenceID(workflowID) {
		return workflowID, true
	}
	id, ok = strings.CutPrefix(workflowID, operationPrefix)
	return id, ok && id != "" && !isOccurrenceID(id)
}

// OccurrenceID is the id of the n-th occurrence, from 1, of a recurring
// operation: both its operation id and its workflow id.
func OccurrenceID(recurrence string, n int64) string {
	return fmt.Sprintf("%s%d:%s", occurrencePrefix, n, recurrence)
}

// ParseOccurrenceID takes the id of an occurrence apart; ok is false where the id
// is not one.
func ParseOccurrenceID(id string) (recurrence string, n int64, ok bool) {
	rest, ok := strings.CutPrefix(id, occurrencePrefix)
	digits, recurrence, found := strings.Cut(rest, ":")
	if !ok || !found || recurrence == "" || !isNumber(digits) || digits[0] == '0' {
		return "", 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return recurrence, n, err == nil
}

func isOccurrenceID(id string) bool {
	_, _, ok := ParseOccurrenceID(id)
	return ok
}

// HandlerWorkflowID is the workflow id of the n-th workflow that runs the
// operation in place of an activity.
func HandlerWorkflowID(id string, n int64) string {
	return fmt.Sprintf("%s%d:%s", handlerPrefix, n, id)
}

// EventWorkflowID is the workflow id of an event.
func EventWorkflowID(id string) string { return eventPrefix + id }

// EventID is the event's id in its workflow id; ok is false where the id is not
// one of an event.
func EventID(workflowID string) (id string, ok bool) {
	id, ok = strings.CutPrefix(workflowID, eventPrefix)
	return id, ok && id != ""
}

// DefaultOperationID is the id of an operation that was submitted to a
// serializer without one: 12 hex digits of the token's SHA-256, "-" and the
// sequence. Such an operation has no protection against a repeat.
func DefaultOperationID(token string, sequence int64) string {
	sum := sha256.Sum256([]byte(token))
	return fmt.Sprintf("%s-%d", hex.EncodeToString(sum[:6]), sequence)
}
