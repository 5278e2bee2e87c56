// Package shortage knows errors that are the worker's own want, and no word of
// what it talks to.
package shortage

import (
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// wants are what other handlers of the worker, or of its machine, give back when
// they end: descriptors, ports and memory of the kernel.
var wants = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM}

// delay is how long an attempt waits for them.
const delay = 5 * time.Second

// Is says whether the worker lacked something that comes back by itself.
func Is(err error) bool {
	return slices.ContainsFunc(wants, func(want syscall.Errno) bool {
		var name *net.DNSError // keeps the text alone
		return errors.Is(err, want) || errors.As(err, &name) && strings.HasSuffix(name.Err, want.Error())
	})
}

// Retry is the outcome of an attempt that ended so: it does not count, so that no
// operation fails for a worker that is too small.
func Retry(err error) protocol.Outcome {
	return protocol.Retry("WorkerShort", err.Error()).WithoutCounting().WithDelay(delay).
		WithFriendly("The worker is short of open files, ports or memory. It is tried again.")
}
