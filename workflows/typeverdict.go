package workflows

import (
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// refuseType ends what the catalogue does not let run: the worker's word is final
// (SPEC 8.3).
func (l *Life) refuseType(now time.Time) (ended bool) {
	v, refused := typeVerdict(l.Type, l.Record.Operation)
	if !refused {
		return l.refuseTarget(now)
	}
	l.end(v.Status, string(v.Code), v.Message, v.FriendlyMessage, now)
	return true
}

// typeVerdict is the end of an operation that its type does not let run; nil is a
// type that the worker does not know.
func typeVerdict(t *catalogue.Type, o protocol.Operation) (v Verdict, refused bool) {
	switch {
	case t == nil:
		return Verdict{
			Status: protocol.Failed, Code: protocol.CodeTypeNotRecognised,
			Message:         fmt.Sprintf("operationType %q is not in the catalogue of the worker that started it", o.OperationType),
			FriendlyMessage: whatToAdd(o.OperationType),
		}, true
	case !t.Bound():
		return Verdict{
			Status: protocol.Failed, Code: protocol.CodeTypeNotRecognised,
			Message:         fmt.Sprintf("operationType %q is known as %d %q, and nothing runs it on the worker that started it", o.OperationType, t.Number, t.Label),
			FriendlyMessage: fmt.Sprintf("Bind the type in the worker's configuration (types: in config.yaml: \"- key: %s\" with an activity: or a workflow:) and submit the operation again.", t.Key),
		}, true
	case o.DependencyToken != "" && t.Restrictions.Has(protocol.NoToken):
		return Verdict{
			Status: protocol.Failed, Code: codeTokenNotAllowed,
			Message:         fmt.Sprintf("dependencyToken: operations of type %q take none (got %q)", t.Key, cut(o.DependencyToken, maxShownBytes)),
			FriendlyMessage: fmt.Sprintf("Submit the operation without a dependency token, or %s.", catalogue.AllowTokenHint),
		}, true
	}
	return v, false
}

// whatToAdd says how an operation of a type that is not there can run.
func whatToAdd(ref protocol.TypeRef) string {
	if handler, ok := protocol.EventHandlerOf(ref); ok {
		return fmt.Sprintf("Register the handler %q in the worker's configuration (events: in config.yaml) and submit the operation again.", handler)
	}
	return fmt.Sprintf("Add the type %q to the worker's configuration (types: in config.yaml) and submit the operation again.", ref)
}

// maxDepth is how long a chain of operations that cause each other may get
// before it counts as a loop, for operations of the type "workflow" and for all
// others (SPEC 6.6).
func maxDepth(t *catalogue.Type) int {
	if t.Number == catalogue.WorkflowNumber {
		return 16
	}
	return 8
}
