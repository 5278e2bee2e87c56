package opclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"

	"github.com/seriatim-go/seriatim/protocol"
)

// Waits between repeats of one request.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// kind is what an error says about a repeat of the same request.
type kind int

const (
	final      kind = iota // a repeat fails the same way
	busy                   // not carried out; a repeat may succeed
	full                   // as busy: the token holds all the signals that it can
	unanswered             // may have been carried out; a repeat does no harm
)

// classify reads an answer of the server, by docs/protocol.md's table.
func classify(err error) kind {
	if errors.Is(err, ErrQueueFull) {
		return full
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return unanswered
	}
	var answer serviceerror.ServiceError
	if !errors.As(err, &answer) {
		return final
	}
	if strings.Contains(answer.Error(), "non-printable ASCII") {
		return final // see DialOptions
	}
	switch answer.Status().Code() {
	case codes.InvalidArgument:
		if strings.Contains(answer.Error(), "limit for signal events") {
			return full
		}
		if isClosedForLimit(answer.Error()) {
			return busy
		}
		return final
	case codes.ResourceExhausted, codes.Aborted:
		return busy
	case codes.Unavailable, codes.DeadlineExceeded, codes.Unknown, codes.Internal, codes.Canceled:
		return unanswered
	default:
		return final
	}
}

// isClosedForLimit knows the server's answer to the very request with which it
// closed the token's run, such as "Workflow history count exceeds limit.". The
// next run takes over what the closed one had (docs/protocol.md).
func isClosedForLimit(message string) bool {
	return strings.HasPrefix(message, "Workflow ") && strings.HasSuffix(message, "exceeds limit.")
}

// retry repeats a request, whose calls are bounded by calls, until it succeeds, its
// error is final, RetryFor has passed since it first failed, or between is done,
// which ends a wait but no call. The error is the last one: ErrQueueFull for a token
// that stayed full, wrapped in an UnansweredError where any of the calls may have
// arrived.
func (c *Client) retry(calls, between context.Context, request func(context.Context) error) error {
	var failing time.Time
	var unsure bool
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		err := heard(calls, request)
		if err == nil {
			return nil
		}
		if failing.IsZero() {
			failing = time.Now()
		}
		class := classify(err)
		unsure = unsure || class == unanswered
		if class == final || time.Since(failing) >= c.options.RetryFor || !pause(between, jitter(wait)) {
			return lastError(err, class, unsure)
		}
	}
}

// persist repeats call for as long as ctx lasts where the server does not answer,
// and tells so once: a proxy that cuts a long poll, or a server that restarts, does
// not end a wait. The error is final, or that of ctx.
func (c *Client) persist(ctx context.Context, call func() error) error {
	wait, told := firstBackoff, false
	for {
		begin := time.Now()
		err := call()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		var unattended *NoWorkerError
		if classify(err) == final || errors.As(err, &unattended) {
			return err
		}
		if !told {
			c.options.Notice(fmt.Sprintf("waiting on: the server does not answer: %v", err))
			told = true
		}
		if time.Since(begin) > lastBackoff {
			wait = firstBackoff // it answered for a while
		}
		if !pause(ctx, jitter(wait)) {
			return ctx.Err()
		}
		wait = min(2*wait, lastBackoff)
	}
}

// lastError is what a request that is given up answers.
func lastError(err error, class kind, unsure bool) error {
	if class == full && !errors.Is(err, ErrQueueFull) {
		err = &protocol.Refusal{
			Type:    protocol.ErrTypeQueueFull,
			Message: "the token's queue is full: its history holds all the signals that it can until a worker reads them; is a worker running? (" + err.Error() + ")",
		}
	}
	if unsure && class != final {
		return &UnansweredError{Err: err}
	}
	return err
}

// jitter takes up to a quarter off, so that clients do not repeat in step.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// pause waits for d; false where ctx is done first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
