package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/internal/verify"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// printed is a form of what a command prints for machines.
type printed struct {
	// when says which flags lead to it, where there are several.
	when  string
	many  bool
	value any
}

// printedBy is what each command prints for machines.
var printedBy = map[string][]printed{
	"submit": {
		{"", false, handleOutput{}},
		{"with --wait", false, recordOutput{}},
		{"with --file", true, resultOutput{}},
		{"with --file and --wait", true, recordOutput{}},
	},
	"show":           {{"", false, recordOutput{}}},
	"list":           {{"", true, recordOutput{}}},
	"wait":           {{"", false, recordOutput{}}},
	"why":            {{"", false, explainedOutput{}}},
	"cancel":         {{"for ids", true, recordOutput{}}, {"for a filter", true, actedOutput{}}},
	"resume":         {{"for ids", true, recordOutput{}}, {"for a filter", true, actedOutput{}}},
	"pause":          {{"", true, recordOutput{}}},
	"postpone":       {{"", true, recordOutput{}}},
	"rerun":          {{"", false, recordOutput{}}},
	"delete":         {{"", true, deletedOutput{}}},
	"recover":        {{"", false, recoverOutput{}}},
	"verify":         {{"for a token", false, verify.Report{}}, {"with --all", true, verify.Report{}}},
	"setup":          {{"", true, setupStep{}}},
	"recurrence set": {{"", false, recordOutput{}}},
	"handlers":       {{many: true, value: handlerOutput{}}},
	"raise":          {{value: raisedOutput{}}},
	"types":          {{many: true, value: typeOutput{}}},
	"doctor":         {{"", true, finding{}}},

	"service stop":   {{"", false, opclient.ServiceStatus{}}},
	"service start":  {{"", false, opclient.ServiceStatus{}}},
	"service status": {{"", false, opclient.ServiceStatus{}}},

	"token show":    {{"", false, tokenOutput{}}},
	"token list":    {{"", true, opclient.TokenState{}}},
	"token rejects": {{"", true, protocol.Reject{}}},
	"token hold":    {{"", false, protocol.SerializerState{}}},
	"token release": {{"", false, protocol.SerializerState{}}},
	"token skip":    {{"", false, protocol.SerializerState{}}},
	"token policy":  {{"", false, protocol.SerializerState{}}},
	"token cancel":  {{"", false, protocol.SerializerState{}}},
}

const (
	commandsPage = "../docs/cli.md"
	madeBelow    = "<!-- What follows is made from the commands: go test ./starter -run CommandsPage -update -->\n"
)

// What the page says of the commands is what they are: flags, forms of output,
// exit codes. It is written anew with -update.
func TestCommandsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(commandsPage)
	require.NoError(t, err)
	above, _, found := strings.Cut(string(page), madeBelow)
	require.True(t, found)
	want := above + madeBelow + commandsReference(t)
	if *update {
		require.NoError(t, os.WriteFile(commandsPage, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(page), "run go test ./starter -run CommandsPage -update")
}

func commandsReference(t *testing.T) string {
	root := (&app{}).rootCommand()
	var b strings.Builder
	fmt.Fprintf(&b, "\n## Exit codes\n\n```text\n%s\n```\n", strings.TrimPrefix(exitHelp, "Exit codes:\n"))
	fmt.Fprintf(&b, "\n## Flags of every command\n\n```text\n%s```\n\n## Commands\n", root.PersistentFlags().FlagUsages())
	shapes := &shapes{names: make(map[reflect.Type]string)}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		name := strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "starter"), " ")
		if !c.HasSubCommands() {
			require.Contains(t, printedBy, name, "say what it prints")
			writeCommand(&b, c, printedBy[name], shapes)
		}
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit(root)
	b.WriteString("\n## Objects\n\nA field that is not always there is left out where it is empty. ")
	b.WriteString("The fields of an operation are those of [semantics.md](semantics.md#1.2).\n")
	for i := 0; i < len(shapes.all); i++ { // it grows while objects in objects are met
		shapes.write(&b, shapes.all[i])
	}
	return b.String()
}

func writeCommand(b *strings.Builder, c *cobra.Command, prints []printed, s *shapes) {
	fmt.Fprintf(b, "\n### %s\n\n```text\n%s\n\n%s\n", c.CommandPath(), strings.TrimSpace(cmp.Or(c.Long, c.Short)), c.UseLine())
	c.LocalFlags() // adds those of cobra's own
	if flags := c.LocalNonPersistentFlags().FlagUsages(); flags != "" {
		fmt.Fprintf(b, "\n%s", flags)
	}
	fmt.Fprintf(b, "\n%s\n```\n\n", c.Example)
	for _, p := range prints {
		form := "one"
		if p.many {
			form = "any number of"
		}
		fmt.Fprintf(b, "Prints %s %s%s.\n", form, s.link(reflect.TypeOf(p.value)), strings.TrimRight(", "+p.when, ", "))
	}
}

// shapes are the objects that commands print, in the order in which they are met.
type shapes struct {
	all   []reflect.Type
	names map[reflect.Type]string
}

// link is a reference to an object.
func (s *shapes) link(t reflect.Type) string {
	if _, ok := s.names[t]; !ok {
		name := strings.TrimSuffix(t.Name(), "Output")
		name = strings.ToLower(name[:1]) + name[1:]
		for _, taken := range s.names {
			if taken == name {
				name = filepath.Base(t.PkgPath()) + t.Name()
			}
		}
		s.names[t] = name
		s.all = append(s.all, t)
	}
	name := s.names[t]
	return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
}

func (s *shapes) write(b *strings.Builder, t reflect.Type) {
	fmt.Fprintf(b, "\n### %s\n\n| field | | |\n|---|---|---|\n", s.names[t])
	for _, f := range fieldsOf(t) {
		always := "always"
		if f.optional {
			always = ""
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.name, s.kind(f.kind), always)
	}
}

// kind is a type in JSON's words.
func (s *shapes) kind(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "RFC 3339 instant"
	case t == reflect.TypeFor[json.RawMessage]():
		return "any JSON"
	case t.Kind() == reflect.Pointer:
		return s.kind(t.Elem())
	case t.Kind() == reflect.Slice:
		return "array of " + s.kind(t.Elem())
	case t.Kind() == reflect.Struct:
		return s.link(t)
	case t.Kind() == reflect.Map:
		return "object of " + s.kind(t.Elem())
	case t.Kind() == reflect.String:
		return "string"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Interface:
		return "depends"
	}
	return "number"
}

// field is a field of an object as encoding/json writes it.
type field struct {
	name     string
	kind     reflect.Type
	optional bool
	depth    int
}

// fieldsOf is the fields of an object; of two with one name the outer counts.
func fieldsOf(t reflect.Type) (fields []field) {
	var visit func(t reflect.Type, depth int)
	visit = func(t reflect.Type, depth int) {
		for f := range t.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && name == "":
				visit(f.Type, depth+1)
				continue
			case !f.IsExported() || name == "-":
				continue
			}
			one := field{cmp.Or(name, f.Name), f.Type, strings.Contains(options, "omit"), depth}
			at := slices.IndexFunc(fields, func(other field) bool { return other.name == one.name })
			switch {
			case at < 0:
				fields = append(fields, one)
			case fields[at].depth > depth:
				fields[at] = one
			}
		}
	}
	visit(t, 0)
	return fields
}

// What commands print has no field that the page does not name, and every field
// that is always there.
func TestPrintedFieldsAreThoseOfThePage(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{
		"show-failed.json": recordOutput{}, "why-queued.json": explainedOutput{}, "rerun.json": recordOutput{},
		"delete.jsonl": deletedOutput{}, "submit.json": handleOutput{}, "token-list.jsonl": opclient.TokenState{},
		"token-release.json": protocol.SerializerState{}, "token-rejects.jsonl": protocol.Reject{}, "cancel-several.jsonl": recordOutput{},
	} {
		golden, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		decoder := json.NewDecoder(strings.NewReader(string(golden)))
		for decoder.More() {
			var object map[string]json.RawMessage
			require.NoError(t, decoder.Decode(&object), name)
			for _, f := range fieldsOf(reflect.TypeOf(value)) {
				require.True(t, f.optional || object[f.name] != nil, "%s: %s is missing", name, f.name)
				delete(object, f.name)
			}
			require.Empty(t, object, name)
		}
	}
}
