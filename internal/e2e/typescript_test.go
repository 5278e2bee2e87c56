package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// archiveConfig binds the type of examples/typescript, by configuration alone.
const archiveConfig = `
taskQueue: %[1]q
types:
  - key: archive.documents
    activity: archiveDocuments
    taskQueue: %[1]s-archive
    heartbeat: 5s
    cancelTimeout: 60s
    retry: {initial: 100ms, max: 1s, maxAttempts: 3}
`

// documentSite has a document for every path, and holds back those that it is
// told to until they are let go.
type documentSite struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // path and fence
	holds map[string]chan struct{}
}

func newDocumentSite(t *testing.T) *documentSite {
	t.Helper()
	d := &documentSite{holds: map[string]chan struct{}{}}
	d.Server = httptest.NewServer(d)
	t.Cleanup(func() {
		d.CloseClientConnections()
		d.Close()
	})
	return d
}

func (d *documentSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, attempt, _ := strings.Cut(r.Header.Get("Seriatim-Fence"), ".")
	d.mu.Lock()
	d.asked = append(d.asked, r.URL.Path+" by "+attempt)
	hold := d.holds[r.URL.Path]
	first := strings.Count(strings.Join(d.asked, "\n"), r.URL.Path+" by ") == 1
	d.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return
		}
	}
	var status int
	if _, err := fmt.Sscanf(filepath.Base(r.URL.Path), "first-%d", &status); err == nil && first {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		return
	}
	if _, err := fmt.Sscanf(filepath.Base(r.URL.Path), "always-%d", &status); err == nil {
		w.WriteHeader(status)
		return
	}
	_, _ = io.WriteString(w, strings.Repeat("document "+r.URL.Path+"\n", 100))
}

// hold has the next requests for a path wait until let is called.
func (d *documentSite) hold(path string) (let func()) {
	gate := make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holds[path] = gate
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.holds, path)
		close(gate)
	})
}

// of is what was asked for below a folder, in order.
func (d *documentSite) of(folder string) (asked []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, request := range d.asked {
		if rest, ok := strings.CutPrefix(request, "/"+folder+"/"); ok {
			asked = append(asked, rest)
		}
	}
	return asked
}

// archiveProgram is where the program in TypeScript is.
func archiveProgram() string { return filepath.Join(programs, "typescript") }

// installed installs the program once, and beside it the handler of
// docs/handlers.md; the error is of npm.
var installed = sync.OnceValue(func() error {
	if err := copyExample("typescript", archiveProgram()); err != nil {
		return err
	}
	greet, err := fileOf("greet.ts")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(archiveProgram(), "src", "greet.ts"), []byte(greet), 0o600); err != nil {
		return err
	}
	return npm(archiveProgram(), "ci", "--no-audit", "--no-fund", "--ignore-scripts")
})

// compiled type-checks the program, as strictly as the compiler can, builds it and
// runs its own test, once.
var compiled = sync.OnceValue(func() error { return npm(archiveProgram(), "test") })

// archive is a Seriatim worker with workers in TypeScript beside it.
type archive struct {
	*opclient.Client
	temporal client.Client
	t        *testing.T
	site     *documentSite
	queue    string
	kept     string // where documents are kept
	cli      cli
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	needNode(t)
	a := &archive{t: t, site: newDocumentSite(t), queue: unique(t), kept: t.TempDir()}
	skipOffline(t, installed())
	require.NoError(t, compiled())
	startProcess(t, shared, fmt.Sprintf(archiveConfig, a.queue))
	temporal, err := client.Dial(opclient.DialOptions(client.Options{HostPort: shared.Address(), Namespace: shared.Namespace()}))
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	a.temporal = temporal
	a.Client = opclient.New(temporal, opclient.Options{TaskQueue: a.queue, Namespace: shared.Namespace()})
	a.cli = cli{t: t, queue: a.queue}
	return a
}

// serve starts a worker in TypeScript as a process.
func (a *archive) serve() *process {
	a.t.Helper()
	p := &process{t: a.t, command: exec.Command("node", "dist/worker.js"), log: filepath.Join(a.t.TempDir(), "log")}
	p.command.Dir = archiveProgram()
	p.command.Env = append(os.Environ(),
		"TEMPORAL_ADDRESS="+shared.Address(), "TEMPORAL_NAMESPACE="+shared.Namespace(), "TASK_QUEUE="+a.queue+"-archive",
		"ARCHIVE_URL="+a.site.URL, "ARCHIVE_FOLDER="+a.kept, "SHUTDOWN_GRACE=1s")
	log, err := os.Create(p.log)
	require.NoError(a.t, err)
	p.command.Stdout, p.command.Stderr = log, log
	require.NoError(a.t, p.command.Start())
	require.NoError(a.t, log.Close())
	a.t.Cleanup(func() {
		p.kill()
		if a.t.Failed() {
			said, _ := os.ReadFile(p.log)
			a.t.Logf("the worker in TypeScript said:\n%s", said)
		}
	})
	return p
}

// submit has documents archived; the operation's id is their folder at the site.
func (a *archive) submit(name string, documents ...string) (id string) {
	a.t.Helper()
	id = a.queue + "-" + name
	paths := make([]string, len(documents))
	for i, document := range documents {
		paths[i] = fmt.Sprintf("%q", "/"+id+"/"+document)
	}
	_, err := a.Submit(a.t.Context(), protocol.Operation{
		ID: id, OperationType: "archive.documents", DependencyToken: id,
		Data: fmt.Appendf(nil, `{"paths":[%s]}`, strings.Join(paths, ",")),
	})
	require.NoError(a.t, err)
	return id
}

// becomes waits until the operation is so.
func (a *archive) becomes(id, what string, so func(opclient.Found) bool) (found opclient.Found) {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		var err error
		found, err = a.Get(a.t.Context(), id, id)
		return err == nil && so(found)
	}, 2*patience, 200*time.Millisecond, "%s %s", id, what)
	return found
}

func (a *archive) ends(id string, status protocol.StatusCode) opclient.Found {
	a.t.Helper()
	return a.becomes(id, "ends "+status.String(), func(f opclient.Found) bool { return f.StatusCode == status })
}

// toldDone waits until the handler has told that so much is done.
func (a *archive) toldDone(id string, done int64) opclient.Found {
	a.t.Helper()
	return a.becomes(id, fmt.Sprintf("has %d done", done), func(f opclient.Found) bool { return f.Progress != nil && f.Progress.Done == done })
}

// requireKept checks that the documents are there, each whole.
func (a *archive) requireKept(id string, documents ...string) {
	a.t.Helper()
	for _, document := range documents {
		path := "/" + id + "/" + document
		compressed, err := os.ReadFile(filepath.Join(a.kept, id, strings.ReplaceAll(path, "/", "%2F")+".gz"))
		require.NoError(a.t, err)
		reader, err := gzip.NewReader(bytes.NewReader(compressed))
		require.NoError(a.t, err)
		content, err := io.ReadAll(reader)
		require.NoError(a.t, err)
		require.Equal(a.t, strings.Repeat("document "+path+"\n", 100), string(content))
	}
}

// SPEC 9.2, 6.1, 6.5: a handler in TypeScript, bound by configuration alone, does
// real work and keeps the contract of docs/protocol.md.
func TestTypeScriptHandler(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	a.serve()
	t.Run("tells its progress, is paused and goes on", func(t *testing.T) { a.in(t).progressAndPause() })
	t.Run("is paused at the server", func(t *testing.T) { a.in(t).pausedAtServer() })
	t.Run("is cancelled", func(t *testing.T) { a.in(t).cancel() })
	t.Run("ends in each way", func(t *testing.T) { a.in(t).outcomes() })
	t.Run("a retry goes on from the last report", func(t *testing.T) { a.in(t).retried() })
}

// in is the same for a part of the test.
func (a *archive) in(t *testing.T) *archive {
	part := *a
	part.t, part.cli.t = t, t
	return &part
}

// SPEC 6.5, 3.1
func (a *archive) progressAndPause() {
	let := a.site.hold("/" + a.queue + "-p/3")
	id := a.submit("p", "1", "2", "3", "4")
	found := a.toldDone(id, 2)
	require.Equal(a.t, 50, *found.Progress.Percent)
	require.Equal(a.t, "/"+id+"/2", found.Progress.Note)
	require.Contains(a.t, a.cli.ok("show", id, "--token", id), "progress        2 of 4 (50 %), /"+id+"/2, as of 20")
	require.Contains(a.t, a.cli.ok("why", id, "--token", id), "2 of 4 (50 %)")
	_, err := a.Pause(a.t.Context(), id, id, "the site is slow")
	require.NoError(a.t, err)
	a.becomes(id, "is paused", func(f opclient.Found) bool { return f.SuspendReason == protocol.SuspendPaused })
	let()
	_, err = a.Resume(a.t.Context(), id, id, "")
	require.NoError(a.t, err)
	found = a.ends(id, protocol.Succeeded)
	require.Equal(a.t, []string{"1 by 1.1", "2 by 1.1", "3 by 1.1", "3 by 2.1", "4 by 2.1"}, a.site.of(id))
	require.Contains(a.t, string(found.Result), `"documents":4`)
	require.NotEmpty(a.t, found.HostID)
	require.Positive(a.t, found.ExecutionTimeSpan)
	a.requireKept(id, "1", "2", "3", "4")
}

// As the Web UI does it.
func (a *archive) pausedAtServer() {
	let := a.site.hold("/" + a.queue + "-s/2")
	id := a.submit("s", "1", "2")
	a.toldDone(id, 1)
	require.NoError(a.t, pauseAtServer(a.t.Context(), a.temporal, shared.Namespace(), id, "archiveDocuments"))
	a.becomes(id, "has stopped", func(f opclient.Found) bool { return f.SuspendReason == protocol.SuspendPaused && f.RetryCount == 1 })
	let()
	_, err := a.Resume(a.t.Context(), id, id, "")
	require.NoError(a.t, err)
	a.ends(id, protocol.Succeeded)
	require.Equal(a.t, []string{"1 by 1.1", "2 by 1.1", "2 by 1.2"}, a.site.of(id))
}

// SPEC 3.2
func (a *archive) cancel() {
	let := a.site.hold("/" + a.queue + "-c/2")
	defer let()
	id := a.submit("c", "1", "2", "3")
	a.toldDone(id, 1)
	_, err := a.Cancel(a.t.Context(), id, id, "not needed")
	require.NoError(a.t, err)
	found := a.ends(id, protocol.Canceled)
	require.Empty(a.t, found.ErrorCode, "its lock was not broken: the handler stopped")
	require.Equal(a.t, []string{"1 by 1.1", "2 by 1.1"}, a.site.of(id))
}

// SPEC 6.1, 6.2, 6.3, 3.3
func (a *archive) outcomes() {
	gone, down := a.submit("gone", "always-404"), a.submit("down", "always-503")
	person, busy := a.submit("person", "1", "first-401", "3"), a.submit("busy", "1", "first-429", "3")
	unreadable := a.submit("unreadable")

	found := a.ends(gone, protocol.Failed)
	require.Equal(a.t, "DocumentGone", found.ErrorCode)
	require.Contains(a.t, found.Message, "the site answered 404")
	require.Contains(a.t, found.FriendlyMessage, "There is no document")
	require.Zero(a.t, found.RetryCount)

	found = a.ends(down, protocol.Failed)
	require.Equal(a.t, "SiteUnavailable", found.ErrorCode)
	require.Equal(a.t, 2, found.RetryCount)
	require.Len(a.t, a.site.of(down), 3)

	found = a.becomes(person, "asks for a person", func(f opclient.Found) bool { return f.SuspendReason == protocol.SuspendError })
	require.Equal(a.t, "AccessDenied", found.ErrorCode)
	_, err := a.Resume(a.t.Context(), person, person, "access was renewed")
	require.NoError(a.t, err)
	a.ends(person, protocol.Succeeded)
	require.Equal(a.t, []string{"1 by 1.1", "first-401 by 1.1", "first-401 by 2.1", "3 by 2.1"}, a.site.of(person))

	found = a.ends(busy, protocol.Succeeded)
	require.Equal(a.t, []string{"1 by 1.1", "first-429 by 1.1", "first-429 by 2.1", "3 by 2.1"}, a.site.of(busy), "n grows, no attempt is used up")
	require.Zero(a.t, found.RetryCount)

	found = a.ends(unreadable, protocol.Failed)
	require.Equal(a.t, string(protocol.CodePayloadUnreadable), found.ErrorCode)
	require.Contains(a.t, found.Message, "data.paths: is not an array of paths (got [])")
}

// SPEC 6.4, 6.5: the reports before an error follow each other faster than the
// SDK sends them.
func (a *archive) retried() {
	id := a.submit("again", "1", "2", "3", "first-503", "5")
	found := a.ends(id, protocol.Succeeded)
	require.Equal(a.t, []string{"1 by 1.1", "2 by 1.1", "3 by 1.1", "first-503 by 1.1", "first-503 by 1.2", "5 by 1.2"}, a.site.of(id))
	require.Equal(a.t, 1, found.RetryCount)
	a.requireKept(id, "1", "2", "3", "5")
}

// SPEC 6.5, 8.1, 8.2: one worker is killed with -9, the next is asked to stop, and
// each leaves its checkpoint to another.
func TestTypeScriptWorkersComeAndGo(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	first := a.serve()
	letThird, letFifth := a.site.hold("/"+a.queue+"-k/3"), a.site.hold("/"+a.queue+"-k/5")
	id := a.submit("k", "1", "2", "3", "4", "5", "6")
	a.toldDone(id, 2)
	first.kill()
	letThird()
	second := a.serve()
	a.toldDone(id, 4)
	require.NoError(t, second.command.Process.Signal(os.Interrupt))
	stopped := make(chan error, 1)
	go func() { stopped <- second.command.Wait() }()
	a.serve()
	a.becomes(id, "is elsewhere", func(opclient.Found) bool { return len(a.site.of(id)) == 7 })
	letFifth()
	found := a.ends(id, protocol.Succeeded)
	require.NoError(t, <-stopped, "it ends in order")
	require.Equal(t, []string{"1 by 1.1", "2 by 1.1", "3 by 1.1", "3 by 1.2", "4 by 1.2", "5 by 1.2"}, a.site.of(id)[:6])
	require.Regexp(t, `^5 by 2\.1$`, a.site.of(id)[6], "an interrupted attempt does not count")
	require.Contains(t, string(found.Result), `"documents":6`)
	a.requireKept(id, "1", "2", "3", "4", "5", "6")
}
