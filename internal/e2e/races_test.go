package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// race is two things that happen to an operation, or to a token, at about the
// same time. play answers how it came out.
type race struct {
	name string
	play func(*round) (outcome string, err error)
	// outcomes are those that SPEC 3.2 and the table of 3.1 allow.
	outcomes []string
}

// SPEC 3.1, 3.2: whoever comes first, each race ends in one of its documented
// outcomes, in exactly one terminal state, and an operation that acknowledged a
// pause, a postponement or a cancel does not start once more. By hand:
//
//	SERIATIM_LONG=1 go test ./internal/e2e -run TestControlRaces -v -timeout 40m
func TestControlRaces(t *testing.T) {
	rounds, abreast := 100, 50
	if long() {
		rounds = 2000
	}
	began, seed := time.Now(), raceSeed(t)
	s := newSiteFor(t, shared, 30*time.Minute)
	a := &arena{site: s, starts: map[string][]start{}, counts: map[string]int{}, lag: 100 * time.Millisecond}
	s.works = a.work
	races := slices.Concat(lifeRaces, waitRaces, tokenRaces)
	var group errgroup.Group
	group.SetLimit(abreast)
	for n := range rounds {
		group.Go(func() error {
			race := races[n%len(races)]
			if err := a.round(race, rand.New(rand.NewPCG(seed, uint64(n)))); err != nil {
				t.Errorf("seed %d, round %d, %s: %v", seed, n, race.name, err)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	a.print(races)
	t.Logf("seed %d: %d rounds, %d operations, in %.1f s; %d rounds not judged, since the machine stood still",
		seed, rounds, len(a.starts), time.Since(began).Seconds(), a.unjudged)
	require.LessOrEqual(t, a.unjudged, rounds/20)
}

// raceSeed is new in every run, or that of SERIATIM_SEED.
func raceSeed(t *testing.T) uint64 {
	given := os.Getenv("SERIATIM_SEED")
	if given == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(given, 10, 64)
	require.NoError(t, err)
	return seed
}

// errStoodStill says that a handler was taken for lost.
var errStoodStill = errors.New("the machine stood still")

// arena is where the rounds take place side by side.
type arena struct {
	*site

	mu     sync.Mutex
	starts map[string][]start // of handlers, by operation
	counts map[string]int     // of rounds, by race and outcome
	lag    time.Duration      // that requests take, about
	// unjudged counts the rounds in which the machine stood still for so long that
	// a handler missed its heartbeats, or nobody answered.
	unjudged int
}

// round plays a race once and judges it.
func (a *arena) round(race race, rng *rand.Rand) error {
	r := &round{arena: a, client: a.client(), rng: rng, token: uuid.NewString()}
	outcome, err := race.play(r)
	var silent *opclient.NoWorkerError
	if errors.As(err, &silent) || errors.Is(err, errStoodStill) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.unjudged++
		return nil
	}
	if err != nil {
		return err
	}
	if !slices.Contains(race.outcomes, outcome) {
		return fmt.Errorf("came out as %q", outcome)
	}
	a.mu.Lock()
	a.counts[race.name+": "+outcome]++
	a.mu.Unlock()
	for _, id := range r.submitted {
		if err := a.judge(id); err != nil {
			return fmt.Errorf("%s: operation %s: %w", outcome, id, err)
		}
	}
	return nil
}

func (a *arena) print(races []race) {
	for _, outcome := range slices.Sorted(maps.Keys(a.counts)) {
		a.t.Logf("%5d  %s", a.counts[outcome], outcome)
	}
	for _, race := range races {
		if !long() {
			break
		}
		for _, outcome := range race.outcomes {
			if a.counts[race.name+": "+outcome] == 0 {
				a.t.Logf("    0  %s: %s", race.name, outcome)
			}
		}
	}
}

// round is one race on operations of its own.
type round struct {
	*arena
	client    *opclient.Client
	rng       *rand.Rand
	token     string   // of its own
	in        string   // the token that its operations have, empty for none
	submitted []string // their ids
}

// between is a time that nobody can foresee.
func (r *round) between(from, to time.Duration) time.Duration {
	return from + time.Duration(r.rng.Int64N(int64(to-from)))
}

// strike makes a request so that it is carried out at about that instant, and
// learns how long requests take.
func (r *round) strike(at time.Time, request func() (asked, error)) (asked, error) {
	r.mu.Lock()
	lag := r.lag
	r.mu.Unlock()
	time.Sleep(time.Until(at) + r.between(-2*lag, lag))
	begin := time.Now()
	answered, err := request()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lag += (time.Since(begin) - r.lag) / 8
	return answered, err
}

// submit submits operations that do as their plans say; with a token, in order.
func (r *round) submit(token string, operations ...protocol.Operation) error {
	r.in = token
	for i := range operations {
		operations[i].ID = fmt.Sprintf("%s-%d", r.token, len(r.submitted))
		operations[i].DependencyToken, operations[i].OperationType = token, workType
		r.submitted = append(r.submitted, operations[i].ID)
	}
	summary, err := r.client.SubmitMany(r.ctx, opclient.Items(operations...), nil)
	if err == nil && summary.Accepted != len(operations) {
		err = fmt.Errorf("%d of %d accepted", summary.Accepted, len(operations))
	}
	return err
}

// began waits until a handler of the operation has begun.
func (r *round) began(n int) error {
	return r.until("its handler begins", 5*time.Millisecond, func() bool { return len(r.started(r.submitted[n])) > 0 })
}

// until looks every so often whether the condition holds.
func (r *round) until(what string, pace time.Duration, condition func() bool) error {
	for begin := time.Now(); !condition(); time.Sleep(pace) {
		if time.Since(begin) > patience {
			return fmt.Errorf("%s: not within %v", what, patience)
		}
	}
	return nil
}

// lookPace is how often a round asks the server.
const lookPace = 150 * time.Millisecond

// steps takes one step after another until one fails.
func steps(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// started are the starts of an operation's handler so far.
func (a *arena) started(id string) []start {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.starts[id])
}

// asked is how a request was answered: the error is one that no race explains.
type asked struct {
	record   protocol.Record
	accepted bool
	refusal  error
}

// ask makes a request and tells a refusal from what must not happen.
func ask(record protocol.Record, err error) (asked, error) {
	if err == nil {
		return asked{record: record, accepted: true}, nil
	}
	for _, refused := range []error{opclient.ErrInvalidTransition, opclient.ErrNotFound} {
		if errors.Is(err, refused) {
			return asked{refusal: err}, nil
		}
	}
	return asked{}, err
}

func (a asked) String() string {
	if a.accepted {
		return "acknowledged"
	}
	return "refused"
}

// settle brings an operation to its end: it resumes it where it waits for that.
// resumed says how often, and after which wait.
func (r *round) settle(n int) (last protocol.Record, waits []string, err error) {
	id := r.submitted[n]
	err = r.until(id+" ends", lookPace, func() bool {
		found, err := r.client.Get(r.ctx, id, r.in)
		if err != nil || found.Source != opclient.FromQuery {
			return false
		}
		last = found.Record
		if last.SuspendReason == protocol.SuspendPaused || last.PostponeUntil != nil && time.Until(*last.PostponeUntil) > time.Minute {
			if _, err := r.client.Resume(r.ctx, id, r.in, ""); err == nil {
				waits = append(waits, string(last.SuspendReason))
			}
		}
		return last.StatusCode.Terminal()
	})
	if last.ErrorCode == "Timeout" {
		err = errStoodStill
	}
	return last, waits, err
}

// tale is an outcome in words.
func tale(parts ...any) string {
	words := make([]string, len(parts))
	for i, part := range parts {
		words[i] = fmt.Sprint(part)
	}
	return strings.Join(words, ", ")
}

// atOnce does several things at the same time and answers the first error.
func atOnce(things ...func() error) error {
	group, _ := errgroup.WithContext(context.Background())
	for _, thing := range things {
		group.Go(thing)
	}
	return group.Wait()
}
