package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// exampleToken is the token of A, B and C; postponement is B's.
const (
	exampleToken = "demo-abc"
	postponement = 8 * time.Second
)

// job is the work of the demo and what became of it.
type job struct {
	*site
	out     io.Writer
	screen  *screen
	begin   time.Time
	example []protocol.Operation // A, B, C

	accepted  []protocol.Operation // in the order of each token
	repeats   int                  // lines whose id had been read before
	refused   []string
	succeeded int
	failed    []string
}

func newJob(s *site, out io.Writer) *job {
	return &job{site: s, out: out, screen: newScreen(out), begin: time.Now()}
}

// submit hands over A, B and C, then the file.
func (j *job) submit(ctx context.Context, file string) error {
	due := time.Now().Add(postponement).UTC().Truncate(time.Millisecond)
	for _, name := range []string{"A", "B", "C"} {
		o := protocol.Operation{
			ID: "demo-" + name, Name: name, OperationType: "http.request", DependencyToken: exampleToken,
			Data: json.RawMessage(fmt.Sprintf(`{"method":"POST","connection":"shops","path":"/example/%s"}`, name)),
		}
		if name == "B" {
			o.PostponeUntil = &due
		}
		if _, err := j.client.Submit(ctx, o); err != nil {
			return fmt.Errorf("submit %s: %w", name, err)
		}
		j.example = append(j.example, o)
	}
	j.accepted = append(j.accepted, j.example...)
	return j.submitFile(ctx, file)
}

func (j *job) submitFile(ctx context.Context, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	seen := make(map[string]bool)
	items := func(yield func(opclient.Item) bool) {
		for item := range opclient.ReadJSONLines(file).All() {
			if item.Err == nil && seen[item.Operation.ID] {
				j.repeats++
			} else if item.Err == nil {
				seen[item.Operation.ID] = true
				j.accepted = append(j.accepted, item.Operation)
			}
			if !yield(item) {
				return
			}
		}
	}
	summary, err := j.client.SubmitMany(ctx, items, func(r opclient.Result) {
		if r.Delivery == opclient.Refused {
			j.refused = append(j.refused, fmt.Sprintf("line %d: %v", r.Line, r.Err))
		}
	})
	if err != nil {
		return fmt.Errorf("submit %s: %w", name, err)
	}
	_, _ = fmt.Fprintf(j.out, "Submitted A, B, C and %d lines of %s in %d signals.\n\n", summary.Read, name, summary.Signals)
	return nil
}

// follow shows the work until every accepted operation has come.
func (j *job) follow(ctx context.Context) error {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		delivered := j.receiver.all()
		j.screen.show(j.table(ctx, delivered))
		if len(delivered) >= len(j.accepted) {
			return nil
		}
		select {
		case <-ticker.C:
		case err := <-j.ended:
			j.ended <- nil
			return fmt.Errorf("the worker ended (%v); it wrote:\n%s", err, j.workerLog())
		case <-ctx.Done():
			return fmt.Errorf("stopped with %d of %d operations delivered: %w", len(delivered), len(j.accepted), ctx.Err())
		}
	}
}

// conclude waits for every record, checks the receiver's own, and sums up.
func (j *job) conclude(ctx context.Context) error {
	for _, o := range j.accepted {
		found, err := j.client.Wait(ctx, o.ID, o.DependencyToken)
		if err != nil {
			return fmt.Errorf("wait for %s: %w", o.ID, err)
		}
		if found.StatusCode == protocol.Succeeded {
			j.succeeded++
		} else {
			j.failed = append(j.failed, fmt.Sprintf("%s: %s: %s", o.ID, found.ErrorCode, firstLine(found.Message)))
		}
	}
	delivered := j.receiver.all()
	broken := check(j.accepted, delivered)
	duplicates, err := j.duplicates(ctx)
	if err != nil {
		return err
	}
	if duplicates != j.repeats {
		broken = append(broken, fmt.Sprintf("%d lines repeat an id, and %d were taken for duplicates", j.repeats, duplicates))
	}
	j.screen.show(j.table(ctx, delivered))
	j.summarise(broken)
	if len(broken) > 0 {
		return fmt.Errorf("%d rules were broken, the first: %s", len(broken), broken[0])
	}
	return nil
}

func (j *job) summarise(broken []string) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(j.out, format, args...) }
	p("\nAccepted    %d operations on %d tokens and %d without, in %.1f s\n", len(j.accepted), len(j.tokens()), j.free(), time.Since(j.begin).Seconds())
	p("Duplicates  %d, acknowledged and not run again\n", j.repeats)
	p("Refused     %d\n", len(j.refused))
	for _, reason := range j.refused {
		p("              %s\n", reason)
	}
	p("Succeeded   %d\n", j.succeeded)
	p("Failed      %d\n", len(j.failed))
	for _, reason := range j.failed {
		p("              %s\n", reason)
	}
	p("Order       checked against the receiver's own record: %d broken rules\n", len(broken))
	for _, rule := range broken {
		p("              %s\n", rule)
	}
}

// duplicates is how many submissions the tokens took for repeats.
func (j *job) duplicates(ctx context.Context) (sum int, err error) {
	for _, token := range j.tokens() {
		state, err := j.client.Token(ctx, token)
		if err != nil {
			return 0, err
		}
		sum += int(state.Counts.Duplicates)
	}
	return sum, nil
}

func (j *job) tokens() (tokens []string) {
	for _, o := range j.accepted {
		if o.DependencyToken != "" && !slices.Contains(tokens, o.DependencyToken) {
			tokens = append(tokens, o.DependencyToken)
		}
	}
	return tokens
}

func (j *job) free() (n int) {
	for _, o := range j.accepted {
		if o.DependencyToken == "" {
			n++
		}
	}
	return n
}
