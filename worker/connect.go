package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/internal/attributes"
	"github.com/seriatim-go/seriatim/internal/reach"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// Waits between attempts to reach the server.
const (
	firstWait = time.Second
	lastWait  = 15 * time.Second
	// attemptTimeout bounds one attempt.
	attemptTimeout = 15 * time.Second
)

// site is a server that was reached.
type site struct {
	client client.Client
	// searchAttributes says that the namespace has all of Seriatim's.
	searchAttributes bool
	// names are those of the search attributes.
	names protocol.AttributeNames
	// looks are shared by all that looks how a serializer ended.
	looks *activities.Looks
}

// connect reaches the server and the namespace, however long they take to be
// there. The error is what no waiting helps with, or that ctx is done.
func connect(ctx context.Context, options client.Options, names protocol.AttributeNames, h *health, logger *slog.Logger) (site, error) {
	where := logger.With("address", options.HostPort, "namespace", options.Namespace)
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		reached, err := attempt(ctx, options, names, where)
		switch {
		case err == nil:
			where.Info("Connected to Temporal.")
			h.connected(func(ctx context.Context) error { return reached.look(ctx, options.Namespace) })
			return reached, nil
		case ctx.Err() != nil:
			return site{}, ctx.Err()
		case permanent(err):
			return site{}, reach.Error(err, options)
		}
		h.waits(fmt.Sprintf("temporal at %s, namespace %q, is not there yet: %v", options.HostPort, options.Namespace, err))
		more := []any{"error", err, "retryIn", wait.String()}
		if hint := reach.Hint(err, options.ConnectionOptions.TLS); hint != "" {
			more = append(more, "hint", hint)
		}
		where.Warn("Temporal is not there yet.", more...)
		select {
		case <-ctx.Done():
			return site{}, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// attempt reaches it once.
func attempt(ctx context.Context, options client.Options, names protocol.AttributeNames, logger *slog.Logger) (site, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, opclient.DialOptions(options))
	if err != nil {
		return site{}, err
	}
	complete, err := inspect(ctx, c, options.Namespace, names, logger)
	if err != nil {
		c.Close()
		return site{}, err
	}
	return site{client: c, searchAttributes: complete, names: names, looks: activities.NewLooks(c)}, nil
}

// inspect asks whether the namespace is there and has the search attributes.
func inspect(ctx context.Context, c client.Client, namespace string, names protocol.AttributeNames, logger *slog.Logger) (complete bool, err error) {
	_, err = c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		return false, err
	}
	state, err := attributes.Read(ctx, c, namespace, names)
	if attributes.Denied(err) {
		logger.Warn("The search attributes cannot be read: operations cannot be filtered.", "error", err)
		return false, nil
	} else if err != nil {
		return false, err
	}
	if len(state.Wrong) > 0 {
		logger.Warn("Search attributes have another type: operations cannot be filtered. Other names can be set in searchAttributes.names.", "wrong", state.Wrong)
	}
	if len(state.Missing) > 0 {
		logger.Warn("Search attributes are missing: operations cannot be filtered. Create them and restart the worker.",
			"missing", state.Missing, "command", "starter setup", "or", attributes.CreateCommand(namespace, names, state.Missing))
	}
	if !state.Complete() {
		return false, nil
	}
	return true, attributes.Usable(ctx, c, namespace, names)
}

// look asks whether the server and the namespace are there, and still have the
// search attributes that workflows set: to set one that is gone wedges them.
func (s site) look(ctx context.Context, namespace string) error {
	_, err := s.client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("namespace %q: %w", namespace, err)
	}
	if !s.searchAttributes {
		return nil
	}
	state, err := attributes.Read(ctx, s.client, namespace, s.names)
	switch {
	case attributes.Denied(err):
		return nil
	case err != nil:
		return fmt.Errorf("search attributes: %w", err)
	case !state.Complete():
		return fmt.Errorf("search attributes that were there are missing: %s %v", strings.Join(state.Missing, ", "), state.Wrong)
	}
	return nil
}

// permanent says whether waiting cannot help: the credentials are wrong. A
// namespace that is not there may still be created.
func permanent(err error) bool {
	code := codeOf(err)
	return code == codes.PermissionDenied || code == codes.Unauthenticated || code == codes.InvalidArgument
}

// codeOf is the gRPC code of what the server answered, codes.Unknown where it
// did not.
func codeOf(err error) codes.Code {
	var answered serviceerror.ServiceError
	if errors.As(err, &answered) {
		return answered.Status().Code()
	}
	return status.Code(err)
}

// begin starts a worker, however long the server, which was there, is away or at a
// limit. A worker that did not start never will, so each try is with a new one. The
// error is another one, or that ctx is done.
func begin(ctx context.Context, create func() worker.Worker, logger *slog.Logger) (worker.Worker, error) {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		w := create()
		err := w.Start()
		if err == nil || !passing(err) {
			return w, err
		}
		logger.Warn("The worker cannot start yet.", "error", err, "retryIn", wait.String())
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// passing says whether the server may answer otherwise later.
func passing(err error) bool {
	switch codeOf(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted, codes.Internal:
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}
