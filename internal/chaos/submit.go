package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// submission is one operation of a submitter's log.
type submission struct {
	ID            string     `json:"id"`
	Token         string     `json:"token,omitempty"`
	Hash          string     `json:"hash"`
	Version       int        `json:"version"`
	PostponeUntil *time.Time `json:"postponeUntil,omitempty"`
	// Type is that of the operation; First and Count are those of one that recurs.
	Type  protocol.TypeRef `json:"type,omitempty"`
	First *time.Time       `json:"first,omitempty"`
	Count int              `json:"count,omitempty"`
	// Parts are those of an import or a mailing.
	Parts int `json:"parts,omitempty"`
}

// submission is what the log says of it.
func (p planned) submission(o protocol.Operation) submission {
	s := submission{ID: p.ID, Token: p.Token, Hash: o.ContentHash(), Version: p.Work.Version, PostponeUntil: o.PostponeUntil, Type: p.Type, Parts: p.Work.Parts}
	if p.Recurs != nil {
		s.First, s.Count = o.RecurrenceStartTime, p.Recurs.Count
	}
	return s
}

// submitLine is one line of a submitter's log: what it calls for, or the answer.
type submitLine struct {
	Event       string       `json:"event"` // call or answer
	At          time.Time    `json:"at"`
	Submitter   int          `json:"submitter"`
	Step        int          `json:"step"`
	Submissions []submission `json:"submissions,omitempty"`
	// Verb is what is asked for, of the operation ID or of its Token; Status how the
	// answer says that it stands.
	Verb   string              `json:"verb,omitempty"`
	ID     string              `json:"id,omitempty"`
	Token  string              `json:"token,omitempty"`
	Until  *time.Time          `json:"until,omitempty"`
	NewID  string              `json:"newId,omitempty"`
	Status protocol.StatusCode `json:"status,omitempty"`
	// Acknowledged says that the answer is a yes; Error is the last no.
	Acknowledged bool   `json:"acknowledged,omitempty"`
	Tries        int    `json:"tries,omitempty"`
	Error        string `json:"error,omitempty"`
}

// submitter sends the steps of a plan.
type submitter struct {
	number  int
	begin   time.Time
	client  *opclient.Client
	journal *journal
}

// submitterFlags are how the harness starts a submitter.
type submitterFlags struct {
	number                            int
	address, namespace, journal, plan string
	begin, until                      time.Time
}

func parseSubmitter(args []string) (f submitterFlags, err error) {
	set := flag.NewFlagSet(submitCommand, flag.ContinueOnError)
	set.IntVar(&f.number, "number", 0, "")
	set.StringVar(&f.address, "address", "", "")
	set.StringVar(&f.namespace, "namespace", "", "")
	set.StringVar(&f.journal, "journal", "", "")
	set.StringVar(&f.plan, "plan", "", "")
	set.TextVar(&f.begin, "begin", time.Time{}, "")
	set.TextVar(&f.until, "until", time.Time{}, "")
	return f, set.Parse(args)
}

// runSubmitter is a submitter process.
func runSubmitter(ctx context.Context, args []string) error {
	f, err := parseSubmitter(args)
	if err != nil {
		return err
	}
	encoded, err := os.ReadFile(f.plan)
	if err != nil {
		return err
	}
	var steps []step
	if err := json.Unmarshal(encoded, &steps); err != nil {
		return err
	}
	s := submitter{number: f.number, begin: f.begin}
	if s.journal, err = openJournal(f.journal); err != nil {
		return err
	}
	defer s.journal.close()
	ctx, cancel := context.WithDeadline(ctx, f.until)
	defer cancel()
	temporal, err := dial(ctx, f.address, f.namespace)
	if err != nil {
		return err
	}
	defer temporal.Close()
	s.client = opclient.New(temporal, opclient.Options{RetryFor: 5 * time.Second})
	return s.all(ctx, steps)
}

// all does the steps, one lane beside the other.
func (s *submitter) all(ctx context.Context, steps []step) error {
	errs := make([]error, lanes)
	var done sync.WaitGroup
	for lane := range lanes {
		done.Go(func() {
			for number, step := range steps {
				if step.Lane != lane {
					continue
				}
				if errs[lane] = s.do(ctx, number, step); errs[lane] != nil {
					return
				}
			}
		})
	}
	done.Wait()
	return errors.Join(errs...)
}

// do takes one step at its time, and again until it is answered: what comes
// later in this lane must not overtake it.
func (s *submitter) do(ctx context.Context, number int, step step) error {
	if !pause(ctx, time.Until(s.begin.Add(step.At))) {
		return fmt.Errorf("the time was over before step %d", number)
	}
	line := submitLine{Event: "call", At: time.Now(), Submitter: s.number, Step: number}
	var operations []protocol.Operation
	for _, p := range step.Operations {
		o := p.operation(s.begin)
		operations = append(operations, o)
		line.Submissions = append(line.Submissions, p.submission(o))
	}
	if step.Cancel != nil {
		line.Verb, line.ID = protocol.CancelUpdateName, step.Cancel.ID
	}
	if step.Ask != nil {
		line.asking(*step.Ask)
	}
	if err := s.journal.write(line); err != nil {
		return err
	}
	answer := s.ask(ctx, func() (status protocol.StatusCode, err error) {
		switch {
		case step.Cancel != nil:
			return s.cancel(ctx, *step.Cancel)
		case step.Ask != nil:
			return s.askFor(ctx, *step.Ask, line.Until)
		}
		return status, s.submit(ctx, operations)
	})
	answer.Submitter, answer.Step = s.number, number
	return s.journal.write(answer)
}

// ask repeats a request until it is answered for good or the time is over.
func (s *submitter) ask(ctx context.Context, request func() (protocol.StatusCode, error)) submitLine {
	for tries := 1; ; tries++ {
		status, err := request()
		answer := submitLine{Event: "answer", At: time.Now(), Tries: tries, Status: status, Acknowledged: err == nil}
		if err != nil {
			answer.Error = err.Error()
		}
		if err == nil || isFinal(err) || !pause(ctx, 200*time.Millisecond) {
			return answer
		}
	}
}

func (s *submitter) cancel(ctx context.Context, o planned) (protocol.StatusCode, error) {
	bounded, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	record, err := s.client.Cancel(bounded, o.ID, o.Token, "by chaos")
	return record.StatusCode, err
}

// submit sends one alone or a batch.
func (s *submitter) submit(ctx context.Context, operations []protocol.Operation) error {
	if len(operations) == 1 {
		_, err := s.client.Submit(ctx, operations[0])
		return err
	}
	var refused []error
	_, err := s.client.SubmitMany(ctx, opclient.Items(operations...), func(r opclient.Result) {
		if r.Delivery == opclient.Refused {
			refused = append(refused, r.Err)
		}
	})
	return errors.Join(append(refused, err)...)
}

// isFinal says that a repeat would be refused the same way.
func isFinal(err error) bool {
	var field *protocol.FieldError
	return errors.As(err, &field) || errors.Is(err, opclient.ErrDuplicateID) || errors.Is(err, opclient.ErrInvalidTransition) ||
		errors.Is(err, opclient.ErrInvalidOperation) || errors.Is(err, opclient.ErrNotFound)
}
