package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// maxControls is how many requests one run of a Service takes.
const maxControls = 500

// applyTimeout bounds what a change of the stops has to reach.
const applyTimeout = 10 * time.Minute

// RegisterService adds the workflow Service to the worker of the engine's
// activities: it is there while handlers are stopped.
func RegisterService(w Registry, cat *catalogue.Catalogue) {
	d := &definitions{catalogue: cat}
	w.RegisterWorkflowWithOptions(d.Service, workflow.RegisterOptions{
		Name: protocol.ServiceWorkflow, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
}

// ServiceCarried is what a run of a Service hands to the next.
type ServiceCarried struct {
	State protocol.ServiceState `json:"state"`
	// Limited are the task queues of other workers that are limited now.
	Limited []string `json:"limited,omitempty"`
}

// service is one run of a Service.
type service struct {
	ServiceCarried
	ctx       workflow.Context
	catalogue *catalogue.Catalogue
	taskQueue string

	// What was asked for since changes were last applied: changed says that there is
	// something, types are the catalogue's as the last request found them.
	changed bool
	types   []boundType
	started []string
	reason  string
	// applying says that changes are being applied now.
	applying bool
}

// Service keeps what is stopped, as the memo that workers look at, and completes
// when nothing is. Its requests are signals, taken in their order, and each at once:
// a stop does not wait until the start before it has reached everything.
func (d *definitions) Service(ctx workflow.Context, raw converter.RawValue) error {
	s := &service{ctx: ctx, catalogue: d.catalogue}
	s.taskQueue = strings.TrimSuffix(workflow.GetInfo(ctx).TaskQueueName, protocol.EngineTaskQueueSuffix)
	if workflow.GetInfo(ctx).ContinuedExecutionRunID != "" {
		if err := json.Unmarshal(raw.Payload().GetData(), &s.ServiceCarried); err != nil {
			return fmt.Errorf("the run before handed on what cannot be read: %w", err)
		}
	}
	err := setQuery(ctx, protocol.ServiceQueryName, "What is stopped", func() (protocol.ServiceState, error) { return s.State, nil })
	if err != nil {
		return err
	}
	requests := workflow.GetSignalChannelWithOptions(ctx, protocol.ControlSignalName, workflow.SignalChannelOptions{
		Description: `{"action":"stop"|"start","operationType"?,"reason"?,"identity"?}`,
	})
	s.ctx, _ = workflow.NewDisconnectedContext(ctx) // a cancellation from the Web UI starts nothing by itself
	for n := 0; ; {
		var raw converter.RawValue
		if requests.ReceiveAsync(&raw) {
			s.take(raw)
			n++
			continue
		}
		ends := func() bool { return !s.applying && n > 0 && (len(s.State.Stops) == 0 || n >= maxControls) }
		if !ends() {
			if err := workflow.Await(s.ctx, func() bool { return requests.Len() > 0 || ends() }); err != nil {
				return err
			}
			continue
		}
		if len(s.State.Stops) == 0 {
			return nil
		}
		return workflow.NewContinueAsNewError(s.ctx, protocol.ServiceWorkflow, s.ServiceCarried)
	}
}

// take carries one request out.
func (s *service) take(raw converter.RawValue) {
	encoded, err := jsonOf(raw)
	var request protocol.ControlRequest
	if err == nil {
		request, err = protocol.DecodeControl(encoded)
	}
	if err != nil {
		s.State.Refused = cut(err.Error(), 512)
		return
	}
	types, key := s.typesNow(request.OperationType)
	request.OperationType = protocol.TypeRef(key)
	var started []string
	s.State.Stops, started = controlled(s.State.Stops, request, workflow.Now(s.ctx))
	s.changed, s.types, s.reason = true, types, request.Reason
	s.started = append(s.started, started...)
	s.tell()
	if !s.applying {
		s.applying = true
		workflow.Go(s.ctx, s.applyAll)
	}
}

// typesNow are the catalogue's, and the key of the one that is named; what no
// catalogue of ours has stays as it was given.
func (s *service) typesNow(ref protocol.TypeRef) (types []boundType, key string) {
	var seen struct {
		Types []boundType `json:"types"`
		Key   string      `json:"key"`
	}
	value := workflow.SideEffect(s.ctx, func(workflow.Context) any {
		seen.Types, seen.Key = boundTypes(s.catalogue, s.taskQueue), string(ref)
		if t, ok := s.catalogue.Lookup(ref); ok {
			seen.Key = t.Key
		}
		return seen
	})
	if err := value.Get(&seen); err != nil {
		panic(err) // of our own making
	}
	return seen.Types, seen.Key
}

// tell writes down what is stopped where workers and people look for it.
func (s *service) tell() {
	stops := s.State.Stops
	if stops == nil {
		stops = []protocol.Stop{}
	}
	s.State.Stops = stops
	if err := workflow.UpsertMemo(s.ctx, map[string]any{protocol.StopsMemo: stops}); err != nil {
		panic(err) // of our own making
	}
	workflow.SetCurrentDetails(s.ctx, stopsDetails(stops))
}

// stopsDetails is what the Web UI shows.
func stopsDetails(stops []protocol.Stop) string {
	if len(stops) == 0 {
		return "Nothing is stopped."
	}
	var b strings.Builder
	for _, stop := range stops {
		what := "**All handlers** are stopped"
		if stop.OperationType != "" {
			what = "**Handlers of " + escape(stop.OperationType) + "** are stopped"
		}
		fmt.Fprintf(&b, "%s since %s", what, stop.On.UTC().Format(time.RFC3339))
		if stop.Identity != "" {
			fmt.Fprintf(&b, " by %s", escape(stop.Identity))
		}
		if stop.Reason != "" {
			fmt.Fprintf(&b, ": %s", escape(stop.Reason))
		}
		b.WriteString("\n\n")
	}
	return b.String()
}

// applyAll applies what was asked for until there is no more.
func (s *service) applyAll(ctx workflow.Context) {
	for s.changed {
		s.changed = false
		s.apply(ctx)
	}
	s.applying = false
}

// apply has the changes reach the workers that are not ours, and the operations
// that wait since their type was stopped, unless it is stopped again.
func (s *service) apply(ctx workflow.Context) {
	now, shared := limited(s.State.Stops, s.types)
	started := slices.DeleteFunc(s.started, func(key string) bool {
		return slices.ContainsFunc(s.State.Stops, func(stop protocol.Stop) bool { return stop.OperationType == key })
	})
	request := protocol.ApplyStopsRequest{Limited: allBut(now, s.Limited), Unlimited: allBut(s.Limited, now), Started: started, Reason: s.reason}
	s.Limited, s.started, s.State.Problem = now, nil, ""
	if len(shared) > 0 {
		s.State.Problem = fmt.Sprintf("task queues that serve other types too are not stopped: %s", strings.Join(shared, ", "))
	}
	if keys := unstoppable(s.State.Stops, s.types); len(keys) > 0 {
		s.State.Problem = strings.TrimPrefix(s.State.Problem+"; types that workflows run are not stopped: "+strings.Join(keys, ", "), "; ")
	}
	if len(request.Limited)+len(request.Unlimited)+len(request.Started) == 0 {
		return
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              workflow.GetInfo(ctx).TaskQueueName,
		ScheduleToCloseTimeout: applyTimeout,
		StartToCloseTimeout:    applyTimeout / 2,
		HeartbeatTimeout:       time.Minute,
		Summary:                "tells other workers, and the operations that wait for it",
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: time.Minute},
	})
	var reply protocol.ApplyStopsReply
	if err := workflow.ExecuteActivity(ctx, protocol.ApplyStopsActivity, request).Get(ctx, &reply); err != nil {
		reply.Problem = err.Error()
	}
	if reply.Problem != "" {
		s.State.Problem = cut(strings.TrimPrefix(s.State.Problem+"; "+reply.Problem, "; "), 1000)
	}
}
