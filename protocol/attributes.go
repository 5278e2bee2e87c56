package protocol

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Search attributes, by their default names. All are optional: a namespace
// without them works, and only the filters that need them are missing.
const (
	DependencyTokenAttribute = "DependencyToken"
	OperationTypeAttribute   = "OperationType"
	OperationStatusAttribute = "OperationStatus"
	OperationOwnerAttribute  = "OperationOwner"
	CorrelationIDAttribute   = "CorrelationId"
	RegardingObjectAttribute = "RegardingObject"
	PostponeUntilAttribute   = "PostponeUntil"
	QueueDepthAttribute      = "QueueDepth"
)

// HeldStatus is the OperationStatus of a Serializer whose token is held, by a person
// or since an operation failed; otherwise a Serializer has none.
const HeldStatus = "Held"

// SearchAttributes lists every search attribute by its default name, with its
// Temporal type.
func SearchAttributes() map[string]string {
	return map[string]string{
		DependencyTokenAttribute: "Keyword",
		OperationTypeAttribute:   "Keyword",
		OperationStatusAttribute: "Keyword",
		OperationOwnerAttribute:  "Keyword",
		CorrelationIDAttribute:   "Keyword",
		RegardingObjectAttribute: "Keyword",
		PostponeUntilAttribute:   "Datetime",
		QueueDepthAttribute:      "Int",
	}
}

// AttributeNames are the names that a namespace has for search attributes of
// Seriatim, by their default names; what is absent has its default name. All
// workers and clients of a namespace need the same.
type AttributeNames map[string]string

// Of is the namespace's name of the attribute with that default name.
func (n AttributeNames) Of(attribute string) string {
	if name, ok := n[attribute]; ok {
		return name
	}
	return attribute
}

// InQuery is Of as a visibility query has it: a name that is not ours may be a
// word of the query language.
func (n AttributeNames) InQuery(attribute string) string {
	if name := n.Of(attribute); name != attribute {
		return "`" + name + "`"
	}
	return attribute
}

// Types lists every search attribute by the namespace's name, with its Temporal
// type.
func (n AttributeNames) Types() map[string]string {
	types := make(map[string]string)
	for attribute, valueType := range SearchAttributes() {
		types[n.Of(attribute)] = valueType
	}
	return types
}

// Validate checks every name; the error says which are wrong, and their values.
func (n AttributeNames) Validate() error {
	var problems []error
	for _, attribute := range slices.Sorted(maps.Keys(n)) {
		if err := n.Check(attribute); err != nil {
			problems = append(problems, fmt.Errorf("search attribute %s: %w", attribute, err))
		}
	}
	return errors.Join(problems...)
}

const maxAttributeNameBytes = 100

var attributeNameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// Check checks the name of the attribute with that default name: 1 to 100 letters,
// digits, "_" and "-", the first a letter, not one of Temporal's own, and not that
// of another one here.
func (n AttributeNames) Check(attribute string) error {
	if _, known := SearchAttributes()[attribute]; !known {
		return errors.New("is not a search attribute of Seriatim")
	}
	name := n.Of(attribute)
	switch {
	case name == "" || len(name) > maxAttributeNameBytes || !attributeNameForm.MatchString(name):
		return fmt.Errorf(`%q is not a name: 1..%d letters, digits, "_" and "-", beginning with a letter`, name, maxAttributeNameBytes)
	case systemAttributes[name] || strings.HasPrefix(name, "Temporal"):
		return fmt.Errorf("%q is a name of Temporal's own", name)
	}
	for _, other := range slices.Sorted(maps.Keys(SearchAttributes())) {
		if other != attribute && n.Of(other) == name {
			return fmt.Errorf("%q is the name of %s too", name, other)
		}
	}
	return nil
}

// systemAttributes are the names that a Temporal server refuses for others, beside
// those that begin with "Temporal".
var systemAttributes = map[string]bool{
	"WorkflowId": true, "RunId": true, "WorkflowType": true, "StartTime": true, "ExecutionTime": true, "CloseTime": true,
	"ExecutionStatus": true, "ExecutionDuration": true, "TaskQueue": true, "HistoryLength": true, "HistorySizeBytes": true,
	"StateTransitionCount": true, "ParentWorkflowId": true, "ParentRunId": true, "RootWorkflowId": true, "RootRunId": true,
	"BinaryChecksums": true, "BuildIds": true, "BatcherNamespace": true, "BatcherUser": true, "ScheduleId": true, "ActivityId": true,
	"NamespaceId": true, "MemoEncoding": true, "Memo": true, "VisibilityTaskKey": true,
}
