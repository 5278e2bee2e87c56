package layout

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// file is one Go file, its path relative to the root of the repository.
type file struct {
	path   string
	syntax *ast.File
	set    *token.FileSet
}

func (f file) at(node ast.Node) string {
	return fmt.Sprintf("%s:%d", f.path, f.set.Position(node.Pos()).Line)
}

func parse(t *testing.T, path string, source any) file {
	t.Helper()
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, filepath.Join(root, path), source, parser.SkipObjectResolution)
	require.NoError(t, err)
	return file{path: path, syntax: syntax, set: set}
}

// sources are the Go files below a folder, of nested modules too, without tests.
func sources(t *testing.T, folder string) (files []file) {
	t.Helper()
	top := filepath.Join(root, folder)
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != top && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		relative, err := filepath.Rel(root, path)
		files = append(files, parse(t, filepath.ToSlash(relative), nil))
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// bannedNames say nothing of what a package is for.
var bannedNames = []string{"util", "utils", "common", "helper", "helpers", "types", "shared", "base", "manager", "misc"}

func bannedPackages(files []file) (wrong []string) {
	for _, f := range files {
		folder := filepath.Base(filepath.Dir(f.path))
		for _, name := range []string{f.syntax.Name.Name, folder} {
			if slices.Contains(bannedNames, name) {
				wrong = append(wrong, fmt.Sprintf("%s: package %s", f.path, name))
			}
		}
	}
	return wrong
}

func TestPackageNamesSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	require.Empty(t, bannedPackages(sources(t, ".")))
	require.NotEmpty(t, bannedPackages([]file{parse(t, "x/x.go", "package util")}))
	require.NotEmpty(t, bannedPackages([]file{parse(t, "common/x.go", "package x")}))
}

// typedReceives finds receives into anything but a raw value: the SDK drops
// what does not decode, without a word.
func typedReceives(f file) (wrong []string) {
	for _, declaration := range f.syntax.Decls {
		raw := isRawValue(declaration)
		ast.Inspect(declaration, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !strings.HasPrefix(method.Sel.Name, "Receive") {
				return true
			}
			if !raw || len(call.Args) == 0 || !isAddressOfRaw(call.Args[len(call.Args)-1]) {
				wrong = append(wrong, fmt.Sprintf("%s: %s into something else than a converter.RawValue named raw", f.at(call), method.Sel.Name))
			}
			return true
		})
	}
	return wrong
}

func isAddressOfRaw(argument ast.Expr) bool {
	address, ok := argument.(*ast.UnaryExpr)
	if !ok || address.Op != token.AND {
		return false
	}
	name, ok := address.X.(*ast.Ident)
	return ok && name.Name == "raw"
}

// isRawValue says that raw is declared there, as a converter.RawValue and as
// nothing else.
func isRawValue(declaration ast.Decl) bool {
	declared, other := false, false
	ast.Inspect(declaration, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.ValueSpec:
			if slices.ContainsFunc(n.Names, isRawName) {
				declared = declared || isSelector(n.Type, "converter", "RawValue")
				other = other || !isSelector(n.Type, "converter", "RawValue")
			}
		case *ast.AssignStmt:
			other = other || n.Tok == token.DEFINE && slices.ContainsFunc(n.Lhs, func(e ast.Expr) bool {
				name, ok := e.(*ast.Ident)
				return ok && isRawName(name)
			})
		}
		return true
	})
	return declared && !other
}

func isRawName(name *ast.Ident) bool { return name.Name == "raw" }

func isSelector(expression ast.Expr, of, name string) bool {
	selector, ok := expression.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	x, ok := selector.X.(*ast.Ident)
	return ok && x.Name == of
}

func TestSignalsAreReceivedRaw(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t, "workflows") {
		require.Empty(t, typedReceives(f))
	}
	const function = "package workflows\nfunc f() {\n%s\n}"
	require.Empty(t, typedReceives(parse(t, "x.go", fmt.Sprintf(function, "var raw converter.RawValue\nc.ReceiveAsync(&raw)\nc.Receive(ctx, &raw)"))))
	for _, body := range []string{
		"var o protocol.Operation\nc.Receive(ctx, &o)",
		"var raw json.RawMessage\nc.Receive(ctx, &raw)",
		"raw := converter.RawValue{}\nc.Receive(ctx, &raw)",
		"var raw converter.RawValue\nc.ReceiveAsync(nil)",
		"var raw converter.RawValue\nc.ReceiveAsync(raw)",
		"var raw converter.RawValue\nvar o int\nc.ReceiveWithTimeout(ctx, 1, &o)",
		"var raw converter.RawValue\n{ var raw string\nc.ReceiveAsync(&raw) }",
		"c.ReceiveAsyncWithMoreFlag(&raw)",
	} {
		require.NotEmpty(t, typedReceives(parse(t, "x.go", fmt.Sprintf(function, body))), body)
	}
}

// uses finds where a name is used.
func uses(f file, name string) (places []string) {
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		if identifier, ok := node.(*ast.Ident); ok && identifier.Name == name {
			places = append(places, f.at(identifier))
		}
		return true
	})
	return places
}

// What is in history and not received is lost at the end of a run, so one place of
// each workflow ends its runs, and drains first.
func TestRunsContinueAsNewInOnePlace(t *testing.T) {
	t.Parallel()
	var places []string
	for _, f := range sources(t, "workflows") {
		places = append(places, uses(f, "NewContinueAsNewError")...)
		places = append(places, uses(f, "NewContinueAsNewErrorWithOptions")...)
	}
	require.Len(t, places, 4)
	require.Regexp(t, "^workflows/operation.go:", places[0])
	require.Regexp(t, "^workflows/recurrencerun.go:", places[1])
	require.Regexp(t, "^workflows/serializer.go:", places[2])
	require.Regexp(t, "^workflows/service.go:", places[3])
	const twice = "package workflows\nvar a, b = workflow.NewContinueAsNewError, workflow.NewContinueAsNewError"
	require.Len(t, uses(parse(t, "x.go", twice), "NewContinueAsNewError"), 2)
}

// idForm is the beginning of a workflow id, as text that would build one:
// "token: …" with white space is a sentence, "token:<key>" tells of the form.
var idForm = regexp.MustCompile(`^(token|operation|occurrence|page)[:/]([^\s<]|$)|\b(token|operation|occurrence|page)[:/]%`)

// builtIDs finds text that builds a workflow id outside protocol. A sentence may
// show a prefix: as an operand of a format, not as the format.
func builtIDs(f file) (wrong []string) {
	shown := make(map[ast.Node]bool)
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok && isFormat(call.Fun) && len(call.Args) > 0 {
			for _, operand := range call.Args[1:] {
				shown[operand] = true
			}
		}
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, _ := strconv.Unquote(literal.Value)
		isPrefix := strings.HasSuffix(text, ":") && shown[node]
		if idForm.MatchString(text) && !isPrefix {
			wrong = append(wrong, fmt.Sprintf("%s: %s builds a workflow id: only protocol does", f.at(literal), literal.Value))
		}
		return true
	})
	return wrong
}

func isFormat(function ast.Expr) bool {
	return isSelector(function, "fmt", "Errorf") || isSelector(function, "fmt", "Sprintf")
}

func TestIDsAreBuiltByProtocolOnly(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t, ".") {
		if !strings.HasPrefix(f.path, "protocol/") {
			require.Empty(t, builtIDs(f))
		}
	}
	const variable = "package x\nvar x = %s"
	for _, fine := range []string{
		`fmt.Errorf("operation: %w", err)`, `fmt.Sprintf("it is %q and the token", "token:")`, `"token:<key>"`,
		`"the token: none"`, `"--workflow-id token:customer-42"`,
	} {
		require.Empty(t, builtIDs(parse(t, "x.go", fmt.Sprintf(variable, fine))), fine)
	}
	for _, built := range []string{
		`"token:" + token`, `"operation:" + id`, `fmt.Sprintf("token:%s", t)`, `fmt.Sprintf("see operation:%s", t)`, `"token/" + t`,
		`strings.TrimPrefix(id, "operation:")`, `"token:customer-42"`, `fmt.Sprintf("token:")`,
	} {
		require.NotEmpty(t, builtIDs(parse(t, "x.go", fmt.Sprintf(variable, built))), built)
	}
}

// queryForm is text that a value is put into to make a visibility query: a
// comparison that ends where the value comes.
var queryForm = regexp.MustCompile(`\b[A-Z][A-Za-z]+ (=|!=|<|>|<=|>=|STARTS_WITH|IN|BETWEEN)\s*\(?'?(%[a-z]|$)`)

// unquotedQueries finds visibility queries into which something else is put than
// what QuoteForQuery made, or a constant time.
func unquotedQueries(f file) (wrong []string) {
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.BinaryExpr: // "WorkflowId = " + value
			left := n.X
			if sum, ok := left.(*ast.BinaryExpr); ok {
				left = sum.Y
			}
			if n.Op == token.ADD && isQuery(left) && !isQuoted(n.Y) {
				wrong = append(wrong, f.at(n)+": a value enters a query without protocol.QuoteForQuery")
			}
		case *ast.CallExpr: // fmt.Sprintf("WorkflowId = %s", value)
			if !isFormat(n.Fun) || len(n.Args) < 2 || !isQuery(n.Args[0]) {
				return true
			}
			for _, operand := range n.Args[1:] {
				if !isQuoted(operand) {
					wrong = append(wrong, f.at(operand)+": a value enters a query without protocol.QuoteForQuery")
				}
			}
		}
		return true
	})
	return wrong
}

func isQuery(expression ast.Expr) bool {
	literal, ok := expression.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return false
	}
	text, _ := strconv.Unquote(literal.Value)
	return queryForm.MatchString(text)
}

// isQuoted says that the value is quoted where it is used, or cannot hold a quote:
// an instant in its usual form.
func isQuoted(expression ast.Expr) bool {
	call, ok := expression.(*ast.CallExpr)
	if !ok {
		return false
	}
	method, _ := call.Fun.(*ast.SelectorExpr)
	if isSelector(call.Fun, "strings", "Join") && len(call.Args) == 2 { // a list of quoted ones
		return true
	}
	return isSelector(call.Fun, "protocol", "QuoteForQuery") || method != nil && method.Sel.Name == "Format"
}

// What an id or a token says must not become a part of a query.
func TestQueriesQuoteTheirValues(t *testing.T) {
	t.Parallel()
	quoted := 0
	for _, f := range sources(t, ".") {
		require.Empty(t, unquotedQueries(f))
		quoted += len(uses(f, "QuoteForQuery"))
	}
	require.Greater(t, quoted, 10)
	const function = "package x\nvar x = %s"
	for _, fine := range []string{
		`"WorkflowId = " + protocol.QuoteForQuery(id)`, `fmt.Sprintf("StartTime > '%s'", at.Format(time.RFC3339))`,
		`"a = " + b`, `fmt.Errorf("%s = %s", a, b)`,
		`fmt.Sprintf("WorkflowId = %s AND ExecutionStatus = 'Running'", protocol.QuoteForQuery(id))`,
	} {
		require.Empty(t, unquotedQueries(parse(t, "x.go", fmt.Sprintf(function, fine))), fine)
	}
	for _, wrong := range []string{
		`"WorkflowId = " + id`, `"WorkflowId = '" + id + "'"`, `fmt.Sprintf("WorkflowId = '%s'", id)`, `fmt.Sprintf("StartTime > %d AND WorkflowId=%s AND RunId = %q", a, b, c)`,
		`"ExecutionStatus = 'Running' AND DependencyToken = " + token`, `fmt.Sprintf("WorkflowId = %s AND RunId = %s", protocol.QuoteForQuery(id), run)`,
		`"a" + "WorkflowId IN (" + list`,
	} {
		require.NotEmpty(t, unquotedQueries(parse(t, "x.go", fmt.Sprintf(function, wrong))), wrong)
	}
}
