package opclient

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The SDK repeats calls until its deadline, and tells of that alone.
func TestARequestThatIsGivenUpTellsWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	limited, away := status.Error(codes.ResourceExhausted, "namespace rate limit exceeded"), status.Error(codes.Unavailable, "shard status unknown")
	late := serviceerror.NewDeadlineExceeded("context deadline exceeded")
	for name, test := range map[string]struct {
		calls []error
		end   error
		want  string
		class kind
	}{
		"each call was turned away: nothing was carried out": {
			[]error{limited, limited}, late, "namespace rate limit exceeded; the call was repeated, and never taken", busy,
		},
		"one call may have arrived": {
			[]error{away, limited}, late, "context deadline exceeded; the server's last answer was: namespace rate limit exceeded", unanswered,
		},
		"one call was cut": {
			[]error{limited, status.Error(codes.DeadlineExceeded, "late")}, late, "context deadline exceeded; the server's last answer was: namespace rate limit exceeded", unanswered,
		},
		"nothing was said":                             {nil, late, "context deadline exceeded", unanswered},
		"another call was answered in between":         {[]error{limited, nil}, late, "context deadline exceeded", unanswered},
		"an answer that is final ends a series":        {[]error{limited, status.Error(codes.NotFound, "none")}, late, "context deadline exceeded", unanswered},
		"an error that says something stays as it is":  {[]error{limited}, errClosing, errClosing.Error(), busy},
		"a request that succeeded in the end succeeds": {[]error{limited, away, nil}, nil, "", final},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := heard(t.Context(), func(ctx context.Context) error {
				for _, answer := range test.calls {
					_ = listen(ctx, "", nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return answer })
				}
				return test.end
			})
			if test.end == nil {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
			require.Equal(t, test.class, classify(err))
		})
	}
}

func TestALimitOfTheNamespaceMeetsEveryRequest(t *testing.T) {
	t.Parallel()
	require.True(t, affectsAll(serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "namespace rate limit exceeded")))
	require.False(t, affectsAll(errClosing), "a busy workflow is one token's matter")
}
