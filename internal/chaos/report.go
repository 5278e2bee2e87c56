package main

import (
	"io"
	"strings"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// report is the line on stdout.
type report struct {
	On           time.Time `json:"on"` // of its end
	Seed         uint64    `json:"seed"`
	Database     string    `json:"database"`
	Operations   int       `json:"operations"` // acknowledged, by id
	WorkerKills  int       `json:"workerKills"`
	ServerKills  int       `json:"serverKills"`
	Stops        int       `json:"stops"`
	Restarts     int       `json:"restarts"`
	WireCuts     int       `json:"wireCuts"`
	WireStalls   int       `json:"wireStalls"`
	ServiceStops int       `json:"serviceStops"`
	BackendEnds  int       `json:"backendEnds,omitempty"`
	BackendKills int       `json:"backendKills,omitempty"`
	Runs         int       `json:"runs"`      // of serializers
	Adoptions    int       `json:"adoptions"` // runs that began with the head of the one before
	Attempts     int       `json:"attempts"`  // of handlers
	Stale        int       `json:"staleAttempts"`
	StaleRefused int       `json:"staleWritesRefused"`
	Duplicates   int       `json:"duplicates"` // submissions acknowledged again
	Rejected     int       `json:"rejected"`   // visible rejects
	Canceled     int       `json:"canceled"`   // operations that ended so
	Postponed    int       `json:"postponed"`  // operations that had to wait
	// What was asked for and acknowledged.
	Paused   int `json:"paused"`
	Resumed  int `json:"resumed"`
	Held     int `json:"held"`
	Released int `json:"released"`
	Skipped  int `json:"skipped"`
	Reruns   int `json:"reruns"`
	// How operations were run.
	Flows       int `json:"flows"`      // operations of the type that a workflow runs
	Deliveries  int `json:"deliveries"` // requests of the type that sends over HTTP
	Locals      int `json:"locals"`     // local attempts, as histories tell
	LocalsLost  int `json:"localsLost"` // and those of which no history tells
	Imports     int `json:"imports"`    // operations, as are mailings
	Mailings    int `json:"mailings"`
	Rows        int `json:"rows"`
	Messages    int `json:"messages"`
	Doubled     int `json:"messagesTwice"` // of those that may be
	RowsRefused int `json:"rowsRefused"`   // attempts of imports that the database refused
	Recurrences int `json:"recurrences"`
	Occurrences int `json:"occurrences"` // of all recurrences
	Renewed     int `json:"renewed"`     // runs of operations that continued another
	Ahead       int `json:"ahead"`       // operations that were started ahead of their turn

	I1  int `json:"i1"`
	I2  int `json:"i2"`
	I3  int `json:"i3"`
	I4  int `json:"i4"`
	I5  int `json:"i5"`
	I6  int `json:"i6"`
	I7  int `json:"i7"`
	I8  int `json:"i8"`
	I9  int `json:"i9"`
	I10 int `json:"i10"`

	Seconds float64 `json:"seconds"`
	// Interrupted says that not everything was done that was asked for.
	Interrupted bool `json:"interrupted,omitempty"`
	OK          bool `json:"ok"`
}

// report counts it all.
func (s *site) report(o options, c *checker, observed *observer, progress io.Writer) *report {
	r := &report{
		On: time.Now().UTC().Truncate(time.Second), Seed: o.seed, Database: o.db,
		WorkerKills: s.counts[killWorker], ServerKills: s.counts[killServer],
		Stops: s.counts[stopWorker], Restarts: s.counts[restartWorker],
		WireCuts: s.counts[cutWire], WireStalls: s.counts[stallWire], ServiceStops: s.counts[stopType],
		BackendEnds: s.counts[endBackend], BackendKills: s.counts[killBackend],
		Runs: observed.runs, Adoptions: observed.adoptions,
		Attempts: len(c.attempts), Stale: c.staleAttempts(),
		Duplicates: c.repeats(), Rejected: len(c.rejects),
	}
	r.countOperations(c)
	r.countAsked(c)
	r.Renewed, r.Occurrences, r.Deliveries = observed.renewed, c.occurrences(), len(s.target.requests())
	r.Ahead = observed.ahead
	for i, into := range []*int{&r.I1, &r.I2, &r.I3, &r.I4, &r.I5, &r.I6, &r.I7, &r.I8, &r.I9, &r.I10} {
		*into = len(c.findings[i])
	}
	r.OK = c.none() && s.problemsSoFar() == nil
	if !c.none() {
		s.keepFindings(c.findings, progress)
	}
	return r
}

func (r *report) countAsked(c *checker) {
	for _, a := range c.asked {
		into := map[string]*int{
			protocol.PauseUpdateName: &r.Paused, protocol.ResumeUpdateName: &r.Resumed, protocol.HoldUpdateName: &r.Held,
			protocol.ReleaseUpdateName: &r.Released, protocol.SkipUpdateName: &r.Skipped, protocol.RerunUpdateName: &r.Reruns,
		}[a.verb]
		if into != nil && !a.acknowledged.IsZero() {
			*into++
		}
	}
}

func (r *report) countOperations(c *checker) {
	acknowledged, postponed := make(map[string]bool), make(map[string]bool)
	for _, s := range c.evidence.submitted {
		if !s.acknowledged.IsZero() {
			if !acknowledged[s.ID] && s.Count > 0 {
				r.Recurrences++
			}
			if into := r.ofType(s.Type); !acknowledged[s.ID] && into != nil {
				*into++
			}
			acknowledged[s.ID] = true
			if s.PostponeUntil != nil && s.PostponeUntil.After(s.called) {
				postponed[s.ID] = true
			}
		}
	}
	r.Operations, r.Postponed = len(acknowledged), len(postponed)
	for _, x := range c.executions {
		if x.status == "Canceled" {
			r.Canceled++
		}
	}
	r.countParts(c)
	for _, w := range c.writes {
		if !w.Accepted {
			r.StaleRefused++
		}
	}
}

// ofType is where operations of a type are counted.
func (r *report) ofType(of protocol.TypeRef) *int {
	switch of {
	case flowType:
		return &r.Flows
	case importType:
		return &r.Imports
	case mailType:
		return &r.Mailings
	}
	return nil
}

// countParts counts local attempts, rows and messages.
func (r *report) countParts(c *checker) {
	seen := make(map[string]bool)
	for _, x := range c.executions {
		r.Locals += x.locals
		seen[x.id] = seen[x.id] || x.locals > 0
	}
	for _, a := range c.attempts {
		if c.typeOf[a.id] == localType && a.fence.Attempt == 0 && !seen[a.id] {
			r.LocalsLost++
		}
		if strings.HasSuffix(a.outcome, " "+lostCode) && c.typeOf[a.id] == importType {
			r.RowsRefused++
		}
	}
	r.Rows, _ = c.rows.count()
	r.Messages, r.Doubled = c.messages.count()
}
