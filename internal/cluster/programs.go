package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

// temporalPrograms are what the images of docker-compose.yml hold, by the name
// that they have there.
var temporalPrograms = map[string]embedded.Program{
	"temporal-server":   {Name: "cluster-server", Module: "clusterserver/server", Package: "go.temporal.io/server/cmd/server"},
	"temporal-sql-tool": {Name: "cluster-sql-tool", Module: "clusterserver/server", Package: "go.temporal.io/server/cmd/tools/sql"},
	"temporal":          {Name: "cluster-temporal", Module: "clusterserver/cli", Package: "github.com/temporalio/cli/cmd/temporal"},
}

// programs is a folder with every program, as an image's /usr/local/bin.
type programs string

func (p programs) path(name string) string { return filepath.Join(string(p), name) }

// searchPath is PATH with these programs first.
func (p programs) searchPath() string {
	return "PATH=" + string(p) + string(os.PathListSeparator) + os.Getenv("PATH")
}

// buildPrograms builds Temporal's programs, or finds those that were kept, and
// builds this repository's worker and starter.
func buildPrograms(ctx context.Context, folder string, out io.Writer) (programs, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	p := programs(folder)
	for name, program := range temporalPrograms {
		kept, err := embedded.Build(ctx, embedded.Options{Out: out}, program)
		if err != nil {
			return "", err
		}
		if err := os.Symlink(kept, p.path(name)); err != nil {
			return "", err
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", folder+"/", "./worker", "./starter")
	build.Env = embedded.Environment("CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build worker and starter: %w\n%s", err, output)
	}
	return p, nil
}
