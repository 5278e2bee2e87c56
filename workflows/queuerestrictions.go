package workflows

import (
	"fmt"
	"slices"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// What the catalogue forbids of a type holds for operations that queue too (SPEC
// 8.3). The catalogue is configuration, so a serializer never asks it: each run
// records at its start which types may not be cancelled.

// restrictedType is a type whose operations may not be cancelled.
type restrictedType struct {
	// Refs are its key and its number.
	Refs         []protocol.TypeRef    `json:"refs"`
	Restrictions protocol.Restrictions `json:"restrictions"`
}

// restrictedTypes are those of the catalogue that something runs; without any, as
// in most catalogues, nothing is recorded.
func restrictedTypes(c *catalogue.Catalogue) (list []restrictedType) {
	for _, t := range c.Types() {
		if t.Restrictions.MayCancel() {
			continue
		}
		one := restrictedType{Refs: []protocol.TypeRef{protocol.TypeRef(t.Key)}, Restrictions: t.Restrictions}
		if t.Number != 0 {
			one.Refs = append(one.Refs, protocol.TypeRef(fmt.Sprint(t.Number)))
		}
		list = append(list, one)
	}
	return list
}

// restrict has the queue obey what this run recorded. What was taken over from a
// chain before knows nothing of it yet.
func (q *Queue) restrict(types []restrictedType) {
	q.restricted = types
	for i := range q.Front {
		q.Bytes += q.restrictEntry(&q.Front[i])
	}
	for i := range q.Waiting {
		more := q.restrictEntry(&q.Waiting[i])
		q.Bytes, q.tailBytes = q.Bytes+more, q.tailBytes+more
	}
}

// restrictEntry answers how many bytes more the entry may take.
func (q *Queue) restrictEntry(entry *Entry) (more int) {
	restrictions := q.restrictionsOf(entry.Operation.OperationType)
	if len(entry.Restrictions) > 0 || len(restrictions) == 0 {
		return 0
	}
	before := jsonBytes(*entry)
	entry.Restrictions = restrictions
	more = jsonBytes(*entry) - before
	entry.Bytes += more
	return more
}

func (q *Queue) restrictionsOf(ref protocol.TypeRef) protocol.Restrictions {
	for _, t := range q.restricted {
		if slices.Contains(t.Refs, ref) {
			return t.Restrictions
		}
	}
	return nil
}

// check refuses what its state or its type does not take.
func (e Entry) check(status protocol.StatusCode, action protocol.Action) error {
	return protocol.CheckRestricted(e.Operation.ID, status, e.Restrictions, action)
}
