package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/seriatim-go/seriatim"
	root   = "../.."
	sdk    = "go.temporal.io/sdk"
	server = "go.temporal.io/server"
	otel   = "go.opentelemetry.io/otel"
)

// pkg is a package as "go list" describes it.
type pkg struct {
	ImportPath, Name                   string
	Standard                           bool
	Imports, TestImports, XTestImports []string
}

// graph is every package of the module and all that they import.
type graph map[string]pkg

func load(t *testing.T) graph {
	t.Helper()
	list := exec.Command("go", "list", "-deps", "-json=ImportPath,Name,Standard,Imports,TestImports,XTestImports", "./...")
	list.Dir = root
	var problems bytes.Buffer
	list.Stderr = &problems
	described, err := list.Output()
	require.NoError(t, err, problems.String())
	g := make(graph)
	for decoder := json.NewDecoder(bytes.NewReader(described)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else {
			require.NoError(t, err)
		}
		g[p.ImportPath] = p
	}
}

// own lists the module's packages below those folders, all without any.
func (g graph) own(folders ...string) (paths []string) {
	for path := range g {
		if !isBelow(path, module) {
			continue
		}
		if len(folders) == 0 || slices.ContainsFunc(folders, func(folder string) bool { return isBelow(path, module+"/"+folder) }) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

func isBelow(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

func isBelowAny(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return isBelow(path, folder) })
}

// deps is all that a package imports, itself or through others.
func (g graph) deps(path string) (deps []string) {
	seen := make(map[string]bool)
	var visit func(string)
	visit = func(path string) {
		for _, imported := range g[path].Imports {
			if !seen[imported] {
				seen[imported] = true
				deps = append(deps, imported)
				visit(imported)
			}
		}
	}
	visit(path)
	slices.Sort(deps)
	return deps
}

// rule is one rule of what may import what; it answers the violations.
type rule struct {
	name  string
	check func(graph) []string
	// red are packages that break it: a rule that finds nothing wrong with
	// them would find nothing at all.
	red map[string][]string
}

// onlyImports lets packages import the standard library and what is below the
// folders, themselves and through others.
func onlyImports(folder string, allowed ...string) func(graph) []string {
	return func(g graph) (wrong []string) {
		for _, path := range g.own(folder) {
			for _, dep := range g.deps(path) {
				if !g[dep].Standard && !isBelowAny(dep, append(allowed, module+"/"+folder)) {
					wrong = append(wrong, fmt.Sprintf("%s imports %s", path, dep))
				}
			}
		}
		return wrong
	}
}

// neverImports forbids what is below the folders, through others too.
func neverImports(folders []string, forbidden ...string) func(graph) []string {
	return func(g graph) (wrong []string) {
		for _, path := range g.own(folders...) {
			for _, dep := range g.deps(path) {
				if isBelowAny(dep, forbidden) {
					wrong = append(wrong, fmt.Sprintf("%s imports %s", path, dep))
				}
			}
		}
		return wrong
	}
}

// directImports allows what is below the folders and forbids a few of them; the
// rest is up to what they import.
func directImports(folder string, allowed, forbidden []string) func(graph) []string {
	return func(g graph) (wrong []string) {
		for _, path := range g.own(folder) {
			for _, imported := range g[path].Imports {
				known := g[imported].Standard || isBelowAny(imported, allowed)
				if !known || slices.Contains(forbidden, imported) {
					wrong = append(wrong, fmt.Sprintf("%s imports %s", path, imported))
				}
			}
		}
		return wrong
	}
}

// onlyTheseSeeBoth keeps workflows and activities apart everywhere else.
func onlyTheseSeeBoth(folders ...string) func(graph) []string {
	return func(g graph) (wrong []string) {
		allowed := g.own(folders...)
		for _, path := range g.own() {
			all := append(g.deps(path), path)
			sees := func(folder string) bool {
				return slices.ContainsFunc(all, func(dep string) bool { return isBelow(dep, module+"/"+folder) })
			}
			if sees("workflows") && sees("activities") && !slices.Contains(allowed, path) {
				wrong = append(wrong, path+" imports workflows and activities")
			}
		}
		return wrong
	}
}

// noServer keeps 1,750 packages out of every build, tests included.
func noServer(g graph) (wrong []string) {
	for _, path := range g.own() {
		p := g[path]
		for _, dep := range slices.Concat(g.deps(path), p.TestImports, p.XTestImports) {
			if isBelow(dep, server) {
				wrong = append(wrong, fmt.Sprintf("%s imports %s", path, dep))
			}
		}
	}
	return wrong
}

var rules = []rule{
	{
		name:  "protocol imports the standard library only",
		check: onlyImports("protocol"),
		red:   map[string][]string{module + "/protocol": {sdk + "/temporal"}},
	},
	{
		name:  "catalogue imports protocol and the standard library only",
		check: onlyImports("catalogue", module+"/protocol"),
		red:   map[string][]string{module + "/catalogue": {module + "/protocol", module + "/internal/config"}},
	},
	{
		name: "workflows import the SDK's workflow packages, protocol and catalogue, and nothing that acts on the world",
		check: directImports("workflows",
			[]string{
				module + "/protocol", module + "/catalogue", module + "/workflows",
				sdk + "/workflow", sdk + "/temporal", sdk + "/converter", sdk + "/log", "go.temporal.io/api",
			},
			[]string{
				"go.temporal.io/api/workflowservice/v1", "go.temporal.io/api/operatorservice/v1",
				"net", "net/http", "os", "os/exec", "os/signal", "io/ioutil", "math/rand", "math/rand/v2", "crypto/rand", "database/sql", "log", "log/slog", "sync", "syscall",
			}),
		red: map[string][]string{module + "/workflows": {sdk + "/workflow", "os"}},
	},
	{
		name:  "workflows never see activities, a client, a worker or the configuration",
		check: neverImports([]string{"workflows"}, module+"/activities", module+"/opclient", module+"/internal", sdk+"/client", sdk+"/worker", "github.com/spf13"),
		red:   map[string][]string{module + "/workflows": {"x.org/wrapper"}, "x.org/wrapper": {sdk + "/client"}},
	},
	{
		name:  "activities never see workflows",
		check: neverImports([]string{"activities"}, module+"/workflows"),
		red:   map[string][]string{module + "/activities/mail": {module + "/workflows"}},
	},
	{
		name:  "the client and the CLI know workflows and activities by name only",
		check: neverImports([]string{"opclient", "starter"}, module+"/workflows", module+"/activities"),
		red:   map[string][]string{module + "/starter": {module + "/worker"}, module + "/worker": {module + "/activities/mail"}},
	},
	{
		name:  "only a worker sees workflows and activities both",
		check: onlyTheseSeeBoth("worker", "internal/e2e", "internal/chaos", "internal/backlog", "internal/bench", "examples"),
		red:   map[string][]string{module + "/internal/config": {module + "/workflows", module + "/activities/mail"}},
	},
	{
		name:  "only the worker makes and sends spans: libraries and the CLI see OpenTelemetry's API",
		check: neverImports([]string{"protocol", "catalogue", "workflows", "activities", "opclient", "starter", "codec"}, otel+"/sdk", otel+"/exporters", "go.opentelemetry.io/proto"),
		red:   map[string][]string{module + "/activities": {otel + "/sdk/trace"}},
	},
	{
		name:  "nothing imports the Temporal server",
		check: noServer,
		red:   map[string][]string{module + "/internal/e2e": {server + "/temporal"}},
	},
}

func TestImports(t *testing.T) {
	t.Parallel()
	g := load(t)
	require.NotEmpty(t, g.own("protocol"))
	require.NotEmpty(t, g.own("workflows"))
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, rule.check(g))
		})
	}
}

func TestEveryImportRuleFindsAViolation(t *testing.T) {
	t.Parallel()
	for _, rule := range rules {
		g := graph{"os": {ImportPath: "os", Standard: true}}
		for path, imports := range rule.red {
			g[path] = pkg{ImportPath: path, Imports: imports}
			for _, imported := range imports {
				if _, known := g[imported]; !known {
					g[imported] = pkg{ImportPath: imported}
				}
			}
		}
		require.NotEmpty(t, rule.check(g), rule.name)
	}
}

// The server is a dependency of the nested module alone: in the root's go.mod it
// would cost everybody minutes.
func TestTheRootModuleDoesNotRequireTheServer(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile(root + "/go.mod")
	require.NoError(t, err)
	require.NotContains(t, string(file), server+" ")
}
