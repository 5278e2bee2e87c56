package files

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

func open(t *testing.T) (folder Folder, place string) {
	t.Helper()
	place = t.TempDir()
	folder, err := Open(place)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, folder.Close()) })
	return folder, place
}

// SPEC 9.3: no payload reaches a file outside of the configured folder, neither
// to read nor to write, and the refusal names field and value.
func TestNamesOutsideAreRefused(t *testing.T) {
	t.Parallel()
	folder, place := open(t)
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("s"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(place, "link")))
	require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(place, "way")))
	require.NoError(t, os.Mkdir(filepath.Join(place, "folder"), 0o700))
	for name, c := range map[string]struct{ name, problem string }{
		"none":                    {"", "data.file: is missing"},
		"absolute":                {outside, `data.file: is absolute: name a file below files.root (got "/`},
		"upwards":                 {"../secret", `data.file: is not the name of a file below files.root (got "../secret")`},
		"upwards in the middle":   {"a/../../secret", "is not the name of a file"},
		"the folder itself":       {"a/..", "is not the name of a file"},
		"a link to the outside":   {"link", "data.file: leads outside of files.root"},
		"a way to the outside":    {"way/secret", "leads outside of files.root"},
		"another system's folder": {`..\secret`, `has a "\"`},
		"a NUL":                   {"a\x00b", "has a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refused *protocol.FieldError
			_, err := folder.Read("data.file", c.name)
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, c.problem)
			_, err = folder.Write("data.file", c.name)
			require.ErrorContains(t, err, c.problem)
			require.ErrorContains(t, folder.Check("data.file", strings.Repeat("../", 50)+"x"), "…")
		})
	}
	_, err := folder.Read("data.file", "folder")
	require.ErrorContains(t, err, `data.file: is not a file (got "folder")`)
	_, err = folder.Read("data.file", "none.csv")
	require.ErrorContains(t, err, `data.file: is not there below files.root (got "none.csv")`)
	require.NotContains(t, err.Error(), place)
	require.ErrorContains(t, folder.Rename("data.file", "folder", "../x"), "is not the name of a file")
	require.ErrorContains(t, folder.Remove("data.file", "../x"), "is not the name of a file")
	content, err := os.ReadFile(outside)
	require.NoError(t, err)
	require.Equal(t, "s", string(content))
}

func TestFilesAreWrittenRenamedAndRead(t *testing.T) {
	t.Parallel()
	folder, place := open(t)
	file, err := folder.Write("data.out", "a/b/c.part")
	require.NoError(t, err)
	_, err = file.WriteString("x")
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, folder.Rename("data.out", "a/b/c.part", "a/b/c"))
	file, err = folder.Read("data.file", "a/b/c")
	require.NoError(t, err)
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Equal(t, "x", string(content))
	require.NoError(t, folder.Remove("data.out", "a/b/c"))
	require.NoError(t, folder.Remove("data.out", "a/b/c"), "gone is gone")
	require.NoFileExists(t, filepath.Join(place, "a/b/c"))
}

func TestWithoutAFolderEachFileIsRefused(t *testing.T) {
	t.Parallel()
	none, err := Open("")
	require.NoError(t, err)
	_, err = none.Read("data.file", "a.csv")
	require.ErrorContains(t, err, "data.file: names a file, and the worker's configuration has no files.root")
	require.NoError(t, none.Close())
	_, err = Open(filepath.Join(t.TempDir(), "absent"))
	require.ErrorContains(t, err, "files.root: ")
}
