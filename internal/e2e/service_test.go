package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const serviceConfig = `
taskQueue: %q
worker: {stopTimeout: 1s}
http:
  allowLoopback: true
  connections:
    - name: target
      baseURL: %s
types:
  - {key: http.request, activity: http.request, startToClose: 5s, heartbeat: 2s}
  - {key: test.other, activity: http.request, startToClose: 5s, heartbeat: 2s}
  - {key: test.local, activity: http.request, execution: local}
  - {key: test.elsewhere, activity: elsewhere, taskQueue: %q}
`

// stoppable is a service of real worker processes, and a worker of somebody else
// that handles test.elsewhere.
type stoppable struct {
	t      *testing.T
	target *target
	client *opclient.Client
	cli    cli
	config string
	queue  string
	// elsewhere are the operations that the other worker ran.
	elsewhere chan string
}

func newStoppable(t *testing.T) *stoppable {
	t.Helper()
	s := &stoppable{t: t, target: newTarget(t, 10*time.Millisecond), queue: unique(t), elsewhere: make(chan string, 100)}
	s.cli = cli{t: t, queue: s.queue}
	s.config = fmt.Sprintf(serviceConfig, s.queue, s.target.URL, s.queue+"-other")
	temporal := dial(t, shared.Namespace())
	s.client = opclient.New(temporal, opclient.Options{TaskQueue: s.queue, Namespace: shared.Namespace()})
	other := worker.New(temporal, s.queue+"-other", worker.Options{DisableWorkflowWorker: true})
	other.RegisterActivityWithOptions(func(_ context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		s.elsewhere <- in.Operation.ID
		return protocol.HandlerResult{}, nil
	}, activity.RegisterOptions{Name: "elsewhere"})
	require.NoError(t, other.Start())
	t.Cleanup(other.Stop)
	return s
}

func (s *stoppable) submit(token string, n int, of protocol.TypeRef) protocol.Operation {
	s.t.Helper()
	o := operation(token, n)
	o.DependencyToken, o.OperationType = token, of
	if of != "test.elsewhere" {
		o.Data = fmt.Appendf(nil, `{"method":"POST","connection":"target","path":"/%s"}`, token)
	}
	_, err := s.client.Submit(s.t.Context(), o)
	require.NoError(s.t, err)
	return o
}

func (s *stoppable) succeeds(o protocol.Operation) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*patience)
	defer cancel()
	found, err := s.client.Wait(ctx, o.ID, o.DependencyToken)
	require.NoError(s.t, err)
	require.Equal(s.t, protocol.Succeeded, found.StatusCode, found.Message)
}

// nothingStarts watches for a while.
func (s *stoppable) nothingStarts() {
	s.t.Helper()
	before := len(s.target.all())
	require.Never(s.t, func() bool { return len(s.target.all()) > before || len(s.elsewhere) > 0 }, 3*time.Second, 50*time.Millisecond)
}

// SPEC 8.2: stopped, nothing new is locked, on this worker, on one that comes, and
// on one of somebody else; submissions and actions go on being taken; started, all
// that fell due runs, in order.
func TestServiceIsStoppedAndStarted(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	token := unique(t) + "-a"
	p := startProcess(t, shared, s.config)
	s.succeeds(s.submit(token, 0, "http.request"))
	s.succeeds(s.submit(token+"-e", 0, "test.elsewhere"))
	<-s.elsewhere

	said := s.cli.ok("service", "stop", "--reason", "the data centre moves")
	require.Contains(t, said, "all handlers")
	require.Contains(t, said, "the data centre moves")
	// The worker looks every two seconds: what it has read is not started any more.
	var last protocol.Operation
	n := 1
	require.Eventually(t, func() bool {
		last = s.submit(token, n, "http.request")
		n++
		before := len(s.target.all())
		time.Sleep(1500 * time.Millisecond)
		return len(s.target.all()) == before
	}, patience, time.Millisecond)
	elsewhere := s.submit(token+"-e", 1, "test.elsewhere")
	local := s.submit(token+"-l", 0, "test.local")
	unwanted := s.submit(token, n, "http.request")
	record, err := s.client.Cancel(t.Context(), unwanted.ID, token, "not needed")
	require.NoError(t, err, "actions go on being taken")
	require.Equal(t, protocol.Canceled, record.StatusCode)
	s.nothingStarts()
	p.kill()
	startProcess(t, shared, s.config)
	s.nothingStarts()
	why, err := s.client.Why(t.Context(), last.ID, token)
	require.NoError(t, err)
	require.Contains(t, why.Why[len(why.Why)-1], "the data centre moves")

	require.Contains(t, s.cli.ok("service", "start"), "nothing is stopped")
	s.succeeds(last)
	s.succeeds(elsewhere)
	s.succeeds(local)
	var wanted, came []string
	for i := range n {
		wanted = append(wanted, operation(token, i).ID)
	}
	for _, r := range s.target.all() {
		if r.Token == token {
			came = append(came, r.ID)
		}
	}
	require.Equal(t, wanted, came, "in order, each once")
}

// SPEC 8.2: a stop of one type, asked for while no worker runs, is read by the
// first one before it starts a handler; other types do not notice. What waits is
// told when it is over, well before it would ask again by itself.
func TestOneTypeIsStoppedWithoutAWorker(t *testing.T) {
	t.Parallel()
	for _, key := range []protocol.TypeRef{"test.other", "test.local"} {
		t.Run(string(key), func(t *testing.T) {
			t.Parallel()
			stopOneType(t, key)
		})
	}
}

func stopOneType(t *testing.T, key protocol.TypeRef) {
	t.Helper()
	s := newStoppable(t)
	require.NoError(t, s.client.StopService(t.Context(), key, "blocked"))
	require.Contains(t, s.cli.ok("service", "status"), "nothing is stopped")
	token := unique(t)
	stopped := s.submit(token, 0, key)
	behind := s.submit(token, 1, "http.request")
	startProcess(t, shared, s.config)
	s.succeeds(s.submit(token+"-b", 0, "http.request"))
	require.Eventually(t, func() bool {
		found, err := s.client.Get(t.Context(), stopped.ID, token)
		return err == nil && found.ErrorCode == protocol.CodeStopped && found.SuspendReason == protocol.SuspendRetrying
	}, patience, 100*time.Millisecond)
	require.Len(t, s.target.all(), 1, "only the other type's")
	require.Contains(t, s.cli.ok("service", "status", "--task-queue", s.queue, "-o", "json"), fmt.Sprintf(`"operationType": %q`, key))

	require.Contains(t, s.cli.ok("service", "start", "--type", string(key)), "nothing is stopped")
	s.succeeds(stopped)
	s.succeeds(behind)
	found, err := s.client.Get(t.Context(), stopped.ID, token)
	require.NoError(t, err)
	require.Zero(t, found.RetryCount, "no attempt was used up")
}
