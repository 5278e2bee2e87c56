package opclient

import (
	"context"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// LeastWatch is the least wait between two looks of Watch: one look may ask the
// server's index, which answers few requests a second (SPEC 8.4).
const LeastWatch = 2 * time.Second

// Watch looks at an operation until it is Completed, every so often but not more
// often than LeastWatch, and tells seen what it finds, from the first look to
// the final record, which it answers too. So a caller follows the progress of a
// running handler. A server that does not answer is asked again for
// Options.RetryFor.
//
// Errors are those of Get; an error of seen ends the watch. When ctx is done its
// error is answered, and the operation goes on.
func (c *Client) Watch(ctx context.Context, id, token string, every time.Duration, seen func(Found) error) (Found, error) {
	if err := protocol.ValidateID(id); err != nil {
		return Found{}, err
	}
	begin := time.Now()
	for {
		found, err := c.look(ctx, id, token)
		unread := token != "" && isRefusal(err, protocol.ErrTypeOperationNotFound) && time.Since(begin) < unreadPatience
		switch {
		case ctx.Err() != nil:
			return found, ctx.Err()
		case err != nil && !unread:
			return found, about("watch", id, err)
		case err == nil:
			if err := seen(found); err != nil || found.StatusCode.Terminal() {
				return found, err
			}
		}
		if found.DependencyToken != "" {
			token = found.DependencyToken
		}
		if !pause(ctx, max(every, LeastWatch)) {
			return found, ctx.Err()
		}
	}
}

// look finds an operation, again for a while where the server does not answer.
func (c *Client) look(ctx context.Context, id, token string) (found Found, err error) {
	err = c.retry(ctx, ctx, func(ctx context.Context) error {
		found, err = c.find(ctx, id, token)
		return err
	})
	return found, err
}

// Watch looks at the operation until it is Completed; see [Client.Watch].
func (h *Handle) Watch(ctx context.Context, every time.Duration, seen func(Found) error) (Found, error) {
	return h.client.Watch(ctx, h.ID, h.Token, every, seen)
}
