package opclient

import (
	"testing"

	"go.uber.org/goleak"
)

// No test leaves a goroutine behind, and so does nothing that it called.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
