package verify

import (
	"encoding/json"
	"time"

	commonpb "go.temporal.io/api/common/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// carried is what is read here of the state that one run of a serializer hands
// to the next.
type carried struct {
	Queue   *carriedQueue `json:"queue"`
	Refused string        `json:"refused"`
}

type carriedQueue struct {
	Token        string                `json:"token"`
	NextSequence int64                 `json:"nextSequence"`
	Head         *carriedEntry         `json:"head"`
	Front        []carriedEntry        `json:"front"`
	Waiting      []carriedEntry        `json:"waiting"`
	Ended        []carriedEntry        `json:"ended"`
	Pages        []carriedPage         `json:"pages"`
	Doomed       []carriedPage         `json:"doomed"`
	Chain        string                `json:"chain"`
	Hold         *protocol.Hold        `json:"hold"`
	Failure      *protocol.FailureHold `json:"failure"`
	Policy       protocol.Policy       `json:"policy"`
	Counts       protocol.Counts       `json:"counts"`
}

type carriedEntry struct {
	Operation struct {
		ID string `json:"id"`
	} `json:"operation"`
	Sequence int64 `json:"sequence"`
}

func (e carriedEntry) ref() Ref { return Ref{e.Operation.ID, e.Sequence} }

// carriedPage is a part of the queue that a workflow of its own holds.
type carriedPage struct {
	N       int64          `json:"n"`
	Chain   string         `json:"chain"`
	RunID   string         `json:"runId"`
	Entries []carriedEntry `json:"entries"`
}

// waiting are the operations that the state itself holds, the head not.
func (q *carriedQueue) waiting() (refs []Ref) {
	for _, list := range [][]carriedEntry{q.Front, q.Waiting, q.Ended} {
		refs = append(refs, refsOf(list)...)
	}
	for _, page := range append(append([]carriedPage{}, q.Pages...), q.Doomed...) {
		refs = append(refs, refsOf(page.Entries)...)
	}
	return refs
}

// pages are where the others are.
func (q *carriedQueue) pages() (list []protocol.PageAddress) {
	for _, page := range append(append([]carriedPage{}, q.Pages...), q.Doomed...) {
		chain := page.Chain
		if chain == "" {
			chain = q.Chain
		}
		if page.RunID != "" {
			list = append(list, protocol.PageAddress{WorkflowID: protocol.PageWorkflowID(chain, page.N), RunID: page.RunID})
		}
	}
	return list
}

func refsOf(entries []carriedEntry) (refs []Ref) {
	for _, entry := range entries {
		refs = append(refs, entry.ref())
	}
	return refs
}

// taken is how many submissions those counts account for.
func taken(c protocol.Counts) int64 { return c.Accepted + c.Duplicates + c.Rejected }

// pageContent is what a page was started with.
type pageContent struct {
	Entries []carriedEntry `json:"entries"`
}

// operationStart is what is read here of the system's argument of an operation.
type operationStart struct {
	Sequence int64           `json:"sequence"`
	Verdict  json.RawMessage `json:"verdict"`
	RerunOf  string          `json:"rerunOf"`
	N        int64           `json:"n"`
	Gated    bool            `json:"gated"`
	Life     *struct {
		Record struct {
			PostponeUntil time.Time `json:"postponeUntil"`
		} `json:"record"`
		Hold *protocol.Hold `json:"hold"`
	} `json:"life"`
}

// submitted is what is read here of an operation.
type submitted struct {
	PostponeUntil time.Time `json:"postponeUntil"`
}

// argument decodes one of the payloads; false where it is absent or no JSON of
// that form.
func argument(payloads *commonpb.Payloads, at int, value any) bool {
	list := payloads.GetPayloads()
	return at < len(list) && json.Unmarshal(list[at].GetData(), value) == nil
}
