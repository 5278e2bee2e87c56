package catalogue

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/seriatim-go/seriatim/protocol"
)

// The original service's types that rules of ours name.
const (
	EventNumber    = 1
	WorkflowNumber = 10
)

//go:embed original.txt
var originalTable string

// originals are the original service's types, in the order of their numbers.
var originals = parse(originalTable)

// flags are the original's letters.
var flags = map[string]protocol.Restrictions{
	"L": {protocol.NoControl},
	"R": {protocol.NoCancelOrDelete},
	"D": {protocol.NoToken},
	"-": nil,
}

// parse reads the table. A line that is wrong is a mistake of the build.
func parse(table string) (types []Type) {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var t Type
		var flag string
		if n, err := fmt.Sscan(line, &t.Number, &t.Key, &flag); n != 3 {
			panic(fmt.Sprintf("catalogue: line %q of the original types: %v", line, err))
		}
		restrictions, known := flags[flag]
		if !known {
			panic(fmt.Sprintf("catalogue: line %q of the original types: there is no flag %q", line, flag))
		}
		words := strings.Fields(line)
		t.Restrictions, t.Label = restrictions, strings.Join(words[3:], " ")
		types = append(types, t)
	}
	return types
}

// Originals are the types of the original service, bound to nothing, in the order
// of their numbers.
func Originals() []Type { return slices.Clone(originals) }

// Original finds a type of the original service by its key or its number.
func Original(ref protocol.TypeRef) (Type, bool) {
	for _, t := range originals {
		if ref == protocol.TypeRef(t.Key) || ref == protocol.TypeRef(fmt.Sprint(t.Number)) {
			return t, true
		}
	}
	return Type{}, false
}

// asOriginal completes an entry that binds a type of the original service, which
// it names by key or by number. Its restrictions stay, and may become more.
func (t Type) asOriginal() Type {
	ref := protocol.TypeRef(t.Key)
	if t.Key == "" {
		ref = protocol.TypeRef(fmt.Sprint(t.Number))
	}
	original, ok := Original(ref)
	if !ok || t.Number != 0 && t.Number != original.Number {
		return t
	}
	t.Key, t.Number = original.Key, original.Number
	if t.Label == "" {
		t.Label = original.Label
	}
	t.Restrictions = union(original.Restrictions, t.Restrictions)
	return t
}

func union(lists ...protocol.Restrictions) (all protocol.Restrictions) {
	for _, one := range slices.Concat(lists...) {
		if !all.Has(one) {
			all = append(all, one)
		}
	}
	return all
}
