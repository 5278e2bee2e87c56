package embedded

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const newEnough = "temporal version 1.7.0 (Server 1.31.0, UI 2.50.0)"

// nothingThere returns a locator for a machine that has the sources of a
// small devserver and nothing else, with variables as its environment.
func nothingThere(t *testing.T, variables map[string]string) *locator {
	t.Helper()
	l := &locator{
		program: Devserver, out: &bytes.Buffer{}, root: smallRepository(t), cache: t.TempDir(),
		getenv:   func(name string) string { return variables[name] },
		lookPath: func(string) (string, error) { return "", errors.New("not on PATH") },
		version:  func(context.Context, string) (string, error) { return newEnough, nil },
		download: func(context.Context, string) (string, error) { return "", errors.New("no network") },
	}
	l.build = l.goBuild
	return l
}

// smallRepository returns a folder whose devserver is built in no time.
func smallRepository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, "devserver/go.mod", "module example.org/seriatim/devserver\n\ngo 1.26\n")
	write(t, root, "devserver/main.go", "package main\n\nfunc main() { println(\"small\") }\n")
	return root
}

func write(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func (l *locator) said() string { return l.out.(*bytes.Buffer).String() }

// keep puts a program where an earlier build would have put it.
func (l *locator) keep(t *testing.T) string {
	t.Helper()
	target, err := l.target(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(target, nil, 0o755))
	return target
}

func TestSourcesAreTriedInOrder(t *testing.T) {
	t.Parallel()
	l := nothingThere(t, map[string]string{AddressVariable: "example.org:7233"})
	kept := l.keep(t)
	l.lookPath = func(string) (string, error) { return "/usr/bin/temporal", nil }
	l.download = func(context.Context, string) (string, error) { return "/downloaded", nil }

	next := func(want Source) {
		t.Helper()
		got, err := l.locate(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	next(Source{Kind: KindAddress, Address: "example.org:7233"})
	l.getenv = func(string) string { return "" }
	next(Source{Kind: KindTemporal, Path: "/usr/bin/temporal"})
	l.lookPath = func(string) (string, error) { return "", errors.New("not on PATH") }
	next(Source{Kind: KindKept, Path: kept})
	require.NoError(t, os.Remove(kept))
	next(Source{Kind: KindDownload, Path: "/downloaded"})
	l.download = func(context.Context, string) (string, error) { return "", errors.New("no network") }
	next(Source{Kind: KindBuild, Path: kept})
	next(Source{Kind: KindKept, Path: kept})
}

func TestDevserverBuildTakesNothingElse(t *testing.T) {
	t.Parallel()
	l := nothingThere(t, map[string]string{ChoiceVariable: "build"})
	l.lookPath = func(string) (string, error) { return "/usr/bin/temporal", nil }
	l.download = func(context.Context, string) (string, error) { return "/downloaded", nil }
	built, err := l.locate(t.Context())
	require.NoError(t, err)
	require.Equal(t, KindBuild, built.Kind)
	kept, err := l.locate(t.Context())
	require.NoError(t, err)
	require.Equal(t, Source{Kind: KindKept, Path: built.Path}, kept)

	write(t, l.root, "devserver/more.go", "package main\n")
	again, err := l.locate(t.Context())
	require.NoError(t, err)
	require.Equal(t, KindBuild, again.Kind, "other sources need another program")
	require.NotEqual(t, built.Path, again.Path)
}

func TestAnotherProgramIsKeptBesideTheDevserver(t *testing.T) {
	t.Parallel()
	l := nothingThere(t, nil)
	write(t, l.root, "tools/go.mod", "module example.org/tools\n\ngo 1.26\n")
	write(t, l.root, "tools/one/main.go", "package main\n\nfunc main() { println(\"one\") }\n")
	l.program = Program{Name: "tool-one", Module: "tools", Package: "./one"}
	built, err := l.own(t.Context())
	require.NoError(t, err)
	require.Equal(t, KindBuild, built.Kind)
	require.True(t, strings.HasPrefix(filepath.Base(built.Path), "tool-one-"), built.Path)
	kept, err := l.own(t.Context())
	require.NoError(t, err)
	require.Equal(t, Source{Kind: KindKept, Path: built.Path}, kept)
}

func TestAddressMayComeWithItsHTTPAPI(t *testing.T) {
	t.Parallel()
	l := nothingThere(t, map[string]string{AddressVariable: "example.org:7233", HTTPAddressVariable: "example.org:7243"})
	found, err := l.locate(t.Context())
	require.NoError(t, err)
	require.Equal(t, "example.org:7243", (&Server{source: found}).HTTPAddress())
}

func TestAnUnknownChoiceIsRefused(t *testing.T) {
	t.Parallel()
	_, err := nothingThere(t, map[string]string{ChoiceVariable: "docker"}).locate(t.Context())
	require.ErrorContains(t, err, `DEVSERVER="docker"`)
}

func TestATemporalProgramThatIsBrokenOrOldIsPassedOver(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		version string
		err     error
	}{
		"older than server 1.28": {version: "temporal version 1.3.0 (Server 1.27.1, UI 2.36.0)"},
		"names no Temporal":      {version: "temporal version 0.9.0 (server 1.21.0) (ui 2.10.0)"},
		"exit status 1":          {err: errors.New("exit status 1")},
	}
	for want, c := range cases {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			l := nothingThere(t, nil)
			l.lookPath = func(string) (string, error) { return "/usr/bin/temporal", nil }
			l.version = func(context.Context, string) (string, error) { return c.version, c.err }
			kept := l.keep(t)
			got, err := l.locate(t.Context())
			require.NoError(t, err)
			require.Equal(t, kept, got.Path)
			require.Contains(t, l.said(), "/usr/bin/temporal is passed over")
			require.Contains(t, l.said(), want)
		})
	}
}

func TestOutsideTheRepositoryNothingIsBuilt(t *testing.T) {
	t.Parallel()
	l := nothingThere(t, nil)
	l.root = ""
	_, err := l.locate(t.Context())
	require.ErrorIs(t, err, errNoRoot)
}

func TestTheRootIsFoundFromHere(t *testing.T) {
	t.Parallel()
	root := findRoot()
	require.FileExists(t, filepath.Join(root, "devserver", "go.mod"))
	require.FileExists(t, filepath.Join(root, "go.mod"))
}

func TestTwoThatNeedABuildShareIt(t *testing.T) {
	t.Parallel()
	l := nothingThere(t, map[string]string{ChoiceVariable: "build"})
	l.out = &outputTail{}
	var builds atomic.Int32
	l.build = func(ctx context.Context, target string) error {
		builds.Add(1)
		return l.goBuild(ctx, target)
	}
	var both sync.WaitGroup
	var sources [2]Source
	for i := range sources {
		both.Go(func() {
			source, err := l.locate(t.Context())
			if err == nil {
				sources[i] = source
			}
		})
	}
	both.Wait()
	require.EqualValues(t, 1, builds.Load())
	require.FileExists(t, sources[0].Path)
	require.Equal(t, sources[0].Path, sources[1].Path)
}

func TestABrokenBuildSaysWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	l := nothingThere(t, nil)
	write(t, l.root, "devserver/main.go", "package main\n\nfunc main() { undefinedName() }\n")
	_, err := l.locate(t.Context())
	require.ErrorContains(t, err, "undefined: undefinedName")
	left, err := filepath.Glob(filepath.Join(l.cache, "devserver-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestTheHashFollowsWhatIsBuilt(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(smallRepository(t), "devserver")
	hash := func(platform string) string {
		sum, err := sourceHash(folder, platform)
		require.NoError(t, err)
		require.Len(t, sum, hashLength)
		return sum
	}
	first := hash("go1.26.8 linux/amd64")
	require.NotEqual(t, first, hash("go1.26.9 linux/amd64"), "another Go")
	require.NotEqual(t, first, hash("go1.26.8 linux/arm64"), "another machine")

	write(t, folder, "main_test.go", "package main\n")
	write(t, folder, "README.md", "text\n")
	require.Equal(t, first, hash("go1.26.8 linux/amd64"), "tests and texts do not count")

	for _, name := range []string{"main.go", "go.mod", "go.sum", "inner/more.go"} {
		before := hash("go1.26.8 linux/amd64")
		write(t, folder, name, "changed "+name+"\n")
		require.NotEqual(t, before, hash("go1.26.8 linux/amd64"), name)
	}
}

func TestDevserversThatNobodyUsesAreRemoved(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	age := map[string]time.Duration{
		"devserver-target": 2 * unusedAfter, "devserver-used": time.Hour, "devserver-old": unusedAfter + time.Hour,
		"another-program": 2 * unusedAfter,
	}
	for name, a := range age {
		path := filepath.Join(cache, name)
		require.NoError(t, os.WriteFile(path, nil, 0o755))
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(-a)))
	}
	removeUnused(cache, "devserver", filepath.Join(cache, "devserver-target"))
	require.NoFileExists(t, filepath.Join(cache, "devserver-old"))
	for _, name := range []string{"devserver-target", "devserver-used", "another-program"} {
		require.FileExists(t, filepath.Join(cache, name))
	}
}

func TestUseRenewsAKeptProgram(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "devserver-x")
	require.False(t, use(path))
	require.NoError(t, os.WriteFile(path, nil, 0o755))
	old := time.Now().Add(-unusedAfter)
	require.NoError(t, os.Chtimes(path, old, old))
	require.True(t, use(path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Less(t, time.Since(info.ModTime()), time.Hour)
}

func TestWithoutAHomeFolderTheTemporaryOneIsTakenAndSaid(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	l := nothingThere(t, nil)
	require.True(t, strings.HasPrefix(l.cacheFolder(), os.TempDir()))
	require.Contains(t, l.said(), "there is no cache folder")
}

func TestProgressIsALineEachAwayFromATerminal(t *testing.T) {
	t.Parallel()
	out := &bytes.Buffer{}
	require.False(t, isTerminal(out))
	report(out, false, 75*time.Second, 812)
	require.Equal(t, "Temporal server: 1m15s, 812 packages compiled\n", out.String())
	out.Reset()
	report(out, true, 75*time.Second, 812)
	require.Equal(t, eraseLine+"Temporal server: 1m15s, 812 packages compiled", out.String())
}

// Not parallel: a program that was just written cannot be run while another
// test's child, not yet its own program, still holds it open.
func TestAnEarlierDownloadIsTaken(t *testing.T) {
	cache := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := download(ctx, cache)
	require.ErrorIs(t, err, context.Canceled, "without one, it is over when the context is")

	path := downloadPath(cache)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho '"+newEnough+"'\n"), 0o755))
	got, err := download(t.Context(), cache)
	require.NoError(t, err)
	require.Equal(t, path, got)
}
