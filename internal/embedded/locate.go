package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	// AddressVariable names a running server, host:port, that is used instead
	// of one that this package starts.
	AddressVariable = "SERIATIM_TEST_ADDRESS"

	// HTTPAddressVariable is host:port of that server's HTTP API, for the tests
	// that need it.
	HTTPAddressVariable = "SERIATIM_TEST_HTTP_ADDRESS"

	// ChoiceVariable is set to "build" to use the devserver of this repository
	// whatever else is installed; empty or "auto" takes what is there first.
	ChoiceVariable = "DEVSERVER"
)

// Kind says where a server comes from.
type Kind string

// The kinds of Source, in the order in which Locate tries them.
const (
	// KindAddress is a running server, named by SERIATIM_TEST_ADDRESS.
	KindAddress Kind = "address"
	// KindTemporal is the temporal program on PATH.
	KindTemporal Kind = "temporal"
	// KindKept is a devserver that was built earlier from the same sources.
	KindKept Kind = "kept"
	// KindDownload is the temporal program that the Go SDK downloads.
	KindDownload Kind = "download"
	// KindBuild is a devserver that has just been built.
	KindBuild Kind = "build"
)

// Source is a server to run or, of KindAddress, one that runs already.
type Source struct {
	Kind Kind
	// Path is the absolute name of the program; empty for KindAddress.
	Path string
	// Address is host:port for KindAddress, else empty; HTTPAddress may be empty
	// there too.
	Address, HTTPAddress string
}

// String describes the source in a few words.
func (s Source) String() string {
	switch s.Kind {
	case KindAddress:
		return fmt.Sprintf("the server at %s (%s)", s.Address, AddressVariable)
	case KindTemporal:
		return fmt.Sprintf("the temporal program on PATH, %s", s.Path)
	case KindDownload:
		return fmt.Sprintf("the temporal program downloaded by the SDK, %s", s.Path)
	case KindBuild:
		return fmt.Sprintf("this repository's devserver, built just now, %s", s.Path)
	default:
		return fmt.Sprintf("this repository's devserver, kept from an earlier build, %s", s.Path)
	}
}

// ours says whether the program is the devserver of this repository, which
// sets its own defaults.
func (s Source) ours() bool { return s.Kind == KindKept || s.Kind == KindBuild }

// Options steer Locate.
type Options struct {
	// Out is told, in a line each, which server is taken, what was passed
	// over, and how a build goes; nil: nobody is told.
	Out io.Writer
	// Root is the repository's root folder; empty: searched upwards from the
	// working directory.
	Root string
}

// Locate returns the first server there is of: the one that
// SERIATIM_TEST_ADDRESS names, temporal on PATH, the kept devserver, the
// SDK's download (given up after 15 s), a devserver built now. With
// DEVSERVER=build it is the kept devserver or a new one. A build takes
// minutes the first time; several processes that need one share it.
func Locate(ctx context.Context, o Options) (Source, error) {
	l, err := newLocator(o)
	if err != nil {
		return Source{}, err
	}
	source, err := l.locate(ctx)
	if err != nil {
		return Source{}, fmt.Errorf("find a Temporal server: %w", err)
	}
	l.say("%s", source)
	return source, nil
}

// Program is a program that is built from a nested module of this repository
// and kept.
type Program struct {
	// Name is what it is kept as, with a hash of the module's sources behind it.
	Name string
	// Module is the module's folder, and Package what is built there.
	Module, Package string
}

// Devserver is the embedded Temporal server.
var Devserver = Program{Name: "devserver", Module: "devserver", Package: "."}

// Build returns the path of a program: of the kept one, or of one that is built
// now, which takes minutes the first time. Several processes that need one
// share the build.
func Build(ctx context.Context, o Options, program Program) (path string, err error) {
	l, err := newLocator(o)
	if err != nil {
		return "", err
	}
	l.program = program
	source, err := l.own(ctx)
	if err != nil {
		return "", err
	}
	return source.Path, nil
}

// locator holds what a search depends on, so that tests can change it.
type locator struct {
	program  Program
	out      io.Writer
	root     string // empty when there is no repository around
	cache    string
	getenv   func(string) string
	lookPath func(string) (string, error)
	version  func(ctx context.Context, program string) (string, error)
	download func(ctx context.Context, cache string) (string, error)
	build    func(ctx context.Context, target string) error
}

func newLocator(o Options) (*locator, error) {
	l := &locator{
		program: Devserver, out: o.Out, root: o.Root, getenv: os.Getenv, lookPath: exec.LookPath,
		version: programVersion, download: download,
	}
	if l.out == nil {
		l.out = io.Discard
	}
	if l.root == "" {
		l.root = findRoot()
	}
	l.build = l.goBuild
	l.cache = l.cacheFolder()
	if err := os.MkdirAll(l.cache, 0o755); err != nil {
		return nil, fmt.Errorf("folder for the server program: %w", err)
	}
	return l, nil
}

// say tells the user one thing.
func (l *locator) say(format string, args ...any) {
	_, _ = fmt.Fprintf(l.out, "Temporal server: "+format+"\n", args...)
}

func (l *locator) locate(ctx context.Context) (Source, error) {
	if address := l.getenv(AddressVariable); address != "" {
		return Source{Kind: KindAddress, Address: address, HTTPAddress: l.getenv(HTTPAddressVariable)}, nil
	}
	switch choice := l.getenv(ChoiceVariable); choice {
	case "build":
		return l.own(ctx)
	case "", "auto":
	default:
		return Source{}, fmt.Errorf("%s=%q: want build, auto or nothing", ChoiceVariable, choice)
	}
	if path, ok := l.onPath(ctx); ok {
		return Source{Kind: KindTemporal, Path: path}, nil
	}
	if path, ok := l.kept(ctx); ok {
		return Source{Kind: KindKept, Path: path}, nil
	}
	if path, err := l.download(ctx, l.cache); err == nil {
		return Source{Kind: KindDownload, Path: path}, nil
	}
	if err := ctx.Err(); err != nil {
		return Source{}, err
	}
	return l.own(ctx)
}

// onPath returns temporal on PATH, unless it is broken or too old.
func (l *locator) onPath(ctx context.Context) (string, bool) {
	path, err := l.lookPath("temporal")
	if err != nil {
		return "", false
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", false
	}
	version, err := l.version(ctx, path)
	if err == nil {
		err = checkVersion(version)
	}
	if err != nil {
		l.say("%s is passed over: %v", path, err)
		return "", false
	}
	return path, true
}

// own returns the kept program, or builds it.
func (l *locator) own(ctx context.Context) (Source, error) {
	target, err := l.target(ctx)
	if err != nil {
		return Source{}, err
	}
	if use(target) {
		return Source{Kind: KindKept, Path: target}, nil
	}
	unlock, err := lockFile(ctx, filepath.Join(l.cache, "build.lock"), func() {
		l.say("waiting for another process that builds it")
	})
	if err != nil {
		return Source{}, err
	}
	defer unlock()
	if use(target) { // the other process has built it
		return Source{Kind: KindKept, Path: target}, nil
	}
	if err := l.build(ctx, target); err != nil {
		return Source{}, fmt.Errorf("build %s: %w", l.program.Name, err)
	}
	removeUnused(l.cache, l.program.Name, target)
	return Source{Kind: KindBuild, Path: target}, nil
}

func (l *locator) kept(ctx context.Context) (string, bool) {
	target, err := l.target(ctx)
	return target, err == nil && use(target)
}

// findRoot returns the folder, of the working directory and those above it,
// that holds this repository's devserver, or "".
func findRoot() string {
	folder, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		module, err := os.ReadFile(filepath.Join(folder, "devserver", "go.mod"))
		if err == nil && strings.Contains(string(module), "/seriatim/devserver\n") {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return ""
		}
		folder = parent
	}
}

var errNoRoot = errors.New("not inside the repository, whose modules are needed to build the server")
