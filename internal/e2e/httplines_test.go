package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// httpLines are the lines of a page that bash runs with curl, and the functions
// that they need.
func httpLines(t *testing.T, page string) (functions string, lines []string) {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	require.NoError(t, err)
	function := regexp.MustCompile(`(?ms)^\w+\(\) \{\n.*?^\}\n`)
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(block[1], "curl ") && !strings.Contains(block[1], "\nupdate ") {
			continue
		}
		functions += strings.Join(function.FindAllString(block[1], -1), "")
		rest := function.ReplaceAllString(block[1], "")
		lines = append(lines, regexp.MustCompile(`(?m)^(?:[^ \n].*)(?:\n +.*)*$`).FindAllString(rest, -1)...)
	}
	require.NotEmpty(t, lines)
	return functions, lines
}

// httpWorld is where one line is run: the names of the page are names of its own.
type httpWorld struct {
	*site
	token string
	let   context.Context // is done when handlers may end
	done  func()
}

func newHTTPWorld(t *testing.T) *httpWorld {
	w := &httpWorld{site: newSite(t, shared, workflows.Options{}), token: strings.ReplaceAll(unique(t), "/", "-")}
	w.let, w.done = context.WithCancel(w.ctx)
	t.Cleanup(w.done)
	w.works = func(ctx context.Context, r activities.Request) protocol.Outcome {
		select {
		case <-ctx.Done():
			return protocol.Cancellation()
		case <-w.let.Done():
		}
		if r.Operation.Name == "fails" {
			return protocol.Failure("E7", "no such account")
		}
		return protocol.Success(nil)
	}
	return w
}

// id is that of the page's a1.
func (w *httpWorld) id(n int) string { return fmt.Sprintf("%s-a%d", w.token, n) }

func (w *httpWorld) a(n int) protocol.Operation {
	return protocol.Operation{ID: w.id(n), OperationType: workType}
}

// bash runs a line of the page as it stands, but for the names, and answers what
// it printed.
func (w *httpWorld) bash(functions, line string) string {
	w.t.Helper()
	script := strings.NewReplacer(
		"127.0.0.1:7243", shared.HTTPAddress(), "namespaces/default", "namespaces/"+w.namespace,
		`"operations"`, fmt.Sprintf("%q", w.taskQueue), "customer-42", w.token, "http.request", workType,
		":a1", ":"+w.id(1), `"a1`, `"`+w.id(1), ":a2", ":"+w.id(2), `"a2`, `"`+w.id(2),
	).Replace(functions + line)
	output, err := exec.CommandContext(w.ctx, "bash", "-c", script).CombinedOutput()
	require.NoError(w.t, err, "%s\n%s", script, output)
	return string(output)
}

// Worlds in which a line makes sense.

func (w *httpWorld) running() {
	w.submit(w.token, w.a(1))
	require.Eventually(w.t, func() bool { return w.attempts(w.id(1)) > 0 }, patience, 20*time.Millisecond)
}

func (w *httpWorld) paused() {
	w.running()
	_, err := w.ask(w.id(1), protocol.PauseUpdateName, protocol.ActionRequest{})
	require.NoError(w.t, err)
	w.becomes(w.id(1), protocol.Waiting, protocol.SuspendPaused)
}

func (w *httpWorld) queued() {
	w.submit(w.token, []protocol.Operation{w.a(2), w.a(1)})
	require.Eventually(w.t, func() bool { return w.attempts(w.id(2)) > 0 }, patience, 20*time.Millisecond)
}

func (w *httpWorld) succeeded() {
	w.running()
	w.done()
	w.closed(w.id(1))
}

func (w *httpWorld) failed() {
	_, err := askToken[protocol.SerializerState](w.site, w.token, protocol.SetPolicyUpdateName, protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure})
	require.NoError(w.t, err)
	w.done()
	first := w.a(1)
	first.Name = "fails"
	w.submit(w.token, []protocol.Operation{first, w.a(2)})
	require.Eventually(w.t, func() bool { return w.state(w.token).Failure != nil }, patience, 20*time.Millisecond)
}

func (w *httpWorld) held() {
	_, err := askToken[protocol.SerializerState](w.site, w.token, protocol.HoldUpdateName, protocol.HoldRequest{})
	require.NoError(w.t, err)
}

func (w *httpWorld) idle() {}

// httpAnswer is what an update over HTTP says.
type httpAnswer struct {
	Outcome struct {
		Success []json.RawMessage
		Failure json.RawMessage
	}
}

// carriedOut reads the answer of an update that was not refused.
func carriedOut[A any](w *httpWorld, printed string) (value A) {
	w.t.Helper()
	var read httpAnswer
	require.NoError(w.t, json.Unmarshal([]byte(printed), &read), printed)
	require.Empty(w.t, string(read.Outcome.Failure), printed)
	require.NoError(w.t, json.Unmarshal(read.Outcome.Success[0], &value), printed)
	return value
}

// record has an update answer a record of that status.
func record(status protocol.StatusCode) func(*httpWorld, string) {
	return func(w *httpWorld, printed string) {
		r := carriedOut[protocol.Record](w, printed)
		require.Equal(w.t, status, r.StatusCode)
	}
}

// token has an update answer the token's state.
func token(check func(protocol.SerializerState) bool) func(*httpWorld, string) {
	return func(w *httpWorld, printed string) {
		require.True(w.t, check(carriedOut[protocol.SerializerState](w, printed)), printed)
	}
}

// says has a line print that.
func says(parts ...string) func(*httpWorld, string) {
	return func(w *httpWorld, printed string) {
		for _, part := range parts {
			require.Contains(w.t, printed, part)
		}
	}
}

// arrives has the operation run to its end.
func arrives(n int) func(*httpWorld, string) {
	return func(w *httpWorld, printed string) {
		require.Contains(w.t, printed, `"started":true`)
		w.done()
		require.Equal(w.t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, w.closed(w.id(n)))
	}
}

// httpCases say, of a line that contains the text, where it is run and what must
// come of it.
var httpCases = []struct {
	contains string
	world    func(*httpWorld)
	check    func(*httpWorld, string)
}{
	{"signal-with-start/submit' \\\n  -H 'Content-Type: application/json' \\\n  -d '{\n    \"workflowType\"", (*httpWorld).idle, arrives(1)},
	{"signal-with-start/submit", (*httpWorld).idle, arrives(2)},
	{"REJECT_DUPLICATE", (*httpWorld).idle, arrives(2)},
	{"query/state", (*httpWorld).queued, says(`"queued":1`, `"head":{`)},
	{"query/list", (*httpWorld).queued, says(`"total":1`)},
	{"query/find", (*httpWorld).queued, says(`"found":true`, `"position":1`)},
	{"query/operation", (*httpWorld).succeeded, says(`"statusCode":30`)},
	{"waitNewEvent", (*httpWorld).succeeded, says("WORKFLOW_EXECUTION_COMPLETED")},
	{"USE_EXISTING", (*httpWorld).idle, says(`"started":true`)},
	{"update operation:a1 pause", (*httpWorld).running, record(protocol.Pausing)},
	{"update operation:a1 resume", (*httpWorld).paused, record(protocol.WaitingForResources)},
	{"update operation:a1 postpone", (*httpWorld).running, record(protocol.Pausing)},
	{"update operation:a1 cancel", (*httpWorld).running, record(protocol.Canceling)},
	{"update token:customer-42 postpone", (*httpWorld).queued, record(protocol.Waiting)},
	{"update token:customer-42 cancel ", (*httpWorld).queued, record(protocol.Canceled)},
	{"update token:customer-42 hold", (*httpWorld).running, token(func(s protocol.SerializerState) bool { return s.Hold.Reason == "maintenance" })},
	{"update token:customer-42 release", (*httpWorld).held, token(func(s protocol.SerializerState) bool { return s.Hold == nil })},
	{"update token:customer-42 setPolicy", (*httpWorld).running, token(func(s protocol.SerializerState) bool { return s.Policy.MaxQueued == 1000 })},
	{"update token:customer-42 skip", (*httpWorld).failed, token(func(s protocol.SerializerState) bool { return s.Failure == nil })},
	{"update token:customer-42 cancelAll", (*httpWorld).queued, token(func(s protocol.SerializerState) bool { return s.Queued == 0 })},
	{"update token:customer-42 rerun", (*httpWorld).failed, func(w *httpWorld, printed string) {
		require.Equal(w.t, w.id(1), carriedOut[protocol.Record](w, printed).RerunOf)
	}},
}

// The lines of the docs and of the README that use the HTTP API do what they say,
// as they stand. Where curl is missing this is skipped.
func TestHTTPLinesOfTheDocs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	if shared.HTTPAddress() == "" {
		t.Skip("the server's HTTP address is not known")
	}
	used := make([]bool, len(httpCases))
	for _, page := range []string{"docs/protocol.md", "README.md"} {
		functions, lines := httpLines(t, page)
		for n, line := range lines {
			at := httpCase(line)
			require.GreaterOrEqual(t, at, 0, "no case for %s", line)
			used[at] = true
			t.Run(fmt.Sprintf("%s %d", page, n), func(t *testing.T) {
				t.Parallel()
				w := newHTTPWorld(t)
				httpCases[at].world(w)
				httpCases[at].check(w, w.bash(functions, line))
			})
		}
	}
	for at := range httpCases {
		require.True(t, used[at], "no line has %q", httpCases[at].contains)
	}
}

func httpCase(line string) int {
	for at, c := range httpCases {
		if strings.Contains(line, c.contains) {
			return at
		}
	}
	return -1
}
