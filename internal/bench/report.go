package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

// spread is a figure over the rounds.
type spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return spread{rounded(sorted[0]), rounded(median), rounded(sorted[len(sorted)-1])}
}

// rounded keeps three decimals.
func rounded(x float64) float64 { return math.Round(1000*x) / 1000 }

func (s spread) String() string {
	if s.Min == s.Max {
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}

// number has as many decimals as tell something.
func number(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 20:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// result is one workload on one server: the JSON line.
type result struct {
	Workload   string            `json:"workload"`
	Server     string            `json:"server"`
	Settings   map[string]string `json:"settings"` // the server's dynamic config
	Tokens     int               `json:"tokens"`
	Idle       int               `json:"idle,omitempty"` // tokens that are open besides
	Operations int               `json:"operations"`

	workload workload
	rounds   []map[string]sample // by the variant's name
}

func newResult(w workload, of setting) *result {
	return &result{
		Workload: w.name, Server: of.name, Settings: of.effective(),
		Tokens: w.tokens, Idle: w.idle, Operations: w.operations(), workload: w,
	}
}

// MarshalJSON adds the figures to what is known before.
func (r *result) MarshalJSON() ([]byte, error) {
	type known result // without this method
	variants := make(map[string]map[metric]spread)
	for _, v := range r.workload.variants {
		variants[v.name] = r.figures(v)
	}
	ratios := make(map[string]map[metric]spread)
	for _, p := range r.pairs() {
		ratios[p.String()] = r.ratios(p)
	}
	return json.Marshal(struct {
		*known
		Rounds   int                          `json:"rounds"`
		Variants map[string]map[metric]spread `json:"variants"`
		Ratios   map[string]map[metric]spread `json:"ratios"`
	}{(*known)(r), len(r.rounds), variants, ratios})
}

// figures are a variant's metrics over the rounds.
func (r *result) figures(v variant) map[metric]spread {
	return r.over(func(round map[string]sample, m metric) (float64, bool) {
		x, ok := round[v.name][m]
		return x, ok
	})
}

// ratios divides two variants round by round.
func (r *result) ratios(p pair) map[metric]spread {
	return r.over(func(round map[string]sample, m metric) (float64, bool) {
		of, by := round[p.of.name][m], round[p.by.name][m]
		return of / by, of > 0 && by > 0
	})
}

func (r *result) over(get func(map[string]sample, metric) (float64, bool)) map[metric]spread {
	all := make(map[metric]spread)
	for _, m := range metrics {
		var values []float64
		for _, round := range r.rounds {
			if x, ok := get(round, m); ok {
				values = append(values, x)
			}
		}
		if len(values) > 0 {
			all[m] = spreadOf(values)
		}
	}
	return all
}

// pairs are those of which the workload has both.
func (r *result) pairs() []pair {
	has := func(v variant) bool { return slices.Contains(r.workload.variants, v) }
	return slices.DeleteFunc(slices.Clone(pairs), func(p pair) bool { return !has(p.of) || !has(p.by) })
}

// write prints the tables of a workload.
func (r *result) write(out io.Writer) {
	if len(r.rounds) == 0 {
		return
	}
	besides := ""
	if r.Idle > 0 {
		besides = fmt.Sprintf(" and %d that are idle", r.Idle)
	}
	_, _ = fmt.Fprintf(out, "\n#### %s: %s\n\n%d operations, %d tokens%s, %d rounds.\n\n", r.Workload, r.workload.what, r.Operations, r.Tokens, besides, len(r.rounds))
	columns := r.columns()
	heading := []string{""}
	for _, m := range columns {
		heading = append(heading, titles[m])
	}
	row(out, heading)
	row(out, slices.Repeat([]string{"---"}, len(heading)))
	for _, v := range r.workload.variants {
		r.row(out, v.name, columns, r.figures(v))
	}
	for _, p := range r.pairs() {
		r.row(out, "**"+p.String()+"**", columns, r.ratios(p))
	}
}

func (r *result) row(out io.Writer, name string, columns []metric, of map[metric]spread) {
	cells := []string{name}
	for _, m := range columns {
		cell := ""
		if x, ok := of[m]; ok {
			cell = x.String()
		}
		cells = append(cells, cell)
	}
	row(out, cells)
}

func row(out io.Writer, cells []string) {
	_, _ = fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
}

// columns are the metrics that any of the workload's variants has.
func (r *result) columns() []metric {
	return slices.DeleteFunc(slices.Clone(metrics), func(m metric) bool {
		return !slices.ContainsFunc(r.workload.variants, func(v variant) bool {
			_, ok := r.rounds[0][v.name][m]
			return ok
		})
	})
}

// writeMachine prints where it was measured, and how.
func writeMachine(out io.Writer, source embedded.Source, o options) {
	_, _ = fmt.Fprintf(out, "Measured with %d rounds at size %v, pollers: %s, on %s/%s, %d cores%s, %s. %s.\n",
		o.rounds, o.size, o.pollers, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), load(), runtime.Version(), source)
}

// load is how busy the machine was at the beginning, where the system tells.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(text))
	return " (load " + strings.Join(fields[:min(3, len(fields))], " ") + ")"
}

// writeSetting prints the server's settings.
func writeSetting(out io.Writer, of setting) {
	_, _ = fmt.Fprintf(out, "\n### %s\n\nOn %s; one history shard, in memory:\n\n", of.name, of.what)
	all := of.effective()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		_, _ = fmt.Fprintf(out, "    %s: %s\n", key, all[key])
	}
}

// String is a sample in one line of progress.
func (r sample) String() string {
	var parts []string
	for _, m := range []metric{opsPerSecond, startP50, handoffP50, allEvents, workflowTasks, serverCPU, workerCPU} {
		if x, ok := r[m]; ok {
			parts = append(parts, titles[m]+" "+number(x))
		}
	}
	return strings.Join(parts, ", ")
}
