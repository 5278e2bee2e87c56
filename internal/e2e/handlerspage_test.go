package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const handlersPage = "../../docs/handlers.md"

// fileOf is what docs/handlers.md has for a file of that name.
func fileOf(name string) (string, error) {
	page, err := os.ReadFile(handlersPage)
	if err != nil {
		return "", err
	}
	block := regexp.MustCompile("(?s)<!-- file: " + regexp.QuoteMeta(name) + " -->\n```\\w+\n(.*?)```").FindSubmatch(page)
	if block == nil {
		return "", fmt.Errorf("%s has no file %s", handlersPage, name)
	}
	return string(block[1]), nil
}

// pageProgram builds the Go program of the page, in a package that is nowhere but
// there.
func pageProgram(t *testing.T) (program, test string) {
	t.Helper()
	folder := t.TempDir()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	replace := map[string]string{}
	for _, name := range []string{"main.go", "main_test.go"} {
		content, err := fileOf(name)
		require.NoError(t, err)
		there := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(there, []byte(content), 0o600))
		replace[filepath.Join(root, "examples", "handlerspage", name)] = there
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	listing := filepath.Join(folder, "overlay.json")
	require.NoError(t, os.WriteFile(listing, overlay, 0o600))
	program, test = filepath.Join(folder, "files"), filepath.Join(folder, "files.test")
	for _, build := range [][]string{
		{"build", "-overlay", listing, "-o", program}, {"test", "-c", "-vet=off", "-overlay", listing, "-o", test},
	} {
		command := exec.Command("go", append(build, "./examples/handlerspage")...)
		command.Dir = root
		output, err := command.CombinedOutput()
		require.NoError(t, err, "%v: %s", build, output)
	}
	return program, test
}

// SPEC 9.2: docs/handlers.md, as it stands: its handler is built, tested, bound and
// run, and its commands do what it says.
func TestHandlersPage(t *testing.T) {
	t.Parallel()
	program, test := pageProgram(t)
	run := exec.Command(test, "-test.v")
	run.Dir = t.TempDir()
	output, err := run.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "--- PASS: TestSumsGoOn")

	c := cli{t: t, queue: unique(t)}
	types, err := fileOf("types.yaml")
	require.NoError(t, err)
	startProcess(t, shared, fmt.Sprintf("taskQueue: %q\ntypes:\n%s", c.queue, types))
	beside := t.TempDir()
	data := filepath.Join(beside, "files", "data")
	require.NoError(t, os.MkdirAll(data, 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(beside, "seriatim"), 0o755))
	for _, name := range []string{"one", "two"} {
		require.NoError(t, os.WriteFile(filepath.Join(data, name), []byte(name+"\n"), 0o600))
	}
	worker := exec.Command(program)
	worker.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+shared.Address(), "TEMPORAL_NAMESPACE="+shared.Namespace(), "FILES_FOLDER="+data)
	require.NoError(t, worker.Start())
	t.Cleanup(func() {
		_ = worker.Process.Kill()
		_ = worker.Wait()
	})

	said := c.page(filepath.Join(beside, "seriatim"))
	require.Contains(t, said["why"], "its handler asked for a person: FileMissing openat three: no such file or directory")
	require.Contains(t, said["show"], "Succeeded")
	sums, err := os.ReadFile(filepath.Join(data, "sum-1.sha256"))
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(sums), "\n"), string(sums))
}

// page runs the commands of the page in a folder and answers what each verb said
// last.
func (c cli) page(folder string) map[string]string {
	c.t.Helper()
	page, err := os.ReadFile(handlersPage)
	require.NoError(c.t, err)
	said := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)<!-- drill -->\n```sh\n(.*?)```").FindAllSubmatch(page, -1) {
		for _, line := range strings.Split(strings.TrimSpace(string(block[1])), "\n") {
			command, ours := strings.CutPrefix(line, "go run ./starter ")
			if !ours {
				shell := exec.Command("sh", "-c", line)
				shell.Dir = folder
				output, err := shell.CombinedOutput()
				require.NoError(c.t, err, "%s: %s", line, output)
				continue
			}
			verb, _, _ := strings.Cut(command, " ")
			said[verb] = c.until(shellWords(command)...)
		}
	}
	require.Len(c.t, said, 4)
	return said
}

// until runs a command; why is asked until the operation waits for a person, as
// somebody does who types.
func (c cli) until(args ...string) (said string) {
	c.t.Helper()
	if args[0] != "why" {
		return c.ok(args...)
	}
	require.Eventually(c.t, func() bool {
		said = c.ok(args...)
		return strings.Contains(said, "asked for a person")
	}, patience, patience/100)
	return said
}

// shellWords takes a command apart at its spaces; single quotes keep some.
func shellWords(command string) (list []string) {
	for _, word := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(command, -1) {
		list = append(list, strings.Trim(word, "'"))
	}
	return list
}
