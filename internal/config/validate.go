package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// Bounds of what can be set.
const (
	maxTaskQueueBytes = 200 // with the engine's suffix it stays within SQL's 255
	maxConcurrency    = 100_000
	maxStopTimeout    = time.Hour
	maxLinger         = 30 * 24 * time.Hour
	minSurveyInterval = 30 * time.Second
	maxSurveyInterval = 24 * time.Hour
	maxLookAhead      = 100 // as the workflows bound it
	minLookAheadAfter = 100 * time.Millisecond
	maxLookAheadAfter = 24 * time.Hour
	// The server terminates a run at 51,200 events and refuses its 10,001st
	// signal; a run takes some more of both while it ends.
	maxRunEvents  = 40_000
	maxRunSignals = 9000
)

// Validate checks each setting's bounds, the connections' forms and the types.
// The error names every key that is wrong and its value.
func (c Config) Validate() error {
	var problems []error
	if c.TaskQueue == "" || len(c.TaskQueue) > maxTaskQueueBytes {
		problems = append(problems, fmt.Errorf("taskQueue: %q does not have 1..%d bytes", c.TaskQueue, maxTaskQueueBytes))
	}
	problems = append(problems,
		within("worker.maxConcurrentActivities", c.Worker.MaxConcurrentActivities, 1, maxConcurrency),
		within("worker.maxConcurrentWorkflowTasks", c.Worker.MaxConcurrentWorkflowTasks, 2, maxConcurrency),
		within("worker.workflowCacheSize", c.Worker.WorkflowCacheSize, 1, 10_000_000),
		within("worker.stopTimeout", c.Worker.StopTimeout, 0, maxStopTimeout),
		validInterval("worker.surveyInterval", c.Worker.SurveyInterval),
		validAddress("worker.httpAddress", c.Worker.HTTPAddress),
		within("serializer.linger", c.Serializer.Linger, time.Second, maxLinger),
		within("serializer.maxRunEvents", c.Serializer.MaxRunEvents, 10, maxRunEvents),
		within("serializer.maxRunSignals", c.Serializer.MaxRunSignals, 1, maxRunSignals),
		validRelease("serializer.oldestWorker", c.Serializer.OldestWorker),
		within("lookAhead.window", c.LookAhead.Window, 0, maxLookAhead),
		within("lookAhead.after", c.LookAhead.After, minLookAheadAfter, maxLookAheadAfter),
		within("http.maxResponseBytes", c.HTTP.MaxResponseBytes, 1, protocol.MaxResultBytes),
		validExporter("traces.exporter", c.Traces.Exporter),
		c.validateLocal(),
		c.validateConnections(),
		c.validateDatabases(),
		c.validateMailServers(),
		c.validateAttributeNames(),
	)
	if _, err := c.build(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func within[T cmp.Ordered](key string, value, low, high T) error {
	if value >= low && value <= high {
		return nil
	}
	return fmt.Errorf("%s: %v is not in %v..%v", key, value, low, high)
}

// validInterval checks that it is one that costs the server little; 0 is never.
func validInterval(key string, interval time.Duration) error {
	if interval == 0 {
		return nil
	}
	return within(key, interval, minSurveyInterval, maxSurveyInterval)
}

func validRelease(key, release string) error {
	if slices.Contains(Releases, release) {
		return nil
	}
	return fmt.Errorf("%s: %q is not one of %s", key, release, strings.Join(Releases, ", "))
}

// validExporter checks that it is one; "" is none.
func validExporter(key, exporter string) error {
	if exporter == "" || exporter == TracesOTLP {
		return nil
	}
	return fmt.Errorf(`%s: %q is neither "" nor %q`, key, exporter, TracesOTLP)
}

// validAddress checks that it can be listened on; "" is none.
func validAddress(key, address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf(`%s: %q is not host:port with a port in 0..65535, such as ":9464"`, key, address)
	}
	return nil
}

// validateLocal checks that no worker is left which could not go on with a local
// attempt.
func (c Config) validateLocal() error {
	if !c.Serializer.Beside010() {
		return nil
	}
	var problems []error
	refuse := func(key, execution string) {
		if execution == string(catalogue.ExecutionLocal) {
			problems = append(problems, fmt.Errorf("%s.execution: %s needs serializer.oldestWorker 0.2.0, and it is %s", key, execution, c.Serializer.OldestWorker))
		}
	}
	for i, t := range c.Types {
		refuse(fmt.Sprintf("types[%d]", i), t.Execution)
	}
	for i, e := range c.Events {
		refuse(fmt.Sprintf("events[%d]", i), e.Execution)
	}
	return errors.Join(problems...)
}

// validateConnections checks what is about names; the addresses are judged by
// the handler that uses them.
func (c Config) validateConnections() error {
	var problems []error
	seen := make(map[string]bool, len(c.HTTP.Connections))
	for i, connection := range c.HTTP.Connections {
		key := fmt.Sprintf("http.connections[%d]", i)
		if connection.Name == "" || seen[connection.Name] {
			problems = append(problems, fmt.Errorf("%s.name: %q is empty or taken", key, connection.Name))
		}
		seen[connection.Name] = true
		if connection.BaseURL == "" {
			problems = append(problems, fmt.Errorf("%s.baseURL: is missing for %q", key, connection.Name))
		}
		for name, h := range connection.Headers {
			if err := h.validate(); err != nil {
				problems = append(problems, fmt.Errorf("%s.headers.%s: %w", key, name, err))
			}
		}
	}
	return errors.Join(problems...)
}

// Catalogue builds the catalogue of operation types. The error names the file,
// the type, the key and its value.
func (c Config) Catalogue() (*catalogue.Catalogue, error) {
	built, err := c.build()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmp.Or(c.path, "configuration"), err)
	}
	return built, nil
}

func (c Config) build() (*catalogue.Catalogue, error) {
	types := make([]catalogue.Type, len(c.Types))
	var problems []error
	for i, t := range c.Types {
		types[i] = t.entry()
		if d := t.DependencyToken; d != "" && d != tokenAllowed {
			problems = append(problems, fmt.Errorf("type %q: dependencyToken: %q is not %q; to forbid it, say so in restrictions", t.Key, d, tokenAllowed))
		}
	}
	built, err := catalogue.New(types...)
	if err := errors.Join(append(problems, err)...); err != nil {
		return nil, fmt.Errorf("types: %w", err)
	}
	handlers := make([]catalogue.EventHandler, len(c.Events))
	for i, e := range c.Events {
		handlers[i] = e.handler()
	}
	if built, err = built.WithEvents(handlers...); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return built, nil
}

// handler is the registration as the catalogue has it.
func (e Event) handler() catalogue.EventHandler {
	runs := Type{
		Activity: e.Activity, Workflow: e.Workflow, TaskQueue: e.TaskQueue,
		StartToClose: e.StartToClose, Heartbeat: e.Heartbeat, CancelTimeout: e.CancelTimeout, Retry: e.Retry, Execution: e.Execution,
	}
	return catalogue.EventHandler{
		Name: e.Name, MessageName: e.Message, PrimaryEntityType: e.Entity, DependencyToken: e.Token,
		Type: protocol.TypeRef(e.Type), Binding: runs.entry().Binding,
	}
}

// tokenAllowed is the one value of a type's dependencyToken.
const tokenAllowed = "allowed"

// entry is the type as the catalogue has it.
func (t Type) entry() catalogue.Type {
	entry := catalogue.Type{
		Key: t.Key, Number: t.Number, Label: t.Label, AllowToken: t.DependencyToken == tokenAllowed,
		Binding: catalogue.Binding{
			Activity:             t.Activity,
			Workflow:             t.Workflow,
			TaskQueue:            t.TaskQueue,
			StartToCloseSeconds:  t.StartToClose.Seconds(),
			HeartbeatSeconds:     t.Heartbeat.Seconds(),
			CancelTimeoutSeconds: t.CancelTimeout.Seconds(),
			Retry: catalogue.Retry{
				MaxAttempts:    int32(max(-1, min(t.Retry.MaxAttempts, math.MaxInt32))),
				InitialSeconds: t.Retry.Initial.Seconds(),
				Backoff:        t.Retry.Backoff,
				MaxSeconds:     t.Retry.Max.Seconds(),
				NonRetryable:   t.Retry.NonRetryable,
			},
			Execution: catalogue.Execution(t.Execution),
		},
	}
	for _, w := range t.Workflows {
		entry.Binding.Workflows = append(entry.Binding.Workflows, catalogue.Workflow(w))
	}
	for _, r := range t.Restrictions {
		entry.Restrictions = append(entry.Restrictions, protocol.Restriction(r))
	}
	return entry
}
