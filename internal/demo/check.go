package main

import (
	"fmt"

	"github.com/seriatim-go/seriatim/protocol"
)

// check compares what the receiver recorded with what was accepted and says
// every rule that was broken: an operation that is missing or came twice, one
// that overtook another of its token or overlapped it, one that came before its
// time.
func check(accepted []protocol.Operation, delivered []delivery) (broken []string) {
	arrivals := make(map[string][]delivery, len(delivered))
	for _, d := range delivered {
		arrivals[d.ID] = append(arrivals[d.ID], d)
	}
	last := make(map[string]delivery)
	for _, o := range accepted {
		came := arrivals[o.ID]
		delete(arrivals, o.ID)
		if len(came) != 1 {
			broken = append(broken, fmt.Sprintf("%s came %d times", o.ID, len(came)))
			continue
		}
		d := came[0]
		if o.PostponeUntil != nil && d.Start.Before(*o.PostponeUntil) {
			broken = append(broken, fmt.Sprintf("%s came before its time %s", o.ID, o.PostponeUntil))
		}
		if o.DependencyToken == "" {
			continue
		}
		if before, ok := last[o.DependencyToken]; ok && d.Start.Before(before.End) {
			broken = append(broken, fmt.Sprintf("%s overtook or overlapped %s of token %s", o.ID, before.ID, o.DependencyToken))
		}
		last[o.DependencyToken] = d
	}
	for id := range arrivals {
		broken = append(broken, fmt.Sprintf("%q came and was never accepted", id))
	}
	return broken
}
