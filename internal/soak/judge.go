package main

import (
	"fmt"
	"slices"
)

// sample is what was measured at one moment.
type sample struct {
	WorkerRSS  int // MiB
	WorkerHeap int // MiB in use by objects
	Goroutines int // of the worker
	WorkerFDs  int
	ServerFDs  int
	Operations int // done since the beginning
	Database   int // MiB, write-ahead log included
}

// measure is one of a sample that must not grow, and how much it may all the same:
// such a part of what it was, and so many besides.
type measure struct {
	name  string
	of    func(sample) int
	part  float64
	extra int
}

// measures are the rule. What they allow is noise of a run of 3 minutes; a leak of
// each operation comes through it there, and a slower one in a longer run.
var measures = []measure{
	{"worker RSS, MiB", func(s sample) int { return s.WorkerRSS }, 0.10, 10},
	{"worker heap, MiB", func(s sample) int { return s.WorkerHeap }, 0.25, 12},
	{"goroutines of the worker", func(s sample) int { return s.Goroutines }, 0.10, 40},
	{"descriptors of the worker", func(s sample) int { return s.WorkerFDs }, 0.10, 8},
	{"descriptors of the server", func(s sample) int { return s.ServerFDs }, 0.10, 8},
	// Retention has deleted as much as came since before the second third. On a slow
	// machine, 3 operations a second, it grew from 16 to 22 where nothing was deleted.
	{"database, MiB", func(s sample) int { return s.Database }, 0.10, 3},
}

// growth is a measure's medians over the last two thirds.
type growth struct {
	Name string `json:"name"`
	// Second and Last are those thirds; Allowed is the most that Last may be.
	Second  int `json:"second"`
	Last    int `json:"last"`
	Allowed int `json:"allowed"`
}

// verdict is what the samples say.
type verdict struct {
	Measures []growth `json:"measures"`
	// Problems are empty where nothing grows.
	Problems []string `json:"problems,omitempty"`
}

// least is how many samples a third needs.
const least = 3

// judge compares the last third of the samples with the second third; the first is
// the warm-up. A median does not mind a few wild samples.
func judge(samples []sample) (v verdict) {
	third := len(samples) / 3
	if third < least {
		return verdict{Problems: []string{fmt.Sprintf("%d samples are too few: at least %d", len(samples), 3*least)}}
	}
	last := samples[len(samples)-third:]
	second := samples[len(samples)-2*third : len(samples)-third]
	for _, m := range measures {
		g := growth{Name: m.name, Second: median(second, m.of), Last: median(last, m.of)}
		g.Allowed = g.Second + int(m.part*float64(g.Second)) + m.extra
		v.Measures = append(v.Measures, g)
		switch {
		case g.Second == 0:
			v.problem("%s: nothing was measured", g.Name)
		case g.Last > g.Allowed:
			v.problem("%s grows: %d in the last third after %d in the second, where %d are allowed", g.Name, g.Last, g.Second, g.Allowed)
		}
	}
	if done(second) == 0 || done(last) == 0 {
		v.problem("no operation was done in a third of the time")
	}
	return v
}

func done(samples []sample) int { return samples[len(samples)-1].Operations - samples[0].Operations }

func (v *verdict) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

func median(samples []sample, of func(sample) int) int {
	values := make([]int, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
