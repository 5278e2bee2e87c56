package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/seriatim-go/seriatim/protocol"
)

// kind is what a worker process runs; each has a task queue of its own, so that
// computing time can be told apart.
type kind string

const (
	kindBare     kind = "bare"
	kindPlain    kind = "plain"
	kindSeriatim kind = "seriatim"
	// kindFixed is Seriatim with the SDK's default number of pollers.
	kindFixed kind = "seriatim-fixed"
	// kindLocal is Seriatim with handlers that run as local activities.
	kindLocal kind = "seriatim-local"
)

var kinds = []kind{kindBare, kindPlain, kindSeriatim, kindFixed, kindLocal}

func (k kind) taskQueue() string { return "bench-" + string(k) }

// ours says that it is Seriatim.
func (k kind) ours() bool { return k == kindSeriatim || k == kindFixed || k == kindLocal }

// variant is one way to do a workload.
type variant struct {
	name string
	kind kind
	// singles has a signal for each operation; else as many as fit share one.
	singles bool
}

// The variants. Those that are given singles differ in nothing else.
var (
	bare            = variant{name: "bare", kind: kindBare}
	plain           = variant{name: "plain", kind: kindPlain}
	plainSingles    = variant{name: "plain-singles", kind: kindPlain, singles: true}
	seriatim        = variant{name: "seriatim", kind: kindSeriatim}
	seriatimSingles = variant{name: "seriatim-singles", kind: kindSeriatim, singles: true}
	seriatimFixed   = variant{name: "seriatim-fixed", kind: kindFixed}
	seriatimLocal   = variant{name: "seriatim-local", kind: kindLocal}
)

// pair is two variants whose figures are divided.
type pair struct{ of, by variant }

func (p pair) String() string { return p.of.name + " / " + p.by.name }

var pairs = []pair{
	{seriatim, plain},
	{seriatimSingles, plainSingles},
	{seriatim, plainSingles},
	{seriatim, bare},
	{seriatimFixed, seriatim},
	{seriatimLocal, seriatim},
	{seriatimLocal, plain},
	{seriatimLocal, bare},
}

// workload is what is submitted, and how.
type workload struct {
	name string
	what string
	// tokens is 0 for operations without one; each is how many a token has, or
	// how many there are without.
	tokens, each int
	// idle is how many tokens besides are open and idle: each has had an operation.
	idle int
	// paced submits each operation once the one before has closed.
	paced bool
	// backlog submits while no worker is up.
	backlog bool
	// long is only done when it is asked for by name.
	long     bool
	variants []variant
}

var workloads = []workload{
	{
		name: "one-100", what: "one token, 100 operations", tokens: 1, each: 100,
		variants: []variant{bare, plain, plainSingles, seriatim, seriatimSingles, seriatimLocal},
	},
	{
		name: "one-500", what: "one token, 500 operations", tokens: 1, each: 500,
		variants: []variant{plain, seriatim, seriatimLocal},
	},
	{
		name: "tokens-50x20", what: "50 tokens, 20 operations each", tokens: 50, each: 20,
		variants: []variant{bare, plain, plainSingles, seriatim, seriatimSingles, seriatimLocal},
	},
	{
		name: "pollers-50x20", what: "the same with pollers by demand and with a fixed few", tokens: 50, each: 20,
		variants: []variant{seriatim, seriatimFixed},
	},
	{
		name: "free-1000", what: "1,000 operations without a token", each: 1000,
		variants: []variant{bare, seriatim, seriatimLocal},
	},
	{
		name: "idle", what: "an idle token gets one operation, 40 times", tokens: 1, each: 40, paced: true,
		variants: []variant{plain, seriatim, seriatimLocal, bare},
	},
	{
		name: "fresh", what: "a token gets its first operation, 40 times", tokens: 40, each: 1, paced: true,
		variants: []variant{plain, seriatim, seriatimLocal, bare},
	},
	{
		name: "backlog-500", what: "500 operations on one token while no worker is up, then drained", tokens: 1, each: 500, backlog: true,
		variants: []variant{plain, plainSingles, seriatim, seriatimSingles, seriatimLocal},
	},
	scale(1, seriatim, plain, seriatimLocal),
	scale(10, seriatim, plain, seriatimLocal),
	scale(100, seriatim, plain, seriatimLocal),
	scale(1_000, seriatim, plain, seriatimLocal),
	scale(10_000, seriatim), // over an hour on two cores
	beside(0), beside(100), beside(1_000), beside(10_000),
}

// scale is what an operation costs by the number of tokens that work at once. There
// are enough operations for what the server does of each only ten seconds later, when
// the timers of its tasks are due, to be counted too.
func scale(tokens int, variants ...variant) workload {
	each := max(10, 2_000/tokens)
	return workload{
		name: fmt.Sprintf("scale-%d", tokens), what: fmt.Sprintf("%d tokens, %d operations each", tokens, each),
		tokens: tokens, each: each, long: true, variants: variants,
	}
}

// beside is what an operation costs by the number of tokens that are open meanwhile.
func beside(idle int) workload {
	return workload{
		name: fmt.Sprintf("beside-%d", idle), what: fmt.Sprintf("20 tokens, 10 operations each, beside %d that are open and idle", idle),
		tokens: 20, each: 10, idle: idle, long: true, variants: []variant{seriatim},
	}
}

// least is what is left of a workload at the smallest size.
const least = 2

// sized is the workload with a part of its operations: fewer tokens where there
// are many, so that what a token costs once keeps its weight, else fewer of the
// one.
func (w workload) sized(size float64) workload {
	part := func(n int) int { return min(n, max(least, int(math.Round(size*float64(n))))) }
	w.idle = part(w.idle)
	if w.tokens > 1 {
		w.tokens = part(w.tokens)
	} else {
		w.each = part(w.each)
	}
	return w
}

func (w workload) operations() int { return max(1, w.tokens) * w.each }

// slow says that its operations wait for each other on one token, so that a
// server that lets each hop wait makes it long.
func (w workload) slow() bool { return w.tokens == 1 }

// chosen are the workloads with those names, separated by commas; for none all that
// are not long.
func chosen(names string) ([]workload, error) {
	var list []workload
	if names == "" {
		return slices.DeleteFunc(slices.Clone(workloads), func(w workload) bool { return w.long }), nil
	}
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })
		if at < 0 {
			return nil, fmt.Errorf("workload %q: there is none of that name; there are %s", name, strings.Join(workloadNames(), ", "))
		}
		list = append(list, workloads[at])
	}
	return list, nil
}

func workloadNames() (names []string) {
	for _, w := range workloads {
		names = append(names, w.name)
	}
	return names
}

// dataOfOperation is what each operation carries.
var dataOfOperation = []byte(`{"order":4711,"customer":"customer-42","lines":[{"sku":"A-100","quantity":2},{"sku":"B-7","quantity":1}]}`)

// lane is the operations of one token in their order, or those without one.
type lane struct {
	token string
	items []*item
}

// lanes makes a workload's operations; prefix is unique on the server.
func (w workload) lanes(prefix string) []lane {
	list := make([]lane, max(1, w.tokens))
	for t := range list {
		name := fmt.Sprintf("%s-%02d", prefix, t)
		if w.tokens > 0 {
			list[t].token = name
		}
		for n := range w.each {
			list[t].items = append(list[t].items, &item{operation: protocol.Operation{
				ID: fmt.Sprintf("%s-%04d", name, n), OperationType: operationType,
				DependencyToken: list[t].token, Data: dataOfOperation,
			}})
		}
	}
	return list
}
