package gone

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
)

func TestOnlyWhatIsNotThereIsAbsent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		absent bool
	}{
		"no error":                            {nil, false},
		"no such workflow":                    {serviceerror.NewNotFound("workflow not found for ID: a"), true},
		"no such history, without an archive": {fmt.Errorf("read: %w", serviceerror.NewNotFound("x")), true},
		"no such history, with an archive":    {fmt.Errorf("read: %w", serviceerror.NewInvalidArgument("Requested workflow history not found, may have passed retention period.")), true},
		"a wrong request":                     {serviceerror.NewInvalidArgument("Invalid RunId."), false},
		"a server that is away":               {serviceerror.NewUnavailable("x"), false},
		"another error with such words":       {errors.New("workflow history not found"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.absent, Is(c.err))
		})
	}
}
