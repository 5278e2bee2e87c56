// Package attributes tells which of Seriatim's search attributes a namespace
// has, and how to create the others.
package attributes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"

	"github.com/seriatim-go/seriatim/protocol"
)

// State is what a namespace has of them, each list by the namespace's name.
type State struct {
	Present, Missing []string
	Wrong            []Mismatch
}

// Complete says that all are there, each of its type.
func (s State) Complete() bool { return len(s.Missing)+len(s.Wrong) == 0 }

// Mismatch is an attribute that has another type in the namespace.
type Mismatch struct{ Name, Found, Expected string }

// String is such as "QueueDepth is Text, not Int".
func (m Mismatch) String() string {
	return fmt.Sprintf("%s is %s, not %s", m.Name, m.Found, m.Expected)
}

// Read asks the server. Denied tells an error that says that it may not be
// asked.
func Read(ctx context.Context, c client.Client, namespace string, names protocol.AttributeNames) (State, error) {
	answer, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return State{}, err
	}
	found := make(map[string]string, len(answer.GetCustomAttributes()))
	for name, valueType := range answer.GetCustomAttributes() {
		found[name] = valueType.String()
	}
	return Compare(found, names), nil
}

// Compare is the state of a namespace that has these, names to Temporal types.
func Compare(found map[string]string, names protocol.AttributeNames) (s State) {
	expected := names.Types()
	for _, name := range Names(names) {
		switch valueType, ok := found[name]; {
		case !ok:
			s.Missing = append(s.Missing, name)
		case valueType != expected[name]:
			s.Wrong = append(s.Wrong, Mismatch{name, valueType, expected[name]})
		default:
			s.Present = append(s.Present, name)
		}
	}
	return s
}

// Names are the namespace's names of all, sorted.
func Names(names protocol.AttributeNames) []string { return slices.Sorted(maps.Keys(names.Types())) }

// Add creates attributes that are missing, such as State.Missing. The server may
// take some seconds before they are Usable.
func Add(ctx context.Context, c client.Client, namespace string, names protocol.AttributeNames, missing []string) error {
	types := make(map[string]enumspb.IndexedValueType, len(missing))
	for _, name := range missing {
		valueType, err := enumspb.IndexedValueTypeFromString(names.Types()[name])
		if err != nil {
			return fmt.Errorf("search attribute %s: %w", name, err)
		}
		types[name] = valueType
	}
	_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: types})
	return err
}

// NotYetError says that the server lists the attributes and does not take them
// yet. It will pass.
type NotYetError struct{ Reason string }

// Error is what the server said.
func (e *NotYetError) Error() string {
	return "the search attributes are there but not usable yet: " + e.Reason
}

// Usable has the server use all of them. It lists new ones a second or two before
// it takes them, and a workflow that sets one in between is wedged: then the error
// is a *NotYetError.
func Usable(ctx context.Context, c client.Client, namespace string, names protocol.AttributeNames) error {
	examples := map[string]string{"Keyword": "''", "Datetime": "'2000-01-01T00:00:00Z'", "Int": "0"}
	var terms []string
	for attribute, valueType := range protocol.SearchAttributes() {
		terms = append(terms, names.InQuery(attribute)+" = "+examples[valueType])
	}
	_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: namespace, Query: strings.Join(terms, " AND "),
	})
	if codeOf(err) == codes.InvalidArgument {
		return &NotYetError{err.Error()}
	}
	return err
}

// Denied says whether the server lets this connection not do it, or has no such
// call, as on Temporal Cloud.
func Denied(err error) bool {
	code := codeOf(err)
	return code == codes.PermissionDenied || code == codes.Unimplemented
}

func codeOf(err error) codes.Code { return serviceerror.ToStatus(err).Code() }

// CreateCommand is what an operator types to create the attributes that are
// missing.
func CreateCommand(namespace string, names protocol.AttributeNames, missing []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "temporal operator search-attribute create --namespace %s", namespace)
	for _, name := range missing {
		fmt.Fprintf(&b, " --name %s --type %s", name, names.Types()[name])
	}
	return b.String()
}

// CloudCommand is CreateCommand on Temporal Cloud.
func CloudCommand(namespace string, names protocol.AttributeNames, missing []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tcld namespace search-attributes add --namespace %s", namespace)
	for _, name := range missing {
		fmt.Fprintf(&b, " --search-attribute %s=%s", name, names.Types()[name])
	}
	return b.String()
}
