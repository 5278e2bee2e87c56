package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/seriatim-go/seriatim/internal/verify"
)

// report is the line on stdout.
type report struct {
	N        int `json:"n"`
	Accepted int `json:"accepted"` // acknowledged to the submitter
	Drained  int `json:"drained"`  // run to their end
	Queued   int `json:"queued"`   // still waiting at the end

	Lost       int `json:"lost"`       // acknowledged, and neither run nor waiting
	Duplicated int `json:"duplicated"` // run twice, or one number twice
	Reordered  int `json:"reordered"`  // not in the order of their submission
	Overlapped int `json:"overlapped"` // two at a time
	Violations int `json:"violations"` // of any promise, those included

	Runs            int     `json:"runs"`      // of the serializer
	Adoptions       int     `json:"adoptions"` // of an operation that an earlier run had started
	Pages           int     `json:"pages"`     // that were ever made
	MaxCarriedBytes int     `json:"max_carried_bytes"`
	WorkerRSSMiB    int     `json:"worker_rss_mib"` // at its peak
	StateP99        float64 `json:"state_p99_ms"`
	StateMax        float64 `json:"state_max_ms"`
	StateQueries    int     `json:"state_queries"`
	OpsPerSAt100    float64 `json:"ops_per_s_at_100"`
	OpsPerSAtDepth  float64 `json:"ops_per_s_at_depth"`
	DepthAtStart    int     `json:"depth"` // queued when the head was resumed

	SubmitSeconds float64 `json:"submit_seconds"`
	VerifySeconds float64 `json:"verify_seconds"`
	Seconds       float64 `json:"seconds"`
	OK            bool    `json:"ok"`
}

// judge counts what broke, by what the histories say.
func (r *report) judge(proof *verify.Report, o *observed) {
	r.Queued, r.Drained = proof.Counts.Queued, proof.Counts.Operations
	r.Lost = max(0, r.Accepted-proof.Counts.Operations-proof.Counts.Queued)
	r.Duplicated = proof.CountOf(verify.NumberTwice, verify.StartedTwice)
	r.Reordered = max(o.outOfPlace, proof.CountOf(verify.Reordered))
	r.Overlapped = proof.CountOf(verify.Overlapped)
	r.Violations = proof.Violations
	r.Runs, r.Adoptions, r.MaxCarriedBytes = proof.Counts.Runs, proof.Counts.Adoptions, proof.Counts.MaxCarriedBytes
	r.OK = proof.Kept && r.Accepted == r.N && r.Lost+r.Duplicated+r.Reordered+r.Overlapped == 0 &&
		r.MaxCarriedBytes <= maxCarriedBytes
}

// observed is what the proof saw of each operation, besides the rules: whether
// the numbers are in the order of submission, and when operations closed.
type observed struct {
	token      string
	first      int64 // the first operation's number
	outOfPlace int
	// closed are the ends of those up to the one with this index.
	closed map[int]time.Time
	upTo   int
}

func observe(token string, first int64, upTo int) *observed {
	return &observed{token: token, first: first, closed: make(map[int]time.Time), upTo: upTo}
}

// see checks that the n-th operation has the n-th number.
func (o *observed) see(ref verify.Ref) (index int) {
	if _, err := fmt.Sscanf(strings.TrimPrefix(ref.ID, o.token+"-"), "%d", &index); err != nil || ref.Sequence != o.first+int64(index) {
		o.outOfPlace++
		return -1
	}
	return index
}

func (o *observed) start(s verify.Start) {
	if index := o.see(s.Ref); index >= 0 && index <= o.upTo {
		o.closed[index] = s.Execution.Closed
	}
}

// rate is how many operations a second closed after the first, up to the last
// that is followed.
func (o *observed) rate() float64 {
	begin, end := o.closed[0], o.closed[o.upTo]
	if begin.IsZero() || end.IsZero() || !end.After(begin) {
		return 0
	}
	return float64(o.upTo) / end.Sub(begin).Seconds()
}
