package mail

import (
	"cmp"
	"context"
	"crypto/sha256"
	"iter"
)

// list is the recipients in an order that is the same in every attempt. An error
// ends it.
type list func(ctx context.Context) iter.Seq2[recipient, error]

// inline is a list in the operation's data.
func inline(recipients []recipient) list {
	return func(context.Context) iter.Seq2[recipient, error] {
		return func(yield func(recipient, error) bool) {
			for _, r := range recipients {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// place is one entry of the list, judged.
type place struct {
	recipient
	// at counts entries from 0.
	at int
	// address is the recipient's in its one spelling, empty where the recipient's
	// problem says why it is none.
	address string
	// duplicate is behind an entry with the same address, suppressed is one that
	// gets nothing.
	duplicate, suppressed bool
	// digest stands for the addresses of all entries up to this one.
	digest [32]byte
}

// skipped says that nothing is sent, which is nobody's mistake.
func (p place) skipped() bool { return p.duplicate || p.suppressed }

// shown is the address for a list of rejections.
func (p place) shown() string { return cmp.Or(p.address, p.To) }

// places goes through the list from its beginning, also where an earlier attempt
// had gone: an address is found to be there twice only by who has seen it once.
func (j *job) places(ctx context.Context) iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		seen := make(map[key]bool)
		p := place{at: -1}
		for r, err := range j.list(ctx) {
			if err != nil {
				yield(place{}, err)
				return
			}
			p = j.judge(p, r, seen)
			if !yield(p, nil) {
				return
			}
		}
	}
}

// judge is the place behind the one before.
func (j *job) judge(before place, r recipient, seen map[key]bool) place {
	p := place{recipient: r, at: before.at + 1}
	p.digest = sha256.Sum256(append(before.digest[:], r.To...))
	if r.problem != "" {
		return p
	}
	address, err := parseRecipient(r.To)
	if err != nil {
		p.problem = err.Error()
		return p
	}
	id := keyOf(address)
	p.address, p.duplicate, p.suppressed = address, seen[id], j.suppress[id]
	seen[id] = true
	return p
}
