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
	// Number is optional, unique, and at least FirstOwnNumber; 0 is none.
	Number int `json:"number,omitempty"`
	// Label is shown to people; the key by default.
	Label string `json:"label,omitempty"`
	// Binding says what runs it.
	Binding Binding `json:"binding"`
}

// Binding says which activity runs a type's operations, where, and for how
// long. It travels in the start of each operation, so a change of the
// configuration never changes one that is already running.
type Binding struct {
	// Activity is the registered name of the activity.
	Activity string `json:"activity"`
	// TaskQueue is where its worker polls; "" is the workflow's own queue.
	TaskQueue string `json:"taskQueue,omitempty"`
	// StartToCloseSeconds bounds one attempt; default 300.
	StartToCloseSeconds float64 `json:"startToCloseSeconds"`
	// HeartbeatSeconds is how long an attempt may be silent before it counts as
	// lost; 0 is no heartbeat, so a lost worker is noticed by StartToClose only.
	HeartbeatSeconds float64 `json:"heartbeatSeconds,omitempty"`
	// CancelTimeoutSeconds is how long a handler may take to stop after it was
	// asked to, for a cancel or a pause, before its lock is broken (SPEC 3.2);
	// default 60.
	CancelTimeoutSeconds float64 `json:"cancelTimeoutSeconds"`
	Retry                Retry   `json:"retry"`
}

// Retry is the policy for attempts that failed and may be repeated (SPEC 6.2).
type Retry struct {
	// MaxAttempts counts the first one; default 4, which is 3 retries.
	MaxAttempts int32 `json:"maxAttempts"`
	// InitialSeconds is the wait before the first retry, default 1; each further
	// one is Backoff times longer, default 2, up to MaxSeconds, default 60.
	InitialSeconds float64 `json:"initialSeconds"`
	Backoff        float64 `json:"backoff"`
	MaxSeconds     float64 `json:"maxSeconds"`
	// NonRetryable lists error types that end the operation at once.
	NonRetryable []string `json:"nonRetryable,omitempty"`
}

// WithDefaults fills in what is not set.
func (t Type) WithDefaults() Type {
	if t.Label == "" {
		t.Label = t.Key
	}
	b := &t.Binding
	b.StartToCloseSeconds = orDefault(b.StartToCloseSeconds, 300)
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

// Catalogue finds types by key or number. It never changes once built; its zero
// value knows no type.
type Catalogue struct {
	types []Type
	byRef map[protocol.TypeRef]int
}

// New builds a catalogue. The error names every entry that is wrong: a key or
// number that is missing, malformed or taken, or a bound that makes no sense.
func New(types ...Type) (*Catalogue, error) {
	c := &Catalogue{byRef: make(map[protocol.TypeRef]int, 2*len(types))}
	var problems []error
	for _, t := range types {
		t = t.WithDefaults()
		if err := t.validate(); err != nil {
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
	if t.Number != 0 {
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
	if t.Number != 0 && t.Number < FirstOwnNumber {
		return fmt.Errorf("number: %d is less than %d, where a team's own numbers begin", t.Number, FirstOwnNumber)
	}
	return t.Binding.validate()
}

// Bounds of a binding's times, so that each is one that the server takes.
const (
	minSeconds = 0.001
	maxSeconds = 10 * 365 * 24 * 60 * 60
)

func (b Binding) validate() error {
	switch {
	case b.Activity == "":
		return errors.New("activity: is missing: name the activity that runs it")
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
	return errors.Join(
		checkSeconds("startToClose", b.StartToCloseSeconds),
		checkSeconds("heartbeat", max(b.HeartbeatSeconds, minSeconds)), // 0 is none
		checkSeconds("cancelTimeout", b.CancelTimeoutSeconds),
		checkSeconds("retry.initial", b.Retry.InitialSeconds),
		checkSeconds("retry.max", b.Retry.MaxSeconds),
	)
}

func checkSeconds(name string, value float64) error {
	if inside := minSeconds <= value && value <= maxSeconds; !inside { // not a number is outside too
		return fmt.Errorf("%s: %vs is not in %vs..%vs", name, value, minSeconds, maxSeconds)
	}
	return nil
}

// Lookup finds a type by its key or its number.
func (c *Catalogue) Lookup(ref protocol.TypeRef) (Type, bool) {
	if c == nil {
		return Type{}, false
	}
	at, ok := c.byRef[ref]
	if !ok {
		return Type{}, false
	}
	return c.types[at], true
}

// Types lists the catalogue in the order of configuration.
func (c *Catalogue) Types() []Type {
	if c == nil {
		return nil
	}
	return slices.Clone(c.types)
}

// Check refuses a type that the catalogue does not have, with the code of SPEC
// 8.3 and the keys that it does have.
func (c *Catalogue) Check(ref protocol.TypeRef) error {
	if _, ok := c.Lookup(ref); ok {
		return nil
	}
	return &protocol.Refusal{
		Type:    protocol.ErrTypeInvalidOperation,
		Code:    protocol.CodeTypeNotRecognised,
		Message: fmt.Sprintf("operationType %q is not in the catalogue; known are %s", ref, c.keys()),
	}
}

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
