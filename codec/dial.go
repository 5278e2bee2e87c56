package codec

import (
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
)

// DialOptions has a client encrypt what it sends and decrypt what it receives. A
// nil Codec leaves the options as they are. Give the client's DataConverter no
// codec of its own beside it.
func (c *Codec) DialOptions(options client.Options) (client.Options, error) {
	if c == nil {
		return options, nil
	}
	failures, err := proxy.NewFailureVisitorInterceptor(proxy.FailureVisitorInterceptorOptions{
		Outbound: &proxy.VisitFailuresOptions{Visitor: hide}, Inbound: &proxy.VisitFailuresOptions{Visitor: show},
	})
	if err != nil {
		return options, fmt.Errorf("encrypt failures: %w", err)
	}
	payloads, err := proxy.NewPayloadVisitorInterceptor(proxy.PayloadVisitorInterceptorOptions{
		Outbound: visit(c.Encode), Inbound: visit(c.Decode),
	})
	if err != nil {
		return options, fmt.Errorf("encrypt payloads: %w", err)
	}
	// What is hidden of a failure becomes a payload, so that comes first.
	dial := options.ConnectionOptions.DialOptions
	options.ConnectionOptions.DialOptions = append(dial[:len(dial):len(dial)], grpc.WithChainUnaryInterceptor(failures, payloads))
	return options, nil
}

// visit leaves search attributes out: the server compares them.
func visit(change func([]*commonpb.Payload) ([]*commonpb.Payload, error)) *proxy.VisitPayloadsOptions {
	return &proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true,
		Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
			return change(payloads)
		},
	}
}

// hide moves a failure's message and stack into a payload; done once, also where a
// request is sent again.
func hide(_ *proxy.VisitFailuresContext, failure *failurepb.Failure) error {
	if failure.GetEncodedAttributes() != nil {
		return nil
	}
	return converter.EncodeCommonFailureAttributes(converter.GetDefaultDataConverter(), failure)
}

// show puts them back, and leaves no second copy: a failure that is passed on is
// hidden again. One that cannot be read stays hidden.
func show(_ *proxy.VisitFailuresContext, failure *failurepb.Failure) error {
	hidden := failure.GetEncodedAttributes()
	if hidden == nil || encoding(hidden) != converter.MetadataEncodingJSON {
		return nil
	}
	converter.DecodeCommonFailureAttributes(converter.GetDefaultDataConverter(), failure)
	failure.EncodedAttributes = nil
	return nil
}
