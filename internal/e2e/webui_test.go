package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// browser is a Chromium that reads the Web UI's pages.
type browser struct {
	t     *testing.T
	ui    string
	in    io.Writer
	lines *bufio.Scanner
}

// page is what it is asked to read.
type page struct {
	URL        string   `json:"url"`
	Text       []string `json:"text"`
	Click      []string `json:"click,omitempty"`
	Press      *press   `json:"press,omitempty"`
	Screenshot string   `json:"screenshot,omitempty"`
	Height     int      `json:"height,omitempty"`
	// Columns are those that a person has chosen for the list of workflows.
	Columns []string `json:"columns,omitempty"`
}

// press is a key that is pressed once a text is there.
type press struct {
	Before string `json:"before"`
	Key    string `json:"key"`
}

// details is the tab with a workflow's details, read anew.
func details(workflowID string, text ...string) page {
	return page{
		URL: "/namespaces/default/workflows/" + workflowID, Click: []string{"User Metadata"},
		Press: &press{"Current Details", "r"}, Text: text,
	}
}

// newBrowser starts one; the test is skipped where there is none.
func newBrowser(t *testing.T, ui string) *browser {
	t.Helper()
	needNode(t)
	var chromium string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			chromium = path
		}
	}
	if chromium == "" {
		t.Skip("no Chromium is installed")
	}
	folder := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "read.mjs"} {
		content, err := os.ReadFile(filepath.Join("webui", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	skipOffline(t, npm(folder, "ci", "--no-audit", "--no-fund", "--ignore-scripts"))
	node := exec.Command("node", "read.mjs")
	node.Dir, node.Env, node.Stderr = folder, append(os.Environ(), "CHROMIUM="+chromium), os.Stderr
	in, err := node.StdinPipe()
	require.NoError(t, err)
	out, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = node.Wait()
	})
	b := &browser{t: t, ui: ui, in: in, lines: bufio.NewScanner(out)}
	b.lines.Buffer(nil, 16<<20)
	return b
}

// startWebUI is a server of its own with Temporal's Web UI, and a browser on it.
func startWebUI(t *testing.T) (*embedded.Server, *browser) {
	t.Helper()
	if source.Kind == embedded.KindAddress {
		t.Skipf("%s has no Web UI, as far as is known", source)
	}
	server, err := embedded.Start(t.Context(), source, embedded.ServerOptions{UI: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	return server, newBrowser(t, server.WebUI())
}

// read answers the rows of the page's table, once all texts are there.
func (b *browser) read(p page) []string {
	b.t.Helper()
	p.URL = b.ui + p.URL
	request, err := json.Marshal(p)
	require.NoError(b.t, err)
	_, err = b.in.Write(append(request, '\n'))
	require.NoError(b.t, err)
	require.True(b.t, b.lines.Scan(), "the browser ended")
	var answer struct {
		Rows        []string `json:"rows"`
		Error, Page string
	}
	require.NoError(b.t, json.Unmarshal(b.lines.Bytes(), &answer))
	require.Empty(b.t, answer.Error, "%s\n%s", p.URL, answer.Page)
	return answer.Rows
}

// screenshot is where a picture of the docs goes, where it is asked for:
//
//	SERIATIM_SCREENSHOTS=1 go test ./internal/e2e -run WebUI
func screenshot(t *testing.T, name string) string {
	t.Helper()
	if os.Getenv("SERIATIM_SCREENSHOTS") == "" {
		return ""
	}
	path, err := filepath.Abs(filepath.Join("../../docs", name))
	require.NoError(t, err)
	return path
}

// views are the links of docs/operations.md, by what they are called.
func views(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	links := make(map[string]string)
	row := regexp.MustCompile("(?m)^\\| \\[([^\\]]+)\\]\\(http://127\\.0\\.0\\.1:8233(/namespaces/default/workflows\\?query=\\S+)\\) \\| `(.*)` \\|$")
	for _, found := range row.FindAllStringSubmatch(string(text), -1) {
		link, err := url.Parse(found[2])
		require.NoError(t, err)
		require.Equal(t, found[3], link.Query().Get("query"), "the link is what stands beside it")
		links[found[1]] = found[2]
	}
	require.Len(t, links, 6)
	return links
}

// What an operator sees in Temporal's own Web UI: the lists that the docs link to,
// a token with its queue and why it stands, an operation that waits.
func TestWebUIShowsWhereOperationsAreAndWhy(t *testing.T) {
	server, b := startWebUI(t)
	s := newSite(t, server, workflows.Options{SearchAttributes: true})
	release := make(chan struct{})
	s.works = func(ctx context.Context, r activities.Request) protocol.Outcome {
		if r.Operation.ID == "bad" {
			return protocol.Failure("E7", "the **target** said no")
		}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return protocol.Success(nil)
	}
	t.Cleanup(func() { close(release) })
	c, due := s.client(), time.Now().Add(24*time.Hour)
	submit := func(operations ...protocol.Operation) {
		for _, o := range operations {
			o.OperationType = workType
			_, err := c.Submit(s.ctx, o)
			require.NoError(t, err)
		}
	}
	submit(
		protocol.Operation{ID: "later", Name: "print the invoice", DependencyToken: "customer-42", PostponeUntil: &due},
		protocol.Operation{ID: "behind", Name: "send it <b>", DependencyToken: "customer-42"},
		protocol.Operation{ID: "running"}, protocol.Operation{ID: "bad"},
	)
	_, err := c.Hold(s.ctx, "customer-7", time.Time{}, "stocktaking *until* noon")
	require.NoError(t, err)
	submit(protocol.Operation{ID: "held", DependencyToken: "customer-7"})
	s.closed("bad")
	s.becomes("later", protocol.Waiting, protocol.SuspendPostponed)

	links := views(t)
	for name, wanted := range map[string][]string{
		"Operations that wait: postponed, paused, retrying, the next occurrence": {"operation:later"},
		"Operations that run, or wait for a worker":                              {"operation:running"},
		"Operations that failed":                                                 {"operation:bad"},
		"Tokens that are held, by a person or by a failure":                      {"token:customer-7"},
		"All tokens with something to do":                                        {"token:customer-42", "token:customer-7"},
		"Everything of one token":                                                {"token:customer-42", "operation:later"},
	} {
		s.listed(links[name], wanted)
		picture := ""
		if strings.HasPrefix(name, "Tokens that are held") {
			picture = screenshot(t, "web-ui-held.png")
		}
		rows := b.read(page{URL: links[name], Text: wanted, Screenshot: picture, Height: 500})
		require.Len(t, rows, len(wanted), "%s: %q", name, rows)
		for _, id := range wanted {
			require.Contains(t, strings.Join(rows, "\n"), id)
		}
	}
	token := details("token:customer-42", "later", "postponed until", "send it <b>")
	token.Screenshot = screenshot(t, "web-ui-token.png")
	b.read(token)
	b.read(details("token:customer-7", "stocktaking *until* noon", "tester"))
	b.read(details("operation:later", "postponed until", "print the invoice"))
	_, err = c.Release(s.ctx, "customer-7", "")
	require.NoError(t, err)
	s.listed(links["Tokens that are held, by a person or by a failure"], nil)
	_, err = c.Cancel(s.ctx, "later", "customer-42", "")
	require.NoError(t, err)
}

// listed waits until the server's index, which lags, lists that for a link.
func (s *site) listed(link string, wanted []string) {
	s.t.Helper()
	parsed, err := url.Parse(link)
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool {
		count, err := s.CountWorkflow(s.ctx, countOf(s.namespace, parsed.Query().Get("query")))
		return err == nil && count.GetCount() == int64(len(wanted))
	}, patience, 200*time.Millisecond, link)
}

func countOf(namespace, query string) *workflowservice.CountWorkflowExecutionsRequest {
	return &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespace, Query: query}
}
