package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	pollInterval = 50 * time.Millisecond
	// callTimeout bounds one call of a poll, so that the next one gets its turn.
	callTimeout = 5 * time.Second
	// retention is how long closed workflows of a fresh namespace are kept.
	retention = 24 * time.Hour
)

// errExited is in the error of a start whose program ended by itself.
var errExited = errors.New("the server ended")

// waitReady returns when the server can be used, or why it cannot.
func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-s.exited:
			cancel(fmt.Errorf("%w: %w", errExited, s.exitErr))
		case <-ctx.Done():
		}
	}()
	if err := waitNamespace(ctx, s.Address(), s.Namespace()); err != nil {
		return err
	}
	if err := SearchAttributes(ctx, s.Address(), s.Namespace(), DefaultSearchAttributes()); err != nil {
		return err
	}
	if err := waitPage(ctx, "http://"+s.HTTPAddress()+"/api/v1/system-info"); err != nil {
		return err
	}
	if s.options.UI {
		return waitPage(ctx, s.WebUI())
	}
	return nil
}

// Namespace registers a namespace that keeps closed workflows for a day, on
// the server at address (host:port), and waits until it can be used. It is an
// error if the namespace exists.
func Namespace(ctx context.Context, address, name string) error {
	c, err := dial(ctx, address, name)
	if err != nil {
		return fmt.Errorf("register namespace %s: %w", name, err)
	}
	defer c.Close()
	_, err = c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        name,
		WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if err != nil {
		return fmt.Errorf("register namespace %s: %w", name, err)
	}
	return waitNamespace(ctx, address, name)
}

// SearchAttributes adds those of attributes that the namespace lacks, on the
// server at address, and waits until queries may use all of them. It is an
// error if one exists with another type, or if the server has no room for it.
func SearchAttributes(ctx context.Context, address, namespace string, attributes map[string]enumspb.IndexedValueType) error {
	c, err := dial(ctx, address, namespace)
	if err != nil {
		return fmt.Errorf("search attributes of namespace %s: %w", namespace, err)
	}
	defer c.Close()
	err = poll(ctx, func(ctx context.Context) error { return addMissing(ctx, c, namespace, attributes) })
	if err != nil {
		return fmt.Errorf("search attributes of namespace %s: %w", namespace, err)
	}
	for name := range attributes {
		query := &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespace, Query: name + " IS NULL"}
		err := poll(ctx, func(ctx context.Context) error {
			_, err := c.WorkflowService().CountWorkflowExecutions(ctx, query)
			return err
		})
		if err != nil {
			return fmt.Errorf("search attribute %s of namespace %s: %w", name, namespace, err)
		}
	}
	return nil
}

// addMissing returns nil once every attribute is there.
func addMissing(ctx context.Context, c client.Client, namespace string, attributes map[string]enumspb.IndexedValueType) error {
	present, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return err
	}
	missing := make(map[string]enumspb.IndexedValueType)
	for name, valueType := range attributes {
		known, ok := present.GetCustomAttributes()[name]
		if ok && known != valueType {
			return permanent{fmt.Errorf("%s is of type %s, not %s", name, known, valueType)}
		}
		if !ok {
			missing[name] = valueType
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	var invalid *serviceerror.InvalidArgument
	if errors.As(err, &invalid) {
		return permanent{err}
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%v were added, but are not visible yet", missing)
}

// waitNamespace asks for a workflow that is not there: only a frontend that
// knows the namespace and a history service that owns its shard say so.
func waitNamespace(ctx context.Context, address, name string) error {
	var c client.Client
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	err := poll(ctx, func(ctx context.Context) (err error) {
		if c == nil {
			if c, err = dial(ctx, address, name); err != nil {
				c = nil
				return err
			}
		}
		_, err = c.DescribeWorkflowExecution(ctx, uuid.NewString(), "")
		var absent *serviceerror.NotFound
		if errors.As(err, &absent) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("namespace %s on %s: %w", name, address, err)
	}
	return nil
}

func waitPage(ctx context.Context, url string) error {
	err := poll(ctx, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return permanent{err}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", response.Status)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}

// dial connects without the user's TEMPORAL_* variables and profiles.
func dial(ctx context.Context, address, namespace string) (client.Client, error) {
	return client.DialContext(ctx, client.Options{HostPort: address, Namespace: namespace, Logger: quiet()})
}

// permanent is an error that no repetition cures.
type permanent struct{ error }

// Unwrap returns the error itself.
func (p permanent) Unwrap() error { return p.error }

// poll repeats check until it returns nil or a permanent error, or until ctx
// ends; the error then says both why and what was missing last.
func poll(ctx context.Context, check func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := check(call)
		cancel()
		var final permanent
		if err == nil || errors.As(err, &final) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %w)", context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}
