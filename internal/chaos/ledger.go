package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// longSizes are the defaults of a piece of a long run: five pieces have more than
// 500 kills of workers, 100 of the server and 20,000 operations.
var longSizes = map[string]string{
	"operations": "4200", "tokens": "40", "worker-kills": "105", "server-kills": "21",
	"wire-cuts": "20", "wire-stalls": "20", "service-stops": "12", "recurrences": "20", "limit": "30m",
}

// makeLong sets what was not given.
func makeLong(set *flag.FlagSet) {
	given := make(map[string]bool)
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range longSizes {
		if !given[name] {
			_ = set.Set(name, value) // constants
		}
	}
}

// runPieces runs one piece after another, until one fails or is interrupted.
func runPieces(ctx context.Context, o options, stdout, stderr io.Writer) (exit int) {
	for n := range o.pieces {
		piece := o
		piece.seed += uint64(n)
		r, err := runOnce(ctx, piece, stdout, stderr)
		if err := addToLedger(o.ledger, r, piece.seed, err); err != nil {
			_, _ = fmt.Fprintf(stderr, "chaos: %v\n", err)
			return 1
		}
		if r == nil || !r.OK {
			exit = 1
		}
		if exit != 0 || ctx.Err() != nil {
			break
		}
	}
	sum, err := sumLedger(o.ledger)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "chaos: %v\n", err)
		return 1
	}
	_, _ = fmt.Fprintf(stdout, "%s\n", sum)
	return exit
}

// leftOut is the ledger's line of a piece that could not be judged.
type leftOut struct {
	Seed  uint64 `json:"seed"`
	Error string `json:"error"`
	OK    bool   `json:"ok"`
}

// addToLedger adds what a piece counted, or why nothing of it counts.
func addToLedger(path string, r *report, seed uint64, cause error) error {
	ledger, err := openJournal(path)
	if err != nil {
		return err
	}
	defer ledger.close()
	if r == nil {
		return ledger.write(leftOut{Seed: seed, Error: fmt.Sprint(cause)})
	}
	return ledger.write(r)
}

// totalPath is where the total of a ledger is.
func totalPath(ledger string) string {
	return strings.TrimSuffix(ledger, filepath.Ext(ledger)) + "-total.json"
}

// sumLedger adds the pieces up, and writes the total beside them.
func sumLedger(path string) (encoded []byte, err error) {
	pieces, err := readJournal[map[string]any](path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no pieces", path)
	}
	if err != nil {
		return nil, err
	}
	encoded, _ = json.Marshal(total(pieces)) // plain data
	return encoded, os.WriteFile(totalPath(path), append(encoded, '\n'), 0o644)
}

// total is the sum of every count of the pieces. ok says that all of them were;
// one that is left out adds nothing, and is not ok.
func total(pieces []map[string]any) map[string]any {
	sums := make(map[string]float64)
	ok, interrupted, left := len(pieces) > 0, 0, 0
	for _, piece := range pieces {
		if piece["ok"] != true {
			ok = false
		}
		if piece["interrupted"] == true {
			interrupted++
		}
		if piece["error"] != nil {
			left++
			continue
		}
		for name, value := range piece {
			if number, is := value.(float64); is && name != "seed" {
				sums[name] += number
			}
		}
	}
	all := map[string]any{"pieces": len(pieces) - left, "leftOut": left, "interrupted": interrupted, "ok": ok}
	for name, sum := range sums {
		all[name] = sum
	}
	return all
}
