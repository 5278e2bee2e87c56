package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// The demo's check is worth something only if it can fail.
func TestCheckSeesEachBrokenRule(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	at := func(id string, start, end int) delivery {
		return delivery{ID: id, Start: begin.Add(time.Duration(start) * time.Second), End: begin.Add(time.Duration(end) * time.Second)}
	}
	due := begin.Add(3 * time.Second)
	accepted := []protocol.Operation{
		{ID: "A", DependencyToken: "t"},
		{ID: "B", DependencyToken: "t", PostponeUntil: &due},
		{ID: "free"},
	}
	for _, tc := range []struct {
		name      string
		delivered []delivery
		broken    []string
	}{
		{"all is well", []delivery{at("A", 0, 1), at("free", 0, 2), at("B", 4, 5)}, nil},
		{"lost", []delivery{at("A", 0, 1), at("B", 4, 5)}, []string{"free came 0 times"}},
		{"twice", []delivery{at("A", 0, 1), at("A", 1, 2), at("free", 0, 1), at("B", 4, 5)}, []string{"A came 2 times"}},
		{"overtaken", []delivery{at("A", 6, 7), at("free", 0, 1), at("B", 4, 5)}, []string{"B overtook or overlapped A of token t"}},
		{"overlapped", []delivery{at("A", 3, 5), at("free", 0, 1), at("B", 4, 6)}, []string{"B overtook or overlapped A of token t"}},
		{"early", []delivery{at("A", 0, 1), at("free", 0, 1), at("B", 2, 3)}, []string{"B came before its time " + due.String()}},
		{"stranger", []delivery{at("A", 0, 1), at("free", 0, 1), at("B", 4, 5), at("X", 0, 1)}, []string{`"X" came and was never accepted`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.broken, check(accepted, tc.delivered))
		})
	}
}
