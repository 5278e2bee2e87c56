package main

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// faultKind is what is done to a process, to the wire, to the database, or by a
// person.
type faultKind string

const (
	killWorker    faultKind = "kill worker"
	killServer    faultKind = "kill server"
	stopWorker    faultKind = "stop worker"
	restartWorker faultKind = "restart worker"
	cutWire       faultKind = "cut wire"
	stallWire     faultKind = "stall wire"
	stopType      faultKind = "stop type"
	endBackend    faultKind = "end database backend"
	killBackend   faultKind = "kill database backend"
)

// fault is one thing that is done.
type fault struct {
	At     time.Duration
	Kind   faultKind
	Worker int
	Type   protocol.TypeRef // that is stopped
	// For is how long a stopped worker or a stalled wire stands, or how long a
	// killed process or a cut wire is away.
	For time.Duration
}

// quiet is how long the load runs before the first fault.
const quiet = 5 * time.Second

// newFaults spreads the faults of each kind evenly, with jitter, over the window.
func newFaults(r *rand.Rand, o options, window time.Duration) (faults []fault) {
	spread := func(kind faultKind, n int, longest time.Duration) {
		for i := range n {
			part := (float64(i) + r.Float64()) / float64(n)
			faults = append(faults, fault{
				At:   quiet + time.Duration(part*float64(window-quiet)),
				Kind: kind, Worker: r.IntN(o.workers), For: time.Duration(r.Int64N(int64(longest))),
			})
		}
	}
	spread(killWorker, o.workerKills, time.Second)
	spread(killServer, o.serverKills, 2*time.Second)
	spread(stopWorker, (o.workerKills+2)/3, 5*time.Second)
	spread(restartWorker, (o.workerKills+3)/4, time.Second)
	spread(cutWire, o.wireCuts, 2*time.Second)
	spread(stallWire, o.wireStalls, 5*time.Second)
	spread(stopType, o.serviceStops, 5*time.Second)
	for i, n := 0, 0; i < len(faults); i++ {
		if faults[i].Kind == stopType {
			faults[i].Type = stoppedTypes[n%len(stoppedTypes)]
			n++
		}
	}
	if o.db == onPostgres {
		spread(endBackend, o.backendEnds, time.Second)
		spread(killBackend, o.backendKills, time.Second)
	}
	slices.SortStableFunc(faults, func(a, b fault) int { return cmp.Compare(a.At, b.At) })
	return faults
}
