package services

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

// temporalPrograms are what the images of docker-compose.yml hold, by the name
// that they have there.
var temporalPrograms = map[string]embedded.Program{
	"temporal-server":   {Name: "cluster-server", Module: "clusterserver/server", Package: "go.temporal.io/server/cmd/server"},
	"temporal-sql-tool": {Name: "cluster-sql-tool", Module: "clusterserver/server", Package: "go.temporal.io/server/cmd/tools/sql"},
	"temporal":          {Name: "cluster-temporal", Module: "clusterserver/cli", Package: "github.com/temporalio/cli/cmd/temporal"},
}

// Programs is a folder with every program, as an image's /usr/local/bin.
type Programs string

func (p Programs) Path(name string) string { return filepath.Join(string(p), name) }

// searchPath is PATH with these programs first.
func (p Programs) searchPath() string {
	return "PATH=" + string(p) + string(os.PathListSeparator) + os.Getenv("PATH")
}

// BuildPrograms builds Temporal's programs, or finds those that were kept, and
// builds the packages of this repository that are named. The folder becomes the
// Programs.
func BuildPrograms(ctx context.Context, folder string, out io.Writer, own ...string) (Programs, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	p := Programs(folder)
	for name, program := range temporalPrograms {
		kept, err := embedded.Build(ctx, embedded.Options{Out: out}, program)
		if err != nil {
			return "", err
		}
		if err := os.Symlink(kept, p.Path(name)); err != nil {
			return "", err
		}
	}
	if len(own) == 0 {
		return p, nil
	}
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-o", folder + "/"}, own...)...)
	build.Env = embedded.Environment("CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", strings.Join(own, " and "), err, output)
	}
	return p, nil
}
