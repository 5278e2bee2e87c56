package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/protocol"
)

// patient is a server that the doctor examines.
type patient struct {
	version string
	// ahead is its clock's; idle is how long ago its workers polled.
	ahead, idle time.Duration
	// nobody polls these.
	nobody map[string]bool
	// denied is the answer to what only some may ask.
	denied error
	// refused says that long ids are.
	refused bool
}

func (s server) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest, ...grpc.CallOption) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{ServerVersion: s.fake.patient.version}, nil
}

func (s server) GetClusterInfo(context.Context, *workflowservice.GetClusterInfoRequest, ...grpc.CallOption) (*workflowservice.GetClusterInfoResponse, error) {
	return nil, s.fake.patient.denied
}

func (s server) PollWorkflowTaskQueue(ctx context.Context, _ *workflowservice.PollWorkflowTaskQueueRequest, _ ...grpc.CallOption) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	if s.fake.patient.denied != nil {
		return nil, s.fake.patient.denied
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s server) DescribeTaskQueue(_ context.Context, r *workflowservice.DescribeTaskQueueRequest, _ ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error) {
	p := s.fake.patient
	answer := &workflowservice.DescribeTaskQueueResponse{}
	at := time.Now().Add(p.ahead)
	switch {
	case r.GetTaskQueue().GetKind() == enumspb.TASK_QUEUE_KIND_STICKY && p.denied != nil:
		return answer, nil
	case r.GetTaskQueue().GetKind() == enumspb.TASK_QUEUE_KIND_NORMAL:
		at = at.Add(-p.idle)
	}
	if !p.nobody[r.GetTaskQueue().GetName()] {
		answer.Pollers = []*taskqueuepb.PollerInfo{{Identity: "7@host", LastAccessTime: timestamppb.New(at)}}
	}
	return answer, nil
}

func (s server) ListWorkers(context.Context, *workflowservice.ListWorkersRequest, ...grpc.CallOption) (*workflowservice.ListWorkersResponse, error) {
	return nil, serviceerror.NewUnimplemented("older")
}

func (s server) SignalWorkflowExecution(context.Context, *workflowservice.SignalWorkflowExecutionRequest, ...grpc.CallOption) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	if s.fake.patient.refused {
		return nil, serviceerror.NewInvalidArgument("SignalName length exceeds limit.")
	}
	return nil, serviceerror.NewNotFound("no such workflow")
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	all := func() *operator {
		return &operator{namespace: true, attributes: some("CorrelationId", "DependencyToken", "OperationOwner", "OperationStatus", "OperationType", "PostponeUntil", "QueueDepth", "RegardingObject")}
	}
	for name, test := range map[string]struct {
		patient  patient
		operator *operator
		args     string
		code     int
		notOK    map[string]string
		says     string
	}{
		"a healthy server":                    {patient{version: "1.32.0"}, all(), "", exitOK, map[string]string{}, "7@host"},
		"an older server":                     {patient{version: "1.27.2"}, all(), "", exitOK, map[string]string{"server": "warn"}, "older than 1.28.0"},
		"a warning is a failure if strict":    {patient{version: "1.27.2"}, all(), "--strict", exitUnfit, map[string]string{"server": "warn"}, ""},
		"a cloud's version":                   {patient{version: "1.32.0-142.1"}, all(), "", exitOK, map[string]string{}, ""},
		"a clock that is ahead":               {patient{version: "1.32.0", ahead: time.Hour}, all(), "", exitOK, map[string]string{"clock": "warn"}, "1h ahead"},
		"a clock that is behind":              {patient{version: "1.32.0", ahead: -time.Hour}, all(), "", exitOK, map[string]string{"clock": "warn"}, "1h behind"},
		"no worker":                           {patient{nobody: map[string]bool{"operations": true, "operations-engine": true}}, all(), "", exitUnfit, map[string]string{"workers": "fail", "handlers": "warn", "engine": "fail"}, "go run ./worker"},
		"a worker that is gone":               {patient{idle: 2 * time.Minute}, all(), "", exitUnfit, map[string]string{"workers": "fail", "handlers": "warn", "engine": "fail"}, ""},
		"a worker without the engine":         {patient{nobody: map[string]bool{"q-engine": true}}, all(), "--task-queue q", exitUnfit, map[string]string{"engine": "fail"}, "RegisterEngine"},
		"short ids":                           {patient{refused: true}, all(), "", exitUnfit, map[string]string{"limits": "fail"}, "limit.maxIDLength"},
		"what may not be asked is a warning":  {patient{denied: serviceerror.NewPermissionDenied("not yours", "")}, all(), "", exitOK, map[string]string{"clock": "warn"}, "not yours"},
		"no namespace":                        {patient{}, &operator{}, "", exitUnfit, map[string]string{"namespace": "fail"}, "starter setup --create-namespace"},
		"no search attributes":                {patient{}, &operator{namespace: true}, "", exitOK, map[string]string{"search attributes": "warn"}, "starter setup"},
		"an attribute of another type":        {patient{}, &operator{namespace: true, attributes: map[string]enumspb.IndexedValueType{protocol.QueueDepthAttribute: enumspb.INDEXED_VALUE_TYPE_TEXT}}, "", exitUnfit, map[string]string{"search attributes": "fail"}, "QueueDepth is Text, not Int"},
		"no TLS on the way":                   {patient{}, all(), "--address temporal.example.com:7233", exitOK, map[string]string{"connection": "warn"}, "--tls"},
		"an API key is not sent without TLS":  {patient{}, all(), "--api-key secret --tls=false", exitUnfit, map[string]string{"connection": "fail"}, "without TLS"},
		"a server of any certificate":         {patient{}, all(), "--tls --tls-disable-host-verification", exitOK, map[string]string{"connection": "warn"}, "any certificate"},
		"a configuration that cannot be read": {patient{}, all(), "--config none.yaml", exitUnfit, map[string]string{"config": "fail"}, "none.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{operator: test.operator, patient: &test.patient}
			r := start(t, f, "", append([]string{"doctor", "-o", "json"}, strings.Fields(test.args)...)...)
			var findings []finding
			require.NoError(t, json.Unmarshal([]byte(r.stdout), &findings), r.stderr)
			notOK := map[string]string{}
			for _, finding := range findings {
				if finding.Status != checkOK {
					notOK[finding.Check] = finding.Status
				}
			}
			require.Equal(t, test.notOK, notOK, r.stdout)
			require.Equal(t, test.code, r.code, r.stderr)
			require.Contains(t, r.stdout, test.says)
			if test.code != exitOK {
				require.Contains(t, r.stderr, `"exitCode": 9`)
			}
		})
	}
}

// A key does not leave the machine where everybody could read it.
func TestDoctorDoesNotDialWithAnAPIKeyWithoutTLS(t *testing.T) {
	t.Parallel()
	require.Equal(t, exitUnfit, start(t, nil, "", "doctor", "--api-key", "secret", "--tls=false").code)
}

func TestVersionTrouble(t *testing.T) {
	t.Parallel()
	current := &taskqueuepb.TaskQueueVersioningInfo{CurrentDeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: "d", BuildId: "2"}}
	old, recent, plain := workerOutput{Deployment: "d", BuildID: "1"}, workerOutput{Deployment: "d", BuildID: "2"}, workerOutput{}
	for name, test := range map[string]struct {
		info    *taskqueuepb.TaskQueueVersioningInfo
		workers []workerOutput
		says    string
	}{
		"no versions":                    {nil, []workerOutput{plain}, ""},
		"the current one is there":       {current, []workerOutput{old, recent}, ""},
		"the current one has no worker":  {current, []workerOutput{old, plain}, "no worker has it"},
		"none of the workers is current": {nil, []workerOutput{old, recent}, "none is current"},
	} {
		require.Contains(t, versionTrouble(test.info, test.workers), test.says, name)
		require.Equal(t, test.says == "", versionTrouble(test.info, test.workers) == "", name)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][2]bool{
		"127.0.0.1:7233": {true, false}, "localhost:1": {true, false}, "[::1]:7233": {true, false}, "dns:///localhost:7233": {true, false},
		"10.0.0.1:7233": {false, false}, "temporal:7233": {false, false},
		"orders.a1b2c.tmprl.cloud:7233": {false, true}, "eu-central-1.aws.api.temporal.io:7233": {false, true},
	} {
		require.Equal(t, want, [2]bool{isLoopback(address), isCloud(address)}, address)
	}
}
