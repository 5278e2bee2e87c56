package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const (
	readyTimeout = time.Minute
	pollInterval = 50 * time.Millisecond
)

// waitReady returns when the whole server answers: the frontend and history
// services for every namespace, the search attributes, the HTTP API and the
// Web UI. What starts too slowly is named in the error.
func waitReady(ctx context.Context, s settings) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	conn, err := grpc.NewClient(s.grpcAddress(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for _, namespace := range s.namespaces {
		err := poll(ctx, "namespace "+namespace, func() error { return checkNamespace(ctx, conn, namespace) })
		if err != nil {
			return err
		}
		err = poll(ctx, "search attributes of "+namespace, func() error {
			return ensureSearchAttributes(ctx, conn, namespace, s.searchAttributes)
		})
		if err != nil {
			return err
		}
	}
	pages := map[string]string{"HTTP API": "http://" + s.httpAddress() + "/api/v1/system-info"}
	if s.uiIP != "" {
		pages["Web UI"] = "http://" + s.uiAddress() + "/healthz"
	}
	for name, url := range pages {
		if err := poll(ctx, name, func() error { return checkPage(ctx, url) }); err != nil {
			return err
		}
	}
	return nil
}

// poll repeats check until it returns nil, or an error that no repetition cures.
func poll(ctx context.Context, name string, check func() error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		if status.Code(err) == codes.InvalidArgument {
			return fmt.Errorf("%s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%w): %w", name, ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// checkNamespace asks for a workflow that is not there: only a frontend that
// knows the namespace and a history service that owns its shard say so.
func checkNamespace(ctx context.Context, conn *grpc.ClientConn, namespace string) error {
	client := workflowservice.NewWorkflowServiceClient(conn)
	if _, err := client.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace}); err != nil {
		return err
	}
	_, err := client.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: namespace,
		Execution: &commonpb.WorkflowExecution{WorkflowId: uuid.NewString()},
	})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}

// ensureSearchAttributes adds those that a namespace in an older file lacks;
// a new namespace has them from the start.
func ensureSearchAttributes(
	ctx context.Context, conn *grpc.ClientConn, namespace string, wanted map[string]enumspb.IndexedValueType,
) error {
	client := operatorservice.NewOperatorServiceClient(conn)
	present, err := client.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return err
	}
	missing := make(map[string]enumspb.IndexedValueType)
	for name, valueType := range wanted {
		known, ok := present.GetCustomAttributes()[name]
		if ok && known != valueType {
			return status.Errorf(codes.InvalidArgument, "%s is of type %s, not %s", name, known, valueType)
		}
		if !ok {
			missing[name] = valueType
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = client.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	if err != nil {
		return err
	}
	return fmt.Errorf("%v were added, but are not visible yet", missing)
}

func checkPage(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}
