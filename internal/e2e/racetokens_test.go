package e2e

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// tokenRaces are those about a token's next operation, and about the token.
var tokenRaces = []race{
	{"cancel and the start from the queue", cancelAtTheStart, []string{
		"acknowledged, never started", "acknowledged, Canceled while it ran", "acknowledged, outrun", "refused, outrun",
	}},
	{"postpone and the start from the queue", postponeAtTheStart, []string{
		"acknowledged, waited", "acknowledged, stopped and waited", "acknowledged, outrun", "refused, outrun",
	}},
	{"hold and the start from the queue", holdAtTheStart, []string{
		"held before it", "held behind it", "held behind all",
	}},
	{"hold and the head's instant", holdAtTheInstant, []string{
		"held before it", "it was starting", "held behind both",
	}},
	{"rerun and skip of a failure", rerunAndSkip, []string{
		"rerun in its place, skip refused", "rerun at the end, skip acknowledged",
		"rerun in its place, skip acknowledged", // past the failure of what was run again
	}},
	{"two reruns of a failure", twoReruns, []string{
		"one in its place, one at the end",
	}},
	{"rerun and the failure", rerunAtTheFailure, []string{
		"refused", "rerun in its place",
	}},
}

// atTheStart submits three operations on the round's token, and makes a request
// around the instant at which the second takes its turn.
func (r *round) atTheStart(request func() (asked, error)) (answered asked, err error) {
	first, second := r.between(200*time.Millisecond, 600*time.Millisecond), r.between(0, 1500*time.Millisecond)
	err = r.submit(r.token, planned(plan{Ms: int(first.Milliseconds())}), planned(plan{Ms: int(second.Milliseconds())}), planned(plan{}))
	if err != nil {
		return answered, err
	}
	if err := r.began(0); err != nil {
		return answered, err
	}
	turn := r.started(r.submitted[0])[0].begin.Add(first)
	return r.strike(turn.Add(r.between(0, 500*time.Millisecond)), request)
}

// inOrder checks that the operations' handlers ran one after another.
func (r *round) inOrder() error {
	var all []start
	for _, id := range r.submitted {
		all = append(all, r.started(id)...)
	}
	return oneAtATime(all)
}

// settleAll brings all operations to their ends.
func (r *round) settleAll() error {
	for n := range r.submitted {
		if _, _, err := r.settle(n); err != nil {
			return err
		}
	}
	return nil
}

func cancelAtTheStart(r *round) (string, error) {
	answered, err := r.atTheStart(func() (asked, error) { return r.cancel(1) })
	if err := steps(answer(err), r.settleAll, r.inOrder); err != nil {
		return "", err
	}
	last, _, err := r.settle(1)
	switch starts := len(r.started(r.submitted[1])); {
	case err != nil:
	case answered.record.StatusCode == protocol.Canceled && starts > 0:
		err = errors.New("it was answered as Canceled and ran")
	case last.StatusCode == protocol.Canceled && starts == 0:
		return tale(answered, "never started"), nil
	case last.StatusCode == protocol.Canceled:
		return tale(answered, "Canceled while it ran"), nil
	}
	return tale(answered, "outrun"), err
}

func postponeAtTheStart(r *round) (string, error) {
	var until time.Time
	answered, err := r.atTheStart(func() (asked, error) {
		until = time.Now().Add(2 * time.Second)
		return ask(r.client.Postpone(r.ctx, r.submitted[1], r.token, until, ""))
	})
	if err := steps(answer(err), r.settleAll, r.inOrder); err != nil {
		return "", err
	}
	last, _, err := r.settle(1)
	starts := r.started(r.submitted[1])
	waited := !starts[len(starts)-1].begin.Before(until)
	switch {
	case err != nil:
	case answered.record.StatusCode == protocol.Waiting && (len(starts) != 1 || !waited):
		err = errors.New("it was answered as postponed and did not wait")
	case last.N == 2 && !waited:
		err = errors.New("it stopped and did not wait")
	case answered.record.StatusCode == protocol.Waiting:
		return tale(answered, "waited"), nil
	case last.N == 2:
		return tale(answered, "stopped and waited"), nil
	}
	return tale(answered, "outrun"), err
}

// heldFor is how long a round looks whether a held token starts anything.
const heldFor = 500 * time.Millisecond

func holdAtTheStart(r *round) (string, error) {
	var state protocol.SerializerState
	_, err := r.atTheStart(func() (_ asked, err error) {
		state, err = r.client.Hold(r.ctx, r.token, time.Time{}, "race")
		return asked{}, err
	})
	if err != nil {
		return "", err
	}
	time.Sleep(heldFor)
	second, third := len(r.started(r.submitted[1])), len(r.started(r.submitted[2]))
	_, err = r.client.Release(r.ctx, r.token, "")
	if err := steps(answer(err), r.settleAll, r.inOrder); err != nil {
		return "", err
	}
	switch {
	case state.Queued == 0:
		return "held behind all", nil
	case third > 0, second > 0 && state.Queued == 2:
		return "", fmt.Errorf("with %d queued when it was held, the second started %d times and the third %d", state.Queued, second, third)
	case state.Queued == 1:
		return "held behind it", nil
	}
	return "held before it", nil
}

func holdAtTheInstant(r *round) (string, error) {
	head := planned(plan{Ms: 50})
	due := time.Now().Add(1500 * time.Millisecond)
	head.PostponeUntil = &due
	if err := r.submit(r.token, head, planned(plan{})); err != nil {
		return "", err
	}
	var state protocol.SerializerState
	_, err := r.strike(due, func() (_ asked, err error) {
		state, err = r.client.Hold(r.ctx, r.token, time.Time{}, "race")
		return asked{}, err
	})
	if err != nil {
		return "", err
	}
	time.Sleep(heldFor)
	began, behind := len(r.started(r.submitted[0])) > 0, len(r.started(r.submitted[1])) > 0
	_, err = r.client.Release(r.ctx, r.token, "")
	if err := steps(answer(err), r.settleAll, r.inOrder); err != nil {
		return "", err
	}
	switch {
	case state.Queued == 0:
		return "held behind both", nil
	case behind:
		return "", errors.New("the one behind it started although the token was held")
	case began:
		return "it was starting", nil
	}
	return "held before it", nil
}

// failed has the round's token stand since its first operation failed.
func (r *round) failed(behind ...protocol.Operation) func() error {
	return func() error {
		if _, err := r.client.SetPolicy(r.ctx, r.token, protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure}); err != nil {
			return err
		}
		return r.submit(r.token, append([]protocol.Operation{planned(plan{Ms: 50, Fails: true})}, behind...)...)
	}
}

// answer is a step that was taken.
func answer(err error) func() error { return func() error { return err } }

func (r *round) stands() error {
	return r.until("its failure holds it", lookPace, func() bool {
		state, err := r.client.Token(r.ctx, r.token)
		return err == nil && state.Failure != nil
	})
}

// rerun runs the first operation again, as another one.
func (r *round) rerun(suffix string) (asked, error) {
	return ask(r.client.Rerun(r.ctx, r.submitted[0], r.token, r.token+suffix, "race"))
}

// reran awaits operations that were run again, which fail too: the token is
// skipped past each. It answers which of all ran in which order.
func (r *round) reran(again ...asked) (order []string, err error) {
	for _, a := range again {
		if a.accepted {
			r.submitted = append(r.submitted, a.record.ID)
		}
	}
	err = r.until("all end", lookPace, func() bool {
		_, _ = ask(protocol.Record{}, second(r.client.Skip(r.ctx, r.token, "")))
		for _, id := range r.submitted {
			found, err := r.client.Get(r.ctx, id, r.token)
			if err != nil || !found.StatusCode.Terminal() {
				return false
			}
		}
		return true
	})
	order = slices.Clone(r.submitted)
	slices.SortFunc(order, func(a, b string) int { return r.started(a)[0].begin.Compare(r.started(b)[0].begin) })
	return order, err
}

func second[T any](_ T, err error) error { return err }

func rerunAndSkip(r *round) (string, error) {
	if err := steps(r.failed(planned(plan{Ms: 10}), planned(plan{})), r.stands); err != nil {
		return "", err
	}
	var again, skipped asked
	late := r.between(0, 400*time.Millisecond)
	err := atOnce(
		func() (err error) { again, err = r.rerun("-again"); return },
		func() (err error) {
			time.Sleep(late) // reading what is to be run again takes a moment
			skipped, err = ask(protocol.Record{}, second(r.client.Skip(r.ctx, r.token, "")))
			return
		},
	)
	if err != nil {
		return "", err
	}
	order, err := r.reran(again)
	at := slices.Index(order, again.record.ID)
	if at == 1 {
		return "rerun in its place, skip " + skipped.String(), err
	}
	return "rerun at the end, skip " + skipped.String(), err
}

func twoReruns(r *round) (string, error) {
	if err := steps(r.failed(planned(plan{Ms: 10}), planned(plan{})), r.stands); err != nil {
		return "", err
	}
	var one, other asked
	err := atOnce(
		func() (err error) { one, err = r.rerun("-one"); return },
		func() (err error) { other, err = r.rerun("-other"); return },
	)
	if err != nil {
		return "", err
	}
	order, err := r.reran(one, other)
	if err != nil {
		return "", err
	}
	places := []int{slices.Index(order, one.record.ID), slices.Index(order, other.record.ID)}
	slices.Sort(places)
	if !slices.Equal(places, []int{1, 4}) {
		return "", fmt.Errorf("they ran at %v of %v", places, order)
	}
	return "one in its place, one at the end", nil
}

func rerunAtTheFailure(r *round) (string, error) {
	if err := steps(r.failed(planned(plan{Ms: 10})), func() error { return r.began(0) }); err != nil {
		return "", err
	}
	again, err := r.strike(r.started(r.submitted[0])[0].begin.Add(50*time.Millisecond+r.between(0, 100*time.Millisecond)), func() (asked, error) {
		return r.rerun("-again")
	})
	if err != nil {
		return "", err
	}
	order, err := r.reran(again)
	switch {
	case err != nil:
	case !again.accepted:
		return "refused", nil
	case order[1] != again.record.ID:
		err = fmt.Errorf("it ran at the end: %v", order)
	}
	return "rerun in its place", err
}
