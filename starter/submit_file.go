package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// batch is one submit --file.
type batch struct {
	app        *app
	operations *opclient.Client
	results    series
	progress   progress
	summary    opclient.Summary
	// submitted is what to wait for.
	submitted []submitted
	wait      bool
	err       error
}

type submitted struct{ id, token string }

func (a *app) submitFile(c *cobra.Command, f submitFlags) error {
	input, closeInput, err := a.open(f.file)
	if err != nil {
		return err
	}
	defer closeInput()
	known, err := a.catalogueOf(f.config)
	if err != nil {
		return err
	}
	operations, closeClient, err := a.connect(c, opclient.Options{MaxOperationBytes: f.maxOperationBytes, Notice: a.fewNotes(), Catalogue: known})
	if err != nil {
		return err
	}
	defer closeClient()
	b := &batch{app: a, operations: operations, results: series{app: a}, progress: progress{progressLine: progressLine{w: a.stderr, on: a.terminal(a.stderr)}}, wait: f.wait}
	return b.run(a.traced(c.Context()), input)
}

// fewNotes notes the first of many of one kind.
func (a *app) fewNotes() func(string) {
	var told atomic.Int32
	return func(text string) {
		if told.Add(1) <= maxTold {
			a.note(text)
		}
	}
}

func (a *app) open(name string) (io.Reader, func(), error) {
	if name == "-" {
		return a.stdin, func() {}, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("--file: %w", err)
	}
	return file, func() { _ = file.Close() }, nil // it was only read
}

func (b *batch) run(ctx context.Context, input io.Reader) error {
	lines := opclient.ReadJSONLines(input)
	summary, err := b.operations.SubmitMany(ctx, lines.All(), b.report)
	b.progress.clear()
	b.summary = summary
	err = errors.Join(err, lines.Err())
	var waited error
	if b.wait {
		waited = b.waitAll(ctx)
	}
	if err := errors.Join(b.err, b.results.end()); err != nil {
		return err
	}
	b.printSummary()
	switch {
	case err != nil:
		return err
	case summary.Refused > 0:
		return &someRefusedError{fmt.Sprintf("%d of %d operations were refused", summary.Refused, summary.Read)}
	}
	return waited
}

// resultOutput is what became of one line, as machines read it.
type resultOutput struct {
	Line            int               `json:"line"`
	ID              string            `json:"id,omitempty"`
	DependencyToken string            `json:"dependencyToken,omitempty"`
	WorkflowID      string            `json:"workflowId,omitempty"`
	Delivery        opclient.Delivery `json:"delivery"`
	Error           string            `json:"error,omitempty"`
}

// maxTold is how many lines of a kind other than refused are told on stderr;
// they all have the same reason.
const maxTold = 5

func (b *batch) report(r opclient.Result) {
	b.progress.count(r.Delivery)
	if r.Err != nil && !errors.Is(r.Err, context.Canceled) && (r.Delivery == opclient.Refused || b.progress.counts[r.Delivery] <= maxTold) {
		b.progress.clear()
		b.tell(r)
	}
	if b.wait {
		if r.Delivery == opclient.Accepted || r.Delivery == opclient.Duplicate {
			b.submitted = append(b.submitted, submitted{r.ID, r.Token})
		}
		return
	}
	value := resultOutput{Line: r.Line, ID: r.ID, DependencyToken: r.Token, WorkflowID: r.WorkflowID, Delivery: r.Delivery}
	if r.Err != nil {
		value.Error = r.Err.Error()
	}
	if err := b.results.add(value); err != nil && b.err == nil {
		b.err = err
	}
}

// tell says on stderr why a line was not accepted.
func (b *batch) tell(r opclient.Result) {
	a := b.app
	if a.output == outputJSON || a.output == outputJSONL {
		body := bodyOf(r.Err)
		body.Line, body.OperationID = r.Line, r.ID
		_ = a.encode(a.stderr, errorOutput{body}) // nothing is left to tell it to
		return
	}
	id := ""
	if r.ID != "" {
		id = fmt.Sprintf(" (%s)", printable(r.ID))
	}
	fmt.Fprintf(a.stderr, "line %d%s: %s: %s\n", r.Line, id, deliveryText(r.Delivery), printableLines(r.Err.Error(), "  "))
}

func deliveryText(d opclient.Delivery) string {
	switch d {
	case opclient.NotSubmitted:
		return "not submitted"
	case opclient.Unanswered:
		return "no answer"
	}
	return string(d)
}

// waitAll waits for all that was accepted, some at a time.
func (b *batch) waitAll(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(16)
	var mu sync.Mutex
	var bad int
	var problems []error
	for _, one := range b.submitted {
		group.Go(func() error {
			found, err := b.operations.Handle(one.id, one.token).Wait(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				problems = append(problems, err)
				return nil
			}
			if found.StatusCode != protocol.Succeeded {
				bad++
			}
			return b.printEnd(found)
		})
	}
	err := group.Wait()
	if len(problems) > 0 {
		return fmt.Errorf("%d of %d operations could not be waited for; the first: %w", len(problems), len(b.submitted), problems[0])
	}
	if err == nil && bad > 0 {
		err = &outcomeError{fmt.Sprintf("%d of %d operations ended Failed or Canceled", bad, len(b.submitted))}
	}
	return err
}

func (b *batch) printEnd(found opclient.Found) error {
	if b.app.output == outputText {
		_, err := fmt.Fprintf(b.app.stdout, "%-10s %s %s\n", found.StatusCode, printable(found.ID), printable(found.Message))
		return err
	}
	return b.results.add(outputOf(found))
}

// printSummary closes: to stdout as text, else to stderr.
func (b *batch) printSummary() {
	a := b.app
	switch a.output {
	case outputText:
		fmt.Fprintln(a.stdout, summaryText(b.summary))
	case outputJSON, outputJSONL:
		_ = a.encode(a.stderr, map[string]any{"summary": b.summary}) // as fail
	}
}

func summaryText(s opclient.Summary) string {
	return fmt.Sprintf("%d read: %d accepted", s.Read, s.Accepted) + countsAfter([]counted{
		{s.Duplicates, "there already"},
		{s.Refused, "refused"},
		{s.NotSubmitted, "not submitted"},
		{s.Unanswered, "without an answer"},
	})
}

// progress counts what became of the lines.
type progress struct {
	progressLine
	counts map[opclient.Delivery]int
}

func (p *progress) count(d opclient.Delivery) {
	if p.counts == nil {
		p.counts = make(map[opclient.Delivery]int)
	}
	p.counts[d]++
	p.show(fmt.Sprintf("%d accepted, %d refused", p.counts[opclient.Accepted]+p.counts[opclient.Duplicate], p.counts[opclient.Refused]))
}
