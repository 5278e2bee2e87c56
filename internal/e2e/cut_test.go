package e2e

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// An HTTP proxy that drops trailers ends a call with an Internal error, which the
// SDK does not repeat on this server. A wait asks again.
func TestWaitBehindAProxyThatDropsTrailers(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	s.submit(token, []protocol.Operation{operation(token, 1), operation(token, 2)})
	var mu sync.Mutex
	dropped := map[string]bool{}
	drop := func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		name := method[strings.LastIndex(method, "/")+1:]
		mu.Lock()
		first := !dropped[name] && name != "GetSystemInfo"
		dropped[name] = true
		mu.Unlock()
		if first {
			return status.Error(codes.Internal, "server closed the stream without sending trailers")
		}
		return invoke(ctx, method, request, reply, conn, options...)
	}
	c, err := client.Dial(opclient.DialOptions(client.Options{
		HostPort: shared.Address(), Namespace: s.namespace,
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(drop)}},
	}))
	require.NoError(t, err)
	defer c.Close()
	found, err := opclient.New(c, opclient.Options{TaskQueue: s.taskQueue, Namespace: s.namespace}).Wait(s.ctx, operation(token, 2).ID, token)
	require.NoError(t, err)
	require.Equal(t, protocol.Succeeded, found.StatusCode)
	require.True(t, dropped["DescribeWorkflowExecution"] && dropped["GetWorkflowExecutionHistory"] && dropped["QueryWorkflow"], "%v", dropped)
}
