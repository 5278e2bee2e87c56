package e2e

import (
	"errors"
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// lifeRaces are those of one request, or two, against a handler that runs.
var lifeRaces = []race{
	{"pause and the handler's end", against(plan{}, (*round).pause), []string{
		"acknowledged, paused, Succeeded", "acknowledged, outrun, Succeeded", "refused, outrun, Succeeded",
	}},
	{"postpone and the handler's end", against(plan{}, (*round).postpone), []string{
		"acknowledged, postponed, Succeeded", "acknowledged, outrun, Succeeded", "refused, outrun, Succeeded",
	}},
	{"cancel and the handler's end", against(plan{}, (*round).cancel), []string{
		"acknowledged, Canceled", "acknowledged, outrun, Succeeded", "refused, outrun, Succeeded",
	}},
	{"cancel and the handler's failure", against(plan{Fails: true}, (*round).cancel), []string{
		"acknowledged, Canceled", "acknowledged, outrun, Failed", "refused, outrun, Failed",
	}},
	{"pause and the engine's retry", against(plan{Retries: 2}, (*round).pause), []string{
		"acknowledged, paused, Succeeded", "acknowledged, outrun, Succeeded", "refused, outrun, Succeeded",
	}},
	{"postpone and the engine's retry", against(plan{Retries: 2}, (*round).postpone), []string{
		"acknowledged, postponed, Succeeded", "acknowledged, outrun, Succeeded", "refused, outrun, Succeeded",
	}},
	{"cancel and the engine's retry", against(plan{Retries: 2}, (*round).cancel), []string{
		"acknowledged, Canceled", "acknowledged, outrun, Succeeded", "refused, outrun, Succeeded",
	}},
	{"resume and the engine's retry", against(plan{Retries: 2}, (*round).resume), []string{
		"acknowledged, outrun, Succeeded", "refused, outrun, Succeeded",
	}},
	{"cancel and pause", bothAgainst((*round).cancel, (*round).pause), []string{
		"acknowledged and acknowledged, Canceled", "acknowledged and refused, Canceled",
		"acknowledged and acknowledged, outrun, Succeeded", "acknowledged and refused, outrun, Succeeded",
		"refused and acknowledged, outrun, Succeeded", "refused and refused, outrun, Succeeded",
	}},
	{"pause and postpone", bothAgainst((*round).pause, (*round).postpone), []string{
		"acknowledged and acknowledged, paused, Succeeded", "acknowledged and acknowledged, postponed, Succeeded",
		"acknowledged and refused, paused, Succeeded", "refused and acknowledged, postponed, Succeeded",
		"acknowledged and acknowledged, outrun, Succeeded", "acknowledged and refused, outrun, Succeeded",
		"refused and acknowledged, outrun, Succeeded", "refused and refused, outrun, Succeeded",
	}},
}

// Requests about the n-th operation of a round.

func (r *round) pause(n int) (asked, error) {
	return ask(r.client.Pause(r.ctx, r.submitted[n], r.in, "race"))
}

func (r *round) cancel(n int) (asked, error) {
	return ask(r.client.Cancel(r.ctx, r.submitted[n], r.in, "race"))
}

func (r *round) resume(n int) (asked, error) {
	return ask(r.client.Resume(r.ctx, r.submitted[n], r.in, "race"))
}

func (r *round) postpone(n int) (asked, error) {
	return ask(r.client.Postpone(r.ctx, r.submitted[n], r.in, time.Now().Add(2*time.Second), "race"))
}

// against plays one request against a handler that ends, or is retried, at about
// the same time. Now and then it comes early enough for the handler to hear of
// it.
func against(p plan, request func(*round, int) (asked, error)) func(*round) (string, error) {
	return func(r *round) (string, error) {
		answered, err := r.meet(p, func() (asked, error) { return request(r, 0) })
		if err != nil {
			return "", err
		}
		return r.ending(answered.String(), answered.record, 0)
	}
}

// bothAgainst plays two requests against each other.
func bothAgainst(one, other func(*round, int) (asked, error)) func(*round) (string, error) {
	return func(r *round) (string, error) {
		var second asked
		first, err := r.meet(plan{}, func() (first asked, err error) {
			err = atOnce(
				func() (err error) { first, err = one(r, 0); return },
				func() (err error) { second, err = other(r, 0); return },
			)
			return first, err
		})
		if err != nil {
			return "", err
		}
		return r.ending(fmt.Sprintf("%s and %s", first, second), first.record, 0)
	}
}

// meet submits an operation, and makes a request around the end of its first
// attempt.
func (r *round) meet(p plan, request func() (asked, error)) (asked, error) {
	p.Ms = int(r.between(100*time.Millisecond, 500*time.Millisecond).Milliseconds())
	early := r.rng.IntN(3) == 0
	if early { // a handler hears of it with its next heartbeat, after up to 0.8 s
		p.Ms += 1500
	}
	if err := r.submit("", planned(p)); err != nil {
		return asked{}, err
	}
	if err := r.began(0); err != nil {
		return asked{}, err
	}
	end := r.started(r.submitted[0])[0].begin.Add(time.Duration(p.Ms) * time.Millisecond)
	switch {
	case early:
		return request()
	case p.Retries > 0: // after 0.2 s and after 0.4 s, and each takes as long again
		end = end.Add(r.between(0, 700*time.Millisecond+2*time.Duration(p.Ms)*time.Millisecond))
	}
	return r.strike(end, request)
}

// ending brings the n-th operation to its end and tells how it got there.
// acknowledged is the record that a request answered, if any.
func (r *round) ending(answer string, acknowledged protocol.Record, n int) (string, error) {
	last, _, err := r.settle(n)
	if err != nil {
		return "", err
	}
	switch {
	case acknowledged.StatusCode.Terminal() && acknowledged.StatusCode != last.StatusCode:
		return "", fmt.Errorf("was answered as %s and ended %s", acknowledged.StatusCode, last.StatusCode)
	case last.StatusCode == protocol.Canceled:
		return tale(answer, last.StatusCode), nil
	case last.N > 1:
		return tale(answer, r.waitOf(last), last.StatusCode), nil
	}
	return tale(answer, "outrun", last.StatusCode), nil
}

// waitOf is what an operation that was called twice waited for between: one that
// was paused was resumed, one that was postponed began again by itself.
func (r *round) waitOf(last protocol.Record) string {
	if last.LastAction != nil && last.LastAction.Action == protocol.ActionResume {
		return "paused"
	}
	return "postponed"
}

// waitRaces are those about an operation that waits.
var waitRaces = []race{
	{"postpone and resume of one that waits", postponeAndResume, []string{"Ready", "postponed again"}},
	{"cancel and resume of one that waits", cancelAndResume, []string{
		"acknowledged and acknowledged, Canceled", "acknowledged and refused, Canceled",
		"acknowledged and acknowledged, Succeeded", "refused and acknowledged, Succeeded",
	}},
	{"postpone and the instant", postponeAtTheInstant, []string{
		"acknowledged, waited longer", "acknowledged, stopped and waited longer", "acknowledged, outrun", "refused, outrun",
	}},
	{"cancel and the instant", cancelAtTheInstant, []string{
		"acknowledged, never started", "acknowledged, Canceled while it ran", "acknowledged, outrun", "refused, outrun",
	}},
}

// waits submits an operation that is postponed for so long.
func (r *round) waits(after time.Duration, p plan) (due time.Time, err error) {
	o := planned(p)
	due = time.Now().Add(after)
	o.PostponeUntil = &due
	if err := r.submit("", o); err != nil {
		return due, err
	}
	return due, r.until("it waits", lookPace, func() bool {
		found, err := r.client.Get(r.ctx, r.submitted[0], "")
		return err == nil && found.Source == opclient.FromQuery
	})
}

func postponeAndResume(r *round) (string, error) {
	if _, err := r.waits(time.Hour, plan{}); err != nil {
		return "", err
	}
	var later, now asked
	err := atOnce(
		func() (err error) {
			later, err = ask(r.client.Postpone(r.ctx, r.submitted[0], "", time.Now().Add(2*time.Hour), ""))
			return
		},
		func() (err error) { now, err = r.resume(0); return },
	)
	if err != nil {
		return "", err
	}
	last, waits, err := r.settle(0)
	switch {
	case err != nil:
	case last.StatusCode != protocol.Succeeded:
		err = fmt.Errorf("ended %s", last.StatusCode)
	case !now.accepted:
		err = fmt.Errorf("resume was refused: %w", now.refusal)
	case len(waits) > 0 && !later.accepted:
		err = errors.New("it waits although the postponement was refused")
	case len(waits) > 0:
		return "postponed again", nil
	}
	return "Ready", err
}

func cancelAndResume(r *round) (string, error) {
	if _, err := r.waits(time.Hour, plan{Ms: 20}); err != nil {
		return "", err
	}
	var end, now asked
	err := atOnce(
		func() (err error) { end, err = r.cancel(0); return },
		func() (err error) { now, err = r.resume(0); return },
	)
	if err != nil {
		return "", err
	}
	last, _, err := r.settle(0)
	if end.record.StatusCode.Terminal() && len(r.started(r.submitted[0])) > 0 {
		err = errors.Join(err, errors.New("it was answered as Canceled and ran"))
	}
	return tale(fmt.Sprintf("%s and %s", end, now), last.StatusCode), err
}

func postponeAtTheInstant(r *round) (string, error) {
	due, err := r.waits(1500*time.Millisecond, plan{Ms: int(r.between(0, 1500*time.Millisecond).Milliseconds())})
	if err != nil {
		return "", err
	}
	until := due.Add(2500 * time.Millisecond)
	answered, err := r.strike(due.Add(r.between(0, 100*time.Millisecond)), func() (asked, error) {
		return ask(r.client.Postpone(r.ctx, r.submitted[0], "", until, ""))
	})
	if err != nil {
		return "", err
	}
	last, _, err := r.settle(0)
	starts := r.started(r.submitted[0])
	switch {
	case err != nil:
	case starts[0].begin.Before(due):
		err = fmt.Errorf("started %v before its instant", due.Sub(starts[0].begin))
	case last.N == 2 && starts[len(starts)-1].begin.Before(until), len(starts) == 1 && answered.record.StatusCode == protocol.Waiting && starts[0].begin.Before(until):
		err = errors.New("started before its second instant")
	case answered.record.StatusCode == protocol.Waiting:
		return tale(answered, "waited longer"), nil
	case last.N == 2:
		return tale(answered, "stopped and waited longer"), nil
	}
	return tale(answered, "outrun"), err
}

func cancelAtTheInstant(r *round) (string, error) {
	due, err := r.waits(1500*time.Millisecond, plan{Ms: int(r.between(0, 1500*time.Millisecond).Milliseconds())})
	if err != nil {
		return "", err
	}
	answered, err := r.strike(due.Add(r.between(0, 100*time.Millisecond)), func() (asked, error) { return r.cancel(0) })
	if err != nil {
		return "", err
	}
	last, _, err := r.settle(0)
	starts := len(r.started(r.submitted[0]))
	switch {
	case err != nil:
	case answered.record.StatusCode == protocol.Canceled && starts > 0:
		err = errors.New("it was answered as Canceled and ran")
	case last.StatusCode == protocol.Canceled && last.N == 0:
		return tale(answered, "never started"), nil
	case last.StatusCode == protocol.Canceled:
		return tale(answered, "Canceled while it ran"), nil
	}
	return tale(answered, "outrun"), err
}
