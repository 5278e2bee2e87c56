package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 8.2: for the whole service, and for one type.
func TestStopsAreKeptByType(t *testing.T) {
	t.Parallel()
	var stops []protocol.Stop
	var started []string
	ask := func(action protocol.ControlAction, of protocol.TypeRef, reason string, minute int) {
		stops, started = controlled(stops, protocol.ControlRequest{Action: action, OperationType: of, Reason: reason}, day.Add(time.Duration(minute)*time.Minute))
	}
	ask(protocol.ControlStop, "a", "x", 1)
	ask(protocol.ControlStop, "", "all", 2)
	ask(protocol.ControlStop, "a", "y", 3)
	require.Equal(t, []protocol.Stop{
		{OperationType: "a", On: day.Add(time.Minute), Reason: "y"}, {On: day.Add(2 * time.Minute), Reason: "all"},
	}, stops, "a repeat renews the reason only")
	ask(protocol.ControlStart, "b", "", 4)
	require.Len(t, stops, 2)
	require.Empty(t, started)
	ask(protocol.ControlStart, "a", "", 5)
	require.Equal(t, []string{"a"}, started)
	require.Len(t, stops, 1)
	ask(protocol.ControlStop, "c", "", 6)
	ask(protocol.ControlStart, "", "", 7)
	require.Empty(t, stops)
	require.Equal(t, []string{"c"}, started, "those of all types are the workers' own to start")
}

func TestTaskQueuesAreLimitedWhereAllTheirTypesAreStopped(t *testing.T) {
	t.Parallel()
	types := []boundType{
		{Key: "ours"},
		{Key: "mail", Queue: "mail"},
		{Key: "print", Queue: "office"},
		{Key: "scan", Queue: "office"},
		{Key: "fulfil", Queue: "orders", Workflow: true},
		{Key: "pack", Queue: "orders"},
	}
	of := func(keys ...string) (stops []protocol.Stop) {
		for _, key := range keys {
			stops = append(stops, protocol.Stop{OperationType: key})
		}
		return stops
	}
	for name, tc := range map[string]struct {
		stops           []protocol.Stop
		limited, shared []string
	}{
		"nothing":           {nil, nil, nil},
		"ours":              {of("ours"), nil, nil},
		"one of its own":    {of("mail"), []string{"mail"}, nil},
		"one of two":        {of("print"), nil, []string{"office"}},
		"both":              {of("scan", "print"), []string{"office"}, nil},
		"everything":        {of(""), []string{"mail", "office"}, []string{"orders"}},
		"everything and it": {of("print", ""), []string{"mail", "office"}, []string{"orders"}},
		"beside a workflow": {of("pack"), nil, []string{"orders"}},
		"a workflow":        {of("fulfil"), nil, nil},
	} {
		limited, shared := limited(tc.stops, types)
		require.Equal(t, tc.limited, limited, name)
		require.Equal(t, tc.shared, shared, name)
	}
	require.Equal(t, []string{"fulfil"}, unstoppable(of(""), types), "a workflow cannot be stopped, and that is said")
	require.Empty(t, unstoppable(of("pack"), types))
}

// SPEC 8.2: requests are taken in their order; one that cannot be read is said and
// stops nothing; with nothing stopped the workflow ends.
func TestServiceKeepsItsStops(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(20 * time.Second)
	cat, err := catalogue.New(
		catalogue.Type{Key: "test.mail", Number: 100_007, Binding: catalogue.Binding{Activity: "mail", TaskQueue: "mail"}},
		catalogue.Type{Key: "test.record", Binding: catalogue.Binding{Activity: "record"}},
	)
	require.NoError(t, err)
	RegisterService(env, cat)
	var applied []protocol.ApplyStopsRequest
	env.RegisterActivityWithOptions(func(r protocol.ApplyStopsRequest) (protocol.ApplyStopsReply, error) {
		applied = append(applied, r)
		return protocol.ApplyStopsReply{Problem: "no right to it"}, nil
	}, activity.RegisterOptions{Name: protocol.ApplyStopsActivity})
	state := func() (s protocol.ServiceState) {
		answer, err := env.QueryWorkflow(protocol.ServiceQueryName)
		require.NoError(t, err)
		require.NoError(t, answer.Get(&s))
		return s
	}
	send := func(after time.Duration, requests ...any) {
		env.RegisterDelayedCallback(func() {
			for _, r := range requests {
				env.SignalWorkflow(protocol.ControlSignalName, r)
			}
		}, after)
	}
	send(0, "what?", map[string]string{"action": "halt"}, protocol.ControlRequest{Action: protocol.ControlStop, OperationType: "100007", Reason: "blocked"})
	send(time.Minute, protocol.ControlRequest{Action: protocol.ControlStart}, protocol.ControlRequest{Action: protocol.ControlStop, Identity: "ops@host"})
	env.RegisterDelayedCallback(func() {
		s := state()
		require.Len(t, s.Stops, 1)
		require.Equal(t, "test.mail", s.Stops[0].OperationType, "the number is the type's")
		require.Contains(t, s.Refused, `action: is neither "stop" nor "start" (got "halt")`)
		require.Equal(t, "no right to it", s.Problem)
	}, time.Second)
	env.RegisterDelayedCallback(func() {
		s := state()
		require.Len(t, s.Stops, 1)
		require.Equal(t, "", s.Stops[0].OperationType)
		require.Equal(t, "ops@host", s.Stops[0].Identity)
	}, 2*time.Minute)
	send(time.Hour, protocol.ControlRequest{Action: protocol.ControlStart})
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.ServiceWorkflowID("operations"), TaskQueue: "operations-engine"})
	env.ExecuteWorkflow(protocol.ServiceWorkflow)
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []protocol.ApplyStopsRequest{
		{Limited: []string{"mail"}, Reason: "blocked"},
		{Unlimited: []string{"mail"}, Started: []string{"test.mail"}},
		{Limited: []string{"mail"}},
		{Unlimited: []string{"mail"}},
	}, applied)
}

// SPEC 8.2: a stop holds at once, also where a start before it has not reached
// everything yet; what is stopped again by then is not told to go on.
func TestStopDoesNotWaitForTheStartBeforeIt(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(20 * time.Second)
	cat, err := catalogue.New(
		catalogue.Type{Key: "test.mail", Binding: catalogue.Binding{Activity: "mail"}},
		catalogue.Type{Key: "test.record", Binding: catalogue.Binding{Activity: "record"}},
	)
	require.NoError(t, err)
	RegisterService(env, cat)
	var applied [][]string
	env.RegisterActivityWithOptions(func(protocol.ApplyStopsRequest) (protocol.ApplyStopsReply, error) {
		return protocol.ApplyStopsReply{}, nil
	}, activity.RegisterOptions{Name: protocol.ApplyStopsActivity})
	env.OnActivity(protocol.ApplyStopsActivity, mock.Anything).After(time.Minute).Return(func(r protocol.ApplyStopsRequest) (protocol.ApplyStopsReply, error) {
		applied = append(applied, r.Started)
		return protocol.ApplyStopsReply{}, nil
	})
	for at, request := range map[time.Duration]protocol.ControlRequest{
		0:                {Action: protocol.ControlStop, OperationType: "test.mail"},
		1 * time.Second:  {Action: protocol.ControlStop, OperationType: "test.record"},
		2 * time.Second:  {Action: protocol.ControlStart, OperationType: "test.mail"},
		10 * time.Second: {Action: protocol.ControlStart, OperationType: "test.record"},
		11 * time.Second: {Action: protocol.ControlStop, OperationType: "test.record"},
		12 * time.Second: {Action: protocol.ControlStop, OperationType: "test.mail"},
		time.Hour:        {Action: protocol.ControlStart},
	} {
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(protocol.ControlSignalName, request) }, at)
	}
	env.RegisterDelayedCallback(func() {
		var s protocol.ServiceState
		answer, err := env.QueryWorkflow(protocol.ServiceQueryName)
		require.NoError(t, err)
		require.NoError(t, answer.Get(&s))
		require.Len(t, s.Stops, 2)
		require.Empty(t, applied, "the first start is still being applied")
	}, 13*time.Second)
	env.ExecuteWorkflow(protocol.ServiceWorkflow)
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, [][]string{{"test.mail"}, {"test.record", "test.mail"}}, applied)
}
