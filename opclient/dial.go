package opclient

import (
	"context"
	"strings"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// resourceHeader repeats the workflow id of a request, so that a gateway can
// route it without reading it. It is optional.
const resourceHeader = "temporal-resource-id"

// DialOptions makes options fit for every token and id: pass what it answers to
// client.Dial, in clients and in workers.
//
// The Go SDK puts the workflow id of a request into an optional header as it is
// (seen with 1.50.0), and gRPC sends no header that is not printable ASCII. So
// without this a client cannot address, and a worker cannot run, a workflow
// whose id holds an "é": its task fails for ever. With it, the header is left
// out for such ids. It also lets a submission that is given up tell what the server
// said last, which the SDK keeps to itself.
func DialOptions(options client.Options) client.Options {
	more := grpc.WithChainUnaryInterceptor(listen, dropUnsendable)
	dial := options.ConnectionOptions.DialOptions
	options.ConnectionOptions.DialOptions = append(dial[:len(dial):len(dial)], more)
	return options
}

func dropUnsendable(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	sent, ok := metadata.FromOutgoingContext(ctx)
	if ok && !sendable(sent.Get(resourceHeader)) {
		sent.Delete(resourceHeader)
		ctx = metadata.NewOutgoingContext(ctx, sent)
	}
	return invoke(ctx, method, request, reply, conn, options...)
}

// sendable says whether gRPC takes these values of a header.
func sendable(values []string) bool {
	return strings.IndexFunc(strings.Join(values, ""), func(r rune) bool { return r < ' ' || r > '~' }) < 0
}
