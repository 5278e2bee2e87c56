// Package catalogue says which types of operation there are and how each is
// run. It is pure data with rules: configuration fills it, and workflows copy a
// type's binding into each operation that they start.
package catalogue

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seriatim-go/seriatim/protocol"
)

// FirstOwnNumber is the lowest number that a team may give a type of its own;
// lower ones belong to the original catalogue (SPEC 9.2).
const FirstOwnNumber = 100_000

// Type is one entry of the catalogue (SPEC 9).
type Type struct {
	// Key is lower-case words with dots, such as "http.request".
	Key string `json:"key"`
	// Number is optional and unique: at least FirstOwnNumber, or that of a type of
	// the original service, which the entry then binds, as one with its key does; 0
	// is none.
	Number int `json:"number,omitempty"`
	// Label is shown to people; the key by default, or the original's.
	Label string `json:"label,omitempty"`
	// Restrictions are what its operations may not be asked. An original type has
	// its own besides these.
	Restrictions protocol.Restrictions `json:"restrictions,omitempty"`
	// AllowToken lifts protocol.NoToken from an original type (SPEC 9.1).
	AllowToken bool `json:"-"`
	// Binding says what runs it. A type of the original service that no entry binds
	// is known, and has an empty one.
	Binding Binding `json:"binding"`
}

// Binding says which activity, or which workflow, runs a type's operations, where,
// and for how long. It travels in the start of each operation, so a change of the
// configuration never changes one that is already running.
type Binding struct {
	// Activity is the registered name of the activity.
	Activity string `json:"activity"`
	// Workflow is, in place of Activity, the registered name of a workflow, which
	// runs as a child of the operation. It is called with a handler's input, and what
	// it returns is the operation's result.
	Workflow string `json:"workflow,omitempty"`
	// Workflows are, in place of both, those of which an operation's data names one,
	// as a protocol.WorkflowData. That one is called with the data's input.
	Workflows []Workflow `json:"workflows,omitempty"`
	// TaskQueue is where its worker polls; "" is the workflow's own queue.
	TaskQueue string `json:"taskQueue,omitempty"`
	// StartToCloseSeconds bounds one attempt; default 300, of a workflow 0, which
	// is no bound.
	StartToCloseSeconds float64 `json:"startToCloseSeconds"`
	// HeartbeatSeconds is how long an attempt may be silent before it counts as
	// lost; 0 is no heartbeat, so a lost worker is noticed by StartToClose only.
	HeartbeatSeconds float64 `json:"heartbeatSeconds,omitempty"`
	// CancelTimeoutSeconds is how long a handler may take to stop after it was
	// asked to cancel before its lock is broken (SPEC 3.2); a pause waits;
	// default 60.
	CancelTimeoutSeconds float64 `json:"cancelTimeoutSeconds"`
	Retry                Retry   `json:"retry"`
	// Execution is how the first attempt runs; "" is as every other one.
	Execution Execution `json:"execution,omitempty"`
}

// Execution is how the first attempt of an operation runs.
type Execution string

// ExecutionLocal has the first attempt run as a local activity: within the
// operation's first workflow task, in the process that runs it, at most
// MaxLocalSeconds long. It is for short handlers; see docs/handlers.md.
const ExecutionLocal Execution = "local"

// MaxLocalSeconds is the longest, and default, StartToCloseSeconds of a type with
// ExecutionLocal: the workflow task that an attempt runs in stays open meanwhile.
const MaxLocalSeconds = 5

// Workflow is one that an operation's data may name.
type Workflow struct {
	// Name is the registered name of the workflow.
	Name string `json:"name"`
	// TaskQueue is where its worker polls; "" is the workflow's own queue.
	TaskQueue string `json:"taskQueue,omitempty"`
}

// RunsWorkflow says that a workflow runs it, and no activity.
func (b Binding) RunsWorkflow() bool { return b.Workflow != "" || len(b.Workflows) > 0 }

// Retry is the policy for attempts that failed and may be repeated (SPEC 6.2).
type Retry struct {
	// MaxAttempts counts the first one; default 4, which is 3 retries, and 1 for a
	// workflow.
	MaxAttempts int32 `json:"maxAttempts"`
	// InitialSeconds is the wait before the first retry, default 1; each further
	// one is Backoff times longer, default 2, up to MaxSeconds, default 60.
	InitialSeconds float64 `json:"initialSeconds"`
	Backoff        float64 `json:"backoff"`
	MaxSeconds     float64 `json:"maxSeconds"`
	// NonRetryable lists error types that end the operation at once.
	NonRetryable []string `json:"nonRetryable,omitempty"`
}

// Bound says that something runs it.
func (t Type) Bound() bool { return t.Binding.Activity != "" || t.Binding.RunsWorkflow() }

// WithDefaults fills in what is not set.
func (t Type) WithDefaults() Type {
	t = t.asOriginal()
	if t.AllowToken {
		t.Restrictions = slices.DeleteFunc(t.Restrictions, func(r protocol.Restriction) bool { return r == protocol.NoToken })
	}
	if t.Label == "" {
		t.Label = t.Key
	}
	b := &t.Binding
	if b.RunsWorkflow() {
		// A workflow cannot be stopped half-way and go on later.
		t.Restrictions = union(t.Restrictions, protocol.Restrictions{protocol.NoPause})
		b.Retry.MaxAttempts = orDefault(b.Retry.MaxAttempts, 1)
	} else if b.Execution == ExecutionLocal {
		b.StartToCloseSeconds = orDefault(b.StartToCloseSeconds, MaxLocalSeconds)
	} else {
		b.StartToCloseSeconds = orDefault(b.StartToCloseSeconds, 300)
	}
	b.CancelTimeoutSeconds = orDefault(b.CancelTimeoutSeconds, 60)
	b.Retry.MaxAttempts = orDefault(b.Retry.MaxAttempts, 4)
	b.Retry.InitialSeconds = orDefault(b.Retry.InitialSeconds, 1)
	b.Retry.Backoff = orDefault(b.Retry.Backoff, 2)
	b.Retry.MaxSeconds = orDefault(b.Retry.MaxSeconds, 60)
	return t
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Catalogue finds types by key or number: those that it was built from, and those
// of the original service, bound or not. It never changes once built; its zero
// value binds none.
type Catalogue struct {
	types  []Type
	byRef  map[protocol.TypeRef]int
	events []EventHandler
}

// New builds a catalogue. The error names every entry that is wrong: a key or
// number that is missing, malformed or taken, or a bound that makes no sense.
func New(types ...Type) (*Catalogue, error) {
	c := &Catalogue{byRef: make(map[protocol.TypeRef]int, 2*len(types))}
	var problems []error
	for _, t := range types {
		err := t.validateToken()
		t = t.WithDefaults()
		if err := errors.Join(err, t.validate()); err != nil {
			problems = append(problems, fmt.Errorf("type %q: %w", t.Key, err))
			continue
		}
		problems = append(problems, c.add(t))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Catalogue) add(t Type) error {
	refs := []protocol.TypeRef{protocol.TypeRef(t.Key)}
	_, isOriginal := Original(protocol.TypeRef(t.Key))
	if isOriginal || t.Number >= FirstOwnNumber { // the types of event handlers share a number
		refs = append(refs, protocol.TypeRef(strconv.Itoa(t.Number)))
	}
	for _, ref := range refs {
		if at, taken := c.byRef[ref]; taken {
			return fmt.Errorf("type %q: %s is taken by type %q", t.Key, ref, c.types[at].Key)
		}
	}
	for _, ref := range refs {
		c.byRef[ref] = len(c.types)
	}
	c.types = append(c.types, t)
	return nil
}

func (t Type) validate() error {
	probe := protocol.Operation{OperationType: protocol.TypeRef(t.Key)}
	if err := probe.Validate(); err != nil || strings.Trim(t.Key, "0123456789") == "" {
		return fmt.Errorf("key: %q is not lower-case words with dots", t.Key)
	}
	original, isOriginal := Original(protocol.TypeRef(t.Key))
	switch {
	case isOriginal && t.Number != original.Number:
		return fmt.Errorf("number: %d is not that of the original type %q, which is %d", t.Number, t.Key, original.Number)
	case !isOriginal && t.Number != 0 && t.Number < FirstOwnNumber:
		return fmt.Errorf("number: %d is less than %d, where a team's own numbers begin", t.Number, FirstOwnNumber)
	}
	for _, r := range t.Restrictions {
		if !slices.Contains(protocol.AllRestrictions, r) {
			return fmt.Errorf("restrictions: %q is not one of %v", r, protocol.AllRestrictions)
		}
	}
	return t.Binding.validate()
}

// validateToken refuses an entry that both forbids a token and allows it, and one
// that lifts what is not there.
func (t Type) validateToken() error {
	switch {
	case !t.AllowToken:
		return nil
	case t.Restrictions.Has(protocol.NoToken):
		return fmt.Errorf("dependencyToken: is allowed, and restrictions has %q", protocol.NoToken)
	case !t.asOriginal().Restrictions.Has(protocol.NoToken):
		return errors.New("dependencyToken: is allowed for this type as it is")
	}
	return nil
}

// Bounds of a binding's times, so that each is one that the server takes.
const (
	minSeconds = 0.001
	maxSeconds = 10 * 365 * 24 * 60 * 60
)

func (b Binding) validate() error {
	if err := errors.Join(b.validateTarget(), b.validateExecution()); err != nil {
		return err
	}
	switch {
	case b.StartToCloseSeconds < 0:
		return fmt.Errorf("startToClose: %vs is negative", b.StartToCloseSeconds)
	case b.HeartbeatSeconds < 0:
		return fmt.Errorf("heartbeat: %vs is negative", b.HeartbeatSeconds)
	case b.CancelTimeoutSeconds < 0:
		return fmt.Errorf("cancelTimeout: %vs is negative", b.CancelTimeoutSeconds)
	case b.Retry.MaxAttempts < 1:
		return fmt.Errorf("retry.maxAttempts: %d is less than 1", b.Retry.MaxAttempts)
	case b.Retry.InitialSeconds < 0 || b.Retry.MaxSeconds < b.Retry.InitialSeconds:
		return fmt.Errorf("retry: waits from %vs up to %vs are not ascending", b.Retry.InitialSeconds, b.Retry.MaxSeconds)
	case b.Retry.Backoff < 1:
		return fmt.Errorf("retry.backoff: %v is less than 1", b.Retry.Backoff)
	case math.IsNaN(b.Retry.Backoff) || math.IsInf(b.Retry.Backoff, 0):
		return fmt.Errorf("retry.backoff: %v is not a number", b.Retry.Backoff)
	}
	if b.RunsWorkflow() && b.StartToCloseSeconds == 0 {
		b.StartToCloseSeconds = minSeconds // no bound
	}
	return errors.Join(
		checkSeconds("startToClose", b.StartToCloseSeconds),
		checkSeconds("heartbeat", max(b.HeartbeatSeconds, minSeconds)), // 0 is none
		checkSeconds("cancelTimeout", b.CancelTimeoutSeconds),
		checkSeconds("retry.initial", b.Retry.InitialSeconds),
		checkSeconds("retry.max", b.Retry.MaxSeconds),
	)
}

// validateTarget refuses a binding that names nothing to run, or more than one.
func (b Binding) validateTarget() error {
	targets := 0
	for _, given := range []bool{b.Activity != "", b.Workflow != "", len(b.Workflows) > 0} {
		if given {
			targets++
		}
	}
	switch {
	case targets == 0:
		return errors.New("activity: is missing: name the activity that runs it, or a workflow")
	case targets > 1:
		return errors.New("activity: more than one of activity, workflow and workflows is given")
	case b.RunsWorkflow() && b.HeartbeatSeconds != 0:
		return fmt.Errorf("heartbeat: %vs is given, and a workflow has none", b.HeartbeatSeconds)
	case len(b.Workflows) > 0 && b.TaskQueue != "":
		return fmt.Errorf("taskQueue: %q is given beside workflows: each of them has its own", b.TaskQueue)
	}
	for i, w := range b.Workflows {
		if w.Name == "" || slices.Contains(b.Workflows[:i], w) {
			return fmt.Errorf("workflows[%d]: %q is empty or stands there twice", i, w.Name)
		}
	}
	return nil
}

// validateExecution refuses what a local attempt cannot have: it runs where its
// workflow does, and nothing hears from it before it ends.
func (b Binding) validateExecution() error {
	switch {
	case b.Execution == "":
		return nil
	case b.Execution != ExecutionLocal:
		return fmt.Errorf("execution: %q is not %q; leave it out for the regular one", b.Execution, ExecutionLocal)
	case b.RunsWorkflow():
		return fmt.Errorf("execution: %q is given, and a workflow runs it: only an activity can be local", b.Execution)
	case b.TaskQueue != "":
		return fmt.Errorf("taskQueue: %q is given, and execution %q has none: it runs in the worker of the workflows", b.TaskQueue, b.Execution)
	case b.HeartbeatSeconds != 0:
		return fmt.Errorf("heartbeat: %vs is given, and execution %q has none", b.HeartbeatSeconds, b.Execution)
	case b.StartToCloseSeconds > MaxLocalSeconds:
		return fmt.Errorf("startToClose: %vs is over %ds, the limit of execution %q", b.StartToCloseSeconds, MaxLocalSeconds, b.Execution)
	}
	return nil
}

func checkSeconds(name string, value float64) error {
	if inside := minSeconds <= value && value <= maxSeconds; !inside { // not a number is outside too
		return fmt.Errorf("%s: %vs is not in %vs..%vs", name, value, minSeconds, maxSeconds)
	}
	return nil
}

// Lookup finds a type by its key or its number: one that something runs, or one
// of the original service.
func (c *Catalogue) Lookup(ref protocol.TypeRef) (Type, bool) {
	if c != nil {
		if at, ok := c.byRef[ref]; ok {
			return c.types[at], true
		}
	}
	return Original(ref)
}

// Unbound are the types of the original service that nothing runs, in the order
// of their numbers.
func (c *Catalogue) Unbound() []Type {
	return slices.DeleteFunc(Originals(), func(t Type) bool {
		found, _ := c.Lookup(protocol.TypeRef(t.Key))
		return found.Bound()
	})
}

// Types lists what is bound, in the order of configuration.
func (c *Catalogue) Types() []Type {
	if c == nil {
		return nil
	}
	return slices.Clone(c.types)
}

// Check refuses a type that the catalogue does not have, or has nothing to run
// with, with the code of SPEC 8.3 and the keys that something runs.
func (c *Catalogue) Check(ref protocol.TypeRef) error {
	t, known := c.Lookup(ref)
	if t.Bound() {
		return nil
	}
	message := fmt.Sprintf("operationType %q is not in the catalogue; known are %s", ref, c.keys())
	if known {
		message = fmt.Sprintf("operationType %q is known, and nothing runs it: bind %q under types: in config.yaml; bound are %s", ref, t.Key, c.keys())
	}
	return &protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Code: protocol.CodeTypeNotRecognised, Message: message}
}

// CheckOperation refuses an operation whose type Check refuses, or that has a
// dependency token where its type takes none, with a *protocol.FieldError.
func (c *Catalogue) CheckOperation(o protocol.Operation) error {
	if err := c.Check(o.OperationType); err != nil {
		return err
	}
	if t, _ := c.Lookup(o.OperationType); o.DependencyToken != "" && t.Restrictions.Has(protocol.NoToken) {
		return &protocol.FieldError{
			Field: "dependencyToken", Value: fmt.Sprintf("%q", o.DependencyToken),
			Problem: fmt.Sprintf("type %q takes none: leave it out, or %s", t.Key, AllowTokenHint),
		}
	}
	return nil
}

// AllowTokenHint says how a type is made to take a token.
const AllowTokenHint = `say "dependencyToken: allowed" for the type in config.yaml`

func (c *Catalogue) keys() string {
	keys := make([]string, 0, len(c.Types()))
	for _, t := range c.Types() {
		keys = append(keys, t.Key)
	}
	if len(keys) == 0 {
		return "none"
	}
	return strings.Join(keys, ", ")
}
