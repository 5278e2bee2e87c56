package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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
}

// connect reaches the server and the namespace, however long they take to be
// there. The error is what no waiting helps with, or that ctx is done.
func connect(ctx context.Context, options client.Options, logger *slog.Logger) (site, error) {
	where := logger.With("address", options.HostPort, "namespace", options.Namespace)
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		reached, err := reach(ctx, options, where)
		switch {
		case err == nil:
			where.Info("Connected to Temporal.")
			return reached, nil
		case ctx.Err() != nil:
			return site{}, ctx.Err()
		case permanent(err):
			return site{}, fmt.Errorf("temporal at %s, namespace %q: %w", options.HostPort, options.Namespace, err)
		}
		where.Warn("Temporal is not there yet.", "error", err, "retryIn", wait.String())
		select {
		case <-ctx.Done():
			return site{}, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// reach is one attempt.
func reach(ctx context.Context, options client.Options, logger *slog.Logger) (site, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, opclient.DialOptions(options))
	if err != nil {
		return site{}, err
	}
	complete, err := inspect(ctx, c, options.Namespace, logger)
	if err != nil {
		c.Close()
		return site{}, err
	}
	return site{client: c, searchAttributes: complete}, nil
}

// inspect asks whether the namespace is there and has the search attributes.
func inspect(ctx context.Context, c client.Client, namespace string, logger *slog.Logger) (complete bool, err error) {
	_, err = c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		return false, err
	}
	answer, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if code := codeOf(err); code == codes.PermissionDenied || code == codes.Unimplemented {
		logger.Warn("The search attributes cannot be read: operations cannot be filtered.", "error", err)
		return false, nil
	} else if err != nil {
		return false, err
	}
	present := make(map[string]string, len(answer.GetCustomAttributes()))
	for name, valueType := range answer.GetCustomAttributes() {
		present[name] = valueType.String()
	}
	missing, wrong := compare(present)
	if len(wrong) > 0 {
		logger.Warn("Search attributes have another type: operations cannot be filtered.", "wrong", wrong)
	}
	if len(missing) > 0 {
		logger.Warn("Search attributes are missing: operations cannot be filtered. Create them and restart the worker.",
			"missing", missing, "command", createCommand(namespace, missing))
	}
	if len(missing)+len(wrong) > 0 {
		return false, nil
	}
	return true, tryAttributes(ctx, c, namespace)
}

// tryAttributes has the server use the attributes. It lists new ones a second or
// two before it takes them, and a workflow that sets one in between is wedged.
func tryAttributes(ctx context.Context, c client.Client, namespace string) error {
	examples := map[string]string{"Keyword": "''", "Datetime": "'2000-01-01T00:00:00Z'", "Int": "0"}
	var terms []string
	for name, valueType := range protocol.SearchAttributes() {
		terms = append(terms, name+" = "+examples[valueType])
	}
	_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: namespace, Query: strings.Join(terms, " AND "),
	})
	if codeOf(err) == codes.InvalidArgument {
		return fmt.Errorf("the search attributes are there but not usable yet: %s", err) // not wrapped: it will pass
	}
	return err
}

// compare finds the search attributes that the namespace does not have, and
// those that are of another type there.
func compare(present map[string]string) (missing, wrong []string) {
	expected := protocol.SearchAttributes()
	for _, name := range slices.Sorted(maps.Keys(expected)) {
		switch found, ok := present[name]; {
		case !ok:
			missing = append(missing, name)
		case found != expected[name]:
			wrong = append(wrong, fmt.Sprintf("%s is %s, not %s", name, found, expected[name]))
		}
	}
	return missing, wrong
}

// createCommand is what an operator types to create the attributes.
func createCommand(namespace string, missing []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "temporal operator search-attribute create --namespace %s", namespace)
	for _, name := range missing {
		fmt.Fprintf(&b, " --name %s --type %s", name, protocol.SearchAttributes()[name])
	}
	return b.String()
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
