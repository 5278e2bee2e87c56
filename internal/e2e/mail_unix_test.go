//go:build unix

package e2e

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// SPEC 2.2: a worker that is stopped while it sends, and goes on when another one
// has taken over, sends no more than the one message that was on its way.
func TestStoppedMailerSendsNothingBesideAnother(t *testing.T) {
	t.Parallel()
	const n, stops = 600, 2
	s := newMailSite(t)
	sending := s.worker()
	id := s.submit(n)
	for k := 1; k <= stops; k++ {
		s.reaches(k * n / (stops + 2))
		require.NoError(t, sending.command.Process.Signal(syscall.SIGSTOP))
		there := s.Count()
		other := s.worker()
		s.reaches(there + 20) // the other one has the operation
		require.NoError(t, sending.command.Process.Signal(syscall.SIGCONT))
		s.reaches(there + 100) // both run, and one of them sends
		sending.kill()
		sending = other
	}
	s.requireMailed(id, n, stops)
}
