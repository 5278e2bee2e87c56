package opclient

import (
	"context"
	"fmt"
	"sync"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// answers is what the server said to the calls of one request.
type answers struct {
	mu     sync.Mutex
	last   error
	unsure bool // one of the calls may have been carried out
}

type answersKey struct{}

// heard makes one request. The SDK repeats its calls and says of all of them only
// that its deadline passed; the error is then what the server said last, and that
// nothing was carried out where each call was turned away.
func heard(ctx context.Context, request func(context.Context) error) error {
	var said answers
	err := request(context.WithValue(ctx, answersKey{}, &said))
	said.mu.Lock()
	defer said.mu.Unlock()
	switch {
	case ctx.Err() != nil || !isLate(err) || said.last == nil:
		return err
	case said.unsure:
		return fmt.Errorf("%w; the server's last answer was: %v", err, said.last)
	}
	return fmt.Errorf("%w; the call was repeated, and never taken", said.last)
}

// listen notes the answer to each call of a request.
func listen(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	err := invoke(ctx, method, request, reply, conn, options...)
	if said, ok := ctx.Value(answersKey{}).(*answers); ok {
		said.add(serviceerror.FromStatus(status.Convert(err)))
	}
	return err
}

// add takes the answer to one call; one that is not repeated ends a series.
func (a *answers) add(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	class := classify(err)
	switch {
	case err == nil || class == final:
		a.last, a.unsure = nil, false
	case !isLate(err):
		a.last = err
	}
	a.unsure = a.unsure || class == unanswered
}
