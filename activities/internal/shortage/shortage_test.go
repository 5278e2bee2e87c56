package shortage

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 6.2: what the worker lacks is no failure of the operation.
func TestShortage(t *testing.T) {
	t.Parallel()
	dialing := func(err error) error {
		return fmt.Errorf("Post: %w", &net.OpError{Op: "dial", Net: "tcp", Err: err})
	}
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"no descriptor for a connection": {dialing(os.NewSyscallError("socket", syscall.EMFILE)), true},
		"none on the machine":            {&os.PathError{Op: "open", Path: "a", Err: syscall.ENFILE}, true},
		"no descriptor to ask for names": {dialing(&net.DNSError{Err: "dial udp: socket: " + syscall.EMFILE.Error(), Name: "a"}), true},
		"no port":                        {dialing(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), true},
		"nobody listens":                 {dialing(os.NewSyscallError("connect", syscall.ECONNREFUSED)), false},
		"a name that is not there":       {dialing(&net.DNSError{Err: "no such host", Name: "a", IsNotFound: true}), false},
		"a full disk needs a person":     {&os.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC}, false},
		"a text that says so":            {errors.New("too many open files"), false},
		"nothing":                        {nil, false},
	} {
		require.Equal(t, test.want, Is(test.err), name)
	}
	outcome := Retry(syscall.EMFILE)
	require.Equal(t, protocol.OutcomeRetry, outcome.Kind)
	require.True(t, outcome.Uncounted)
}
