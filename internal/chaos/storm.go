package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

const (
	// settleTimeout is how long nothing may end, once the faults are over, while
	// something is unfinished (I10).
	settleTimeout = 90 * time.Second
	// slack is what a busy machine may take longer until all has ended, and again
	// to read what happened.
	slack = 5 * time.Minute
	// leastObserveTime is kept back for the start, and for reading what happened;
	// it is more where there is more to read.
	leastObserveTime = 60 * time.Second
)

func (o options) observeTime() time.Duration {
	return max(leastObserveTime, time.Duration(o.operations)*20*time.Millisecond)
}

// storm runs it all. The report is nil where there was nothing to judge. A long
// run that is interrupted ends load and faults, and is judged by what there was.
func storm(ctx context.Context, o options, progress io.Writer) (r *report, err error) {
	folder, err := openFolder(o.folder)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	whole := ctx
	if o.long {
		whole = context.WithoutCancel(ctx)
	}
	bounded, cancel := context.WithTimeout(whole, o.limit+2*slack)
	defer cancel()
	_, _ = fmt.Fprintf(progress, "Seed %d, logs in %s\n", o.seed, folder)
	s, err := openSite(bounded, o, folder, progress)
	if err == nil {
		defer s.close()
		r, err = s.run(bounded, ctx, o, progress)
	}
	if r != nil {
		r.Seconds = math.Round(time.Since(begin).Seconds()*10) / 10
	}
	if err == nil && r.OK && o.folder == "" {
		s.close()
		return r, os.RemoveAll(folder)
	}
	if err != nil || !r.OK {
		err = errors.Join(err, fmt.Errorf("the logs are kept in %s", folder))
	}
	return r, err
}

// openFolder makes the folder for the logs; logs of another run would be taken
// for this one's.
func openFolder(wanted string) (string, error) {
	if wanted == "" {
		return os.MkdirTemp("", "seriatim-chaos-")
	}
	if err := os.MkdirAll(wanted, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(wanted)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("--folder: %s is not empty", wanted)
	}
	return wanted, err
}

// run is load and faults until wanted is done, then peace, then judgement.
func (s *site) run(ctx, wanted context.Context, o options, progress io.Writer) (*report, error) {
	window := o.limit - settleTimeout - o.observeTime()
	p := newPlan(o, window)
	if err := s.bulk.write(p); err != nil {
		return nil, err
	}
	begin := time.Now()
	until := begin.Add(window + slack/2)
	if err := s.startSubmitters(p, begin, until); err != nil {
		return nil, err
	}
	defer context.AfterFunc(wanted, s.endSubmitters)()
	tending, stop := context.WithCancel(ctx)
	caretaker, err := s.startCaretaker(tending, begin, p.long())
	if err != nil {
		stop()
		return nil, err
	}
	s.inflict(wanted, p.Faults, begin, progress)
	settling, give := context.WithDeadline(ctx, begin.Add(window+settleTimeout+slack))
	defer give()
	err = s.settle(settling, wanted, caretaker, begin, progress)
	stop()
	<-caretaker.done
	if err != nil {
		return nil, errors.Join(err, s.problemsSoFar())
	}
	_, _ = fmt.Fprintf(progress, "%6.1f s  reading logs and histories\n", time.Since(begin).Seconds())
	return s.judge(ctx, o, wanted.Err() != nil, progress)
}

// settle waits, with the faults over, until the submitters are done, and nothing
// runs any more or nothing ends any more.
func (s *site) settle(ctx, wanted context.Context, caretaker *caretaker, begin time.Time, progress io.Writer) error {
	_, _ = fmt.Fprintf(progress, "%6.1f s  the faults are over\n", time.Since(begin).Seconds())
	s.reviveWorkers()
	for _, p := range s.submitters {
		select {
		case <-p.exited:
			if p.err != nil && wanted.Err() == nil {
				s.problem(fmt.Errorf("%s: %w, see its log", p.name, p.err))
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	caretaker.finishing.Store(true)
	caretaker.ending.Store(wanted.Err() != nil)
	ended, since := int64(-1), time.Now()
	for time.Since(since) < settleTimeout && pause(ctx, time.Second) {
		running, err := s.list(ctx, "ExecutionStatus = 'Running'")
		if err == nil && len(running) == 0 {
			return nil
		}
		closed, err := s.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: "ExecutionStatus != 'Running' AND WorkflowType = " + protocol.QuoteForQuery(protocol.OperationWorkflow),
		})
		if err == nil && closed.GetCount() != ended {
			ended, since = closed.GetCount(), time.Now()
		}
	}
	return nil
}

// endSubmitters has them send nothing more.
func (s *site) endSubmitters() {
	for _, p := range s.submitters {
		go func() { _ = p.terminate() }()
	}
}

// reviveWorkers replaces workers that ended by themselves.
func (s *site) reviveWorkers() {
	for _, at := range s.slots {
		at.mu.Lock()
		if at.worker.hasExited() {
			s.problem(fmt.Errorf("%s ended by itself: %v", at.worker.name, at.worker.err))
			s.problem(s.startWorker(at))
		}
		at.mu.Unlock()
	}
}

// judge reads the evidence, has it checked, and reports.
func (s *site) judge(ctx context.Context, o options, interrupted bool, progress io.Writer) (*report, error) {
	e := evidence{writes: s.target.all(), processes: s.lives(), broken: s.wire.broken(), serviceStops: s.serviceStops}
	if err := errors.Join(e.readSubmitters(s.folder), e.readWorkers(s.folder), e.readBulk(s.bulk)); err != nil {
		return nil, err
	}
	observed, err := s.observe(ctx, &e)
	if err != nil {
		return nil, fmt.Errorf("read the server's records: %w", err)
	}
	c := check(e)
	if !interrupted {
		s.checkCounts(o)
	}
	r := s.report(o, c, observed, progress)
	r.Interrupted = interrupted
	return r, s.problemsSoFar()
}

// checkCounts is a problem where the run was not the one that was asked for.
func (s *site) checkCounts(o options) {
	all := map[faultKind]int{
		killWorker: o.workerKills, killServer: o.serverKills, cutWire: o.wireCuts, stallWire: o.wireStalls,
		stopType: o.serviceStops,
	}
	if o.db == onPostgres {
		all[endBackend], all[killBackend] = o.backendEnds, o.backendKills
		recoveries, err := s.database.Recoveries()
		if s.problem(err); recoveries < o.backendKills {
			s.problem(fmt.Errorf("the database recovered %d times, not %d", recoveries, o.backendKills))
		}
	}
	for kind, wanted := range all {
		if done := s.counts[kind]; done < wanted {
			s.problem(fmt.Errorf("%s: done %d times, not %d", kind, done, wanted))
		}
	}
}

// keepFindings writes what was violated beside the logs and says the first of
// each.
func (s *site) keepFindings(f findings, progress io.Writer) {
	file, err := os.Create(filepath.Join(s.folder, "findings.txt"))
	if err != nil {
		s.problem(err)
		return
	}
	defer func() { _ = file.Close() }()
	for i, list := range f {
		for n, text := range list {
			_, _ = fmt.Fprintf(file, "I%d %s\n", i+1, text)
			if n < 5 {
				_, _ = fmt.Fprintf(progress, "I%d %s\n", i+1, text)
			}
		}
	}
}
