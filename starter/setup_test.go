package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/seriatim-go/seriatim/protocol"
)

// operator is what a server has and may be asked to create. A new namespace is
// not known everywhere at once, and a new attribute not usable at once.
type operator struct {
	operatorservice.OperatorServiceClient
	namespace  bool
	attributes map[string]enumspb.IndexedValueType
	denied     error
	early      int
	asked      []string
}

func (o *operator) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	if o.early > 0 {
		o.early--
		return nil, serviceerror.NewNamespaceNotFound("orders")
	}
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: o.attributes}, nil
}

func (o *operator) AddSearchAttributes(_ context.Context, r *operatorservice.AddSearchAttributesRequest, _ ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error) {
	o.asked = append(o.asked, "attributes")
	if o.denied != nil {
		return nil, o.denied
	}
	for name, valueType := range r.GetSearchAttributes() {
		o.attributes[name] = valueType
	}
	o.early = 2
	return &operatorservice.AddSearchAttributesResponse{}, nil
}

func (f *fake) OperatorService() operatorservice.OperatorServiceClient { return f.operator }

func (f *fake) CountWorkflow(context.Context, *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	if f.operator == nil {
		return &workflowservice.CountWorkflowExecutionsResponse{Count: 3}, f.refusal
	}
	if f.operator.early > 0 {
		f.operator.early--
		return nil, serviceerror.NewInvalidArgument("no mapping defined for QueueDepth")
	}
	return &workflowservice.CountWorkflowExecutionsResponse{}, nil
}

func (s server) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest, ...grpc.CallOption) (*workflowservice.DescribeNamespaceResponse, error) {
	if !s.fake.operator.namespace {
		return nil, serviceerror.NewNamespaceNotFound("orders")
	}
	return &workflowservice.DescribeNamespaceResponse{
		NamespaceInfo: &namespacepb.NamespaceInfo{State: enumspb.NAMESPACE_STATE_REGISTERED},
		Config:        &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(72 * time.Hour)},
	}, nil
}

func (s server) RegisterNamespace(_ context.Context, r *workflowservice.RegisterNamespaceRequest, _ ...grpc.CallOption) (*workflowservice.RegisterNamespaceResponse, error) {
	o := s.fake.operator
	o.asked = append(o.asked, "namespace "+r.GetWorkflowExecutionRetentionPeriod().AsDuration().String())
	if o.denied != nil {
		return nil, o.denied
	}
	o.namespace, o.early = true, 2
	return &workflowservice.RegisterNamespaceResponse{}, nil
}

func some(names ...string) map[string]enumspb.IndexedValueType {
	types := map[string]enumspb.IndexedValueType{}
	for _, name := range names {
		types[name], _ = enumspb.IndexedValueTypeFromString(protocol.SearchAttributes()[name])
	}
	return types
}

func TestSetup(t *testing.T) {
	t.Parallel()
	denied := serviceerror.NewPermissionDenied("not yours", "")
	for name, test := range map[string]struct {
		operator operator
		args     string
		code     int
		asked    []string
		states   map[string]int
		says     []string
	}{
		"creates what is missing": {
			operator{namespace: true, attributes: some("QueueDepth")},
			"", exitOK,
			[]string{"attributes"},
			map[string]int{"present": 2, "created": 7},
			nil,
		},
		"creates the namespace if it is asked to, and waits until all is usable": {
			operator{attributes: some()},
			"--create-namespace --retention 48h", exitOK,
			[]string{"namespace 48h0m0s", "attributes"},
			map[string]int{"created": 9},
			nil,
		},
		"creates nothing in a dry run": {
			operator{attributes: some()},
			"--create-namespace --dry-run", exitOK, nil,
			map[string]int{"missing": 9},
			nil,
		},
		"creates no namespace unasked": {
			operator{attributes: some()}, "", exitUnfit, nil, nil, []string{"is not there", "--create-namespace"},
		},
		"says how to create a namespace where it may not": {
			operator{denied: denied},
			"--create-namespace --retention 50h", exitUnfit,
			[]string{"namespace 50h0m0s"},
			nil,
			[]string{"not yours", "--retention-days 3", "temporal operator namespace create --namespace orders --retention 50h0m0s"},
		},
		"says how to create attributes where it may not": {
			operator{namespace: true, attributes: some("QueueDepth", "PostponeUntil", "OperationType", "OperationOwner", "OperationStatus", "RegardingObject"), denied: serviceerror.NewUnimplemented("on the cloud")},
			"", exitUnfit,
			[]string{"attributes"},
			map[string]int{"present": 7},
			[]string{
				"on the cloud",
				"tcld namespace search-attributes add --namespace orders --search-attribute CorrelationId=Keyword --search-attribute DependencyToken=Keyword",
				"temporal operator search-attribute create --namespace orders --name CorrelationId --type Keyword --name DependencyToken --type Keyword",
				"https://cloud.temporal.io/namespaces/orders",
			},
		},
		"creates them by other names": {
			operator{namespace: true, attributes: map[string]enumspb.IndexedValueType{"QueueDepth": enumspb.INDEXED_VALUE_TYPE_TEXT, "AcmeStatus": enumspb.INDEXED_VALUE_TYPE_KEYWORD}},
			"--search-attribute-names QueueDepth=AcmeDepth,OperationStatus=AcmeStatus", exitOK,
			[]string{"attributes"},
			map[string]int{"present": 2, "created": 7},
			nil,
		},
		"refuses a name that is none": {
			operator{namespace: true, attributes: some()},
			"--search-attribute-names QueueDepth=RunId", exitUsage, nil, nil,
			[]string{"search attribute QueueDepth", "is a name of Temporal's own"},
		},
		"refuses an attribute of another type by name": {
			operator{namespace: true, attributes: map[string]enumspb.IndexedValueType{"QueueDepth": enumspb.INDEXED_VALUE_TYPE_TEXT}},
			"", exitUnfit, nil,
			map[string]int{"present": 1},
			[]string{"QueueDepth is Text, not Int", "nothing was created"},
		},
		"says that there is no room": {
			operator{namespace: true, attributes: some(), denied: serviceerror.NewInvalidArgument("cannot have more than 3 search attributes of type Keyword")},
			"", exitUnfit,
			[]string{"attributes"},
			map[string]int{"present": 1},
			[]string{"more than 3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{operator: &test.operator}
			r := start(t, f, "", append([]string{"setup", "-n", "orders", "-o", "json"}, strings.Fields(test.args)...)...)
			require.Equal(t, test.code, r.code, r.stderr)
			require.Equal(t, test.asked, test.operator.asked)
			var steps []setupStep
			if test.code != exitUsage {
				require.NoError(t, json.Unmarshal([]byte(r.stdout), &steps))
			}
			var states map[string]int
			for _, step := range steps {
				if states == nil {
					states = map[string]int{}
				}
				states[step.State]++
			}
			require.Equal(t, test.states, states)
			for _, text := range test.says {
				require.Contains(t, r.stderr, text)
			}
		})
	}
}
