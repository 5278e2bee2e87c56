//go:build linux

package compose

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// image is the image of the Dockerfile as a folder: the instructions are carried
// out here, in a copy that holds what COPY names and nothing else.
type image struct {
	folder      string
	environment []string
	user        string
}

// instructions are those of the Dockerfile, in their order, continued lines joined.
func instructions(t *testing.T) (list [][2]string) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" && !strings.HasPrefix(name, "#") {
			list = append(list, [2]string{name, strings.TrimSpace(rest)})
		}
	}
	return list
}

// build carries the Dockerfile out. Of a container it lacks the base image: Go and
// the CA certificates are this machine's.
func build(t *testing.T) image {
	t.Helper()
	source, out := t.TempDir(), t.TempDir()
	built := image{folder: t.TempDir()}
	inside := strings.NewReplacer("/out/", out+"/")
	for _, step := range instructions(t) {
		switch name, rest := step[0], step[1]; name {
		case "FROM", "WORKDIR", "ENTRYPOINT":
		case "COPY":
			if from, ok := strings.CutPrefix(rest, "--from=build "); ok {
				built.copy(t, strings.Fields(inside.Replace(from)))
				continue
			}
			fields := strings.Fields(rest)
			target := filepath.Join(source, fields[len(fields)-1])
			for _, name := range fields[:len(fields)-1] {
				copyAll(t, filepath.Join(root, name), target)
			}
		case "RUN":
			command := exec.CommandContext(t.Context(), "/bin/sh", "-ec", inside.Replace(rest))
			command.Dir = source
			output, err := command.CombinedOutput()
			require.NoError(t, err, "%s\n%s", rest, output)
		case "ENV":
			built.environment = append(built.environment, rest)
		case "USER":
			built.user = rest
		default:
			t.Fatalf("the test does not know the instruction %s", name)
		}
	}
	return built
}

// copy puts files of the build stage into the image.
func (i image) copy(t *testing.T, fields []string) {
	t.Helper()
	target := fields[len(fields)-1]
	for _, name := range fields[:len(fields)-1] {
		to := filepath.Join(i.folder, target)
		if strings.HasSuffix(target, "/") {
			to = filepath.Join(to, filepath.Base(name))
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, content, 0o755))
	}
}

func copyAll(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	require.NoError(t, err)
	if info.IsDir() {
		require.NoError(t, os.CopyFS(to, os.DirFS(from)))
		return
	}
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(to, filepath.Base(from)), content, info.Mode()))
}

// command runs a program of the image with the image's environment, from a folder
// in which nothing can be written. As root it sees the image's files only, as the
// image's user.
func (i image) command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(i.folder, program), args...)
	command.Dir, command.Env = i.folder, i.environment
	if os.Getuid() == 0 {
		require.Equal(t, "65532:65532", i.user)
		command.Path, command.Dir = program, "/"
		command.SysProcAttr = &syscall.SysProcAttr{Chroot: i.folder, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	}
	return command
}

func TestImageRunsAsItIsBuilt(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds worker and starter once more: left out with -short")
	}
	i := build(t)
	for _, program := range []string{"worker", "starter"} {
		file, err := elf.Open(filepath.Join(i.folder, program))
		require.NoError(t, err)
		t.Cleanup(func() { _ = file.Close() })
		for _, segment := range file.Progs {
			require.NotEqual(t, elf.PT_INTERP, segment.Type, "%s needs an interpreter", program)
		}
		needed, _ := file.ImportedLibraries() // an error: there are none
		require.Empty(t, needed)
	}
	require.FileExists(t, filepath.Join(i.folder, "etc/ssl/certs/ca-certificates.crt"))
	require.FileExists(t, filepath.Join(i.folder, strings.TrimPrefix(i.environment[0], "ZONEINFO=")))
	copyAll(t, filepath.Join(root, "config.yaml"), i.folder)
	require.NoError(t, os.Chmod(filepath.Join(i.folder, "config.yaml"), 0o444))
	require.NoError(t, os.Chmod(i.folder, 0o555))
	output, err := i.command(t, "/starter", "--help").CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Regexp(t, regexp.MustCompile(`(?m)^  submit `), string(output))
	i.requireWaitsAndStops(t)
}

// requireWaitsAndStops runs the worker where there is no server.
func (i image) requireWaitsAndStops(t *testing.T) {
	t.Helper()
	worker := i.command(t, "/worker", "--config", "/config.yaml")
	if os.Getuid() != 0 {
		worker.Args[2] = filepath.Join(i.folder, "config.yaml")
	}
	worker.Env = append(worker.Env, "TEMPORAL_ADDRESS=127.0.0.1:1") // nobody listens on it
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	worker.Stdout, worker.Stderr = log, log
	require.NoError(t, worker.Start())
	t.Cleanup(func() { _ = worker.Process.Kill() })
	said := func() string {
		text, err := os.ReadFile(log.Name())
		require.NoError(t, err)
		return string(bytes.TrimSpace(text))
	}
	require.Eventually(t, func() bool { return strings.Contains(said(), "Temporal is not there yet.") },
		time.Minute, 50*time.Millisecond, "it reads its configuration and looks for its server")
	require.NoError(t, worker.Process.Signal(syscall.SIGTERM))
	require.NoError(t, worker.Wait(), said())
}
