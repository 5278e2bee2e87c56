package verify

import (
	"iter"
	"slices"
)

// span is the numbers from from up to, but not including, to.
type span struct{ from, to int64 }

// numbers is a set of whole numbers, small where they are close together.
type numbers struct{ spans []span }

// add puts the numbers of a span in.
func (n *numbers) add(from, to int64) {
	if from >= to {
		return
	}
	first, _ := slices.BinarySearchFunc(n.spans, from, func(s span, at int64) int { return compare(s.to, at) })
	last := first
	for last < len(n.spans) && n.spans[last].from <= to {
		from, to = min(from, n.spans[last].from), max(to, n.spans[last].to)
		last++
	}
	n.spans = slices.Replace(n.spans, first, last, span{from, to})
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (n *numbers) has(number int64) bool {
	at, _ := slices.BinarySearchFunc(n.spans, number+1, func(s span, to int64) int { return compare(s.to, to) })
	return at < len(n.spans) && n.spans[at].from <= number
}

// count is how many numbers are in the set.
func (n *numbers) count() (sum int64) {
	for _, s := range n.spans {
		sum += s.to - s.from
	}
	return sum
}

// without are the numbers that are not in the other set.
func (n *numbers) without(other *numbers) iter.Seq[span] {
	return func(yield func(span) bool) {
		at := 0
		for _, s := range n.spans {
			for at < len(other.spans) && other.spans[at].to <= s.from {
				at++
			}
			from := s.from
			for i := at; i < len(other.spans) && other.spans[i].from < s.to; i++ {
				if from < other.spans[i].from && !yield(span{from, other.spans[i].from}) {
					return
				}
				from = max(from, other.spans[i].to)
			}
			if from < s.to && !yield(span{from, s.to}) {
				return
			}
		}
	}
}
