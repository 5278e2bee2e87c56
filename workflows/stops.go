package workflows

import (
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// The rules of what is stopped (SPEC 8.2), as pure functions.

// boundType is what a Service knows of a type: its key, and the task queue of a
// worker that is not ours, "" where there is none.
type boundType struct {
	Key   string `json:"key"`
	Queue string `json:"queue,omitempty"`
	// Workflow says that a workflow runs it: nothing can stop that half-way.
	Workflow bool `json:"workflow,omitempty"`
}

// boundTypes are the types of a catalogue for workers on this task queue.
func boundTypes(c *catalogue.Catalogue, taskQueue string) (types []boundType) {
	for _, t := range c.Types() {
		queue := t.Binding.TaskQueue
		if queue == taskQueue {
			queue = ""
		}
		types = append(types, boundType{Key: t.Key, Queue: queue, Workflow: t.Binding.RunsWorkflow()})
	}
	return types
}

// controlled is what is stopped after a request, and the types that were and are
// no longer. To stop what is stopped renews the reason, not the time.
func controlled(stops []protocol.Stop, r protocol.ControlRequest, now time.Time) (after []protocol.Stop, started []string) {
	key := string(r.OperationType)
	is := func(s protocol.Stop) bool { return s.OperationType == key }
	if r.Action == protocol.ControlStart {
		if key == "" {
			is = func(protocol.Stop) bool { return true }
		}
		for _, s := range stops {
			if is(s) && s.OperationType != "" {
				started = append(started, s.OperationType)
			}
		}
		return slices.DeleteFunc(slices.Clone(stops), is), started
	}
	stop := protocol.Stop{OperationType: key, On: now, Reason: r.Reason, Identity: r.Identity}
	after = slices.Clone(stops)
	if at := slices.IndexFunc(after, is); at >= 0 {
		stop.On = after[at].On
		after[at] = stop
		return after, nil
	}
	return append(after, stop), nil
}

// unstoppable are the types that are stopped and that workflows run.
func unstoppable(stops []protocol.Stop, types []boundType) (keys []string) {
	for _, t := range types {
		if t.Workflow && isStopped(stops, t.Key) {
			keys = append(keys, t.Key)
		}
	}
	return keys
}

func isStopped(stops []protocol.Stop, key string) bool {
	return slices.ContainsFunc(stops, func(s protocol.Stop) bool { return s.OperationType == "" || s.OperationType == key })
}

// limited are the task queues of other workers on which nothing may start: those
// all of whose types are stopped. shared are those where only some are.
func limited(stops []protocol.Stop, types []boundType) (limited, shared []string) {
	some, free := []string{}, []string{}
	for _, t := range types {
		switch {
		case t.Queue == "":
		case t.Workflow: // the activities there are the workflow's own
			free = append(free, t.Queue)
		case isStopped(stops, t.Key):
			some = append(some, t.Queue)
		default:
			free = append(free, t.Queue)
		}
	}
	slices.Sort(some)
	for _, queue := range slices.Compact(some) {
		if slices.Contains(free, queue) {
			shared = append(shared, queue)
		} else {
			limited = append(limited, queue)
		}
	}
	return limited, shared
}

// allBut are the strings of list that are not in other.
func allBut(list, other []string) (rest []string) {
	for _, s := range list {
		if !slices.Contains(other, s) {
			rest = append(rest, s)
		}
	}
	return rest
}
