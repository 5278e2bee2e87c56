package catalogue

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 9.1: number, label and restriction are those of the contract.
func TestOriginalTypesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	contract, err := os.ReadFile("../docs/semantics.md")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| (.+?) \| ([LRD]?) *\|$`).FindAllStringSubmatch(string(contract), -1)
	letter := map[protocol.Restriction]string{protocol.NoControl: "L", protocol.NoCancelOrDelete: "R", protocol.NoToken: "D"}
	var ours [][]string
	for _, o := range Originals() {
		flag := ""
		for _, r := range o.Restrictions {
			flag += letter[r]
		}
		ours = append(ours, []string{fmt.Sprintf("| %d | %s | %s |", o.Number, o.Label, flag), fmt.Sprint(o.Number), o.Label, flag})
	}
	require.Len(t, rows, 59)
	require.Equal(t, rows, ours)
}

// SPEC 9.1: a key is lower-case and dotted; both key and number find it.
func TestOriginalTypesAreFoundByKeyAndNumber(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range Originals() {
		require.NoError(t, protocol.Operation{OperationType: protocol.TypeRef(o.Key)}.Validate(), o.Key)
		require.False(t, seen[o.Key], o.Key)
		seen[o.Key] = true
		for _, ref := range []protocol.TypeRef{protocol.TypeRef(o.Key), protocol.TypeRef(fmt.Sprint(o.Number))} {
			for _, c := range []*Catalogue{nil, {}} {
				found, ok := c.Lookup(ref)
				require.True(t, ok, ref)
				require.Equal(t, o, found)
				require.False(t, found.Bound())
			}
		}
	}
	for key, number := range map[string]int{
		"event": EventNumber, "bulk.email": 2, "import.parse": 3, "import.transform": 4, "import": 5, "activity.propagation": 6,
		"workflow": WorkflowNumber, "bulk.delete": 13,
	} {
		found, _ := Original(protocol.TypeRef(key))
		require.Equal(t, number, found.Number, key)
	}
}

// SPEC 9.1, 9.3
func TestAnEntryBindsAnOriginalType(t *testing.T) {
	t.Parallel()
	bound := func(change func(*Type)) (Type, error) {
		c, err := New(typed("", change))
		if err != nil {
			return Type{}, err
		}
		return c.Types()[0], nil
	}
	for _, tc := range []struct {
		name     string
		change   func(*Type)
		expected Type
	}{
		{"by its key", func(x *Type) { x.Key = "bulk.email" }, Type{Key: "bulk.email", Number: 2, Label: "Bulk Email", Restrictions: protocol.Restrictions{protocol.NoToken}}},
		{"by its number", func(x *Type) { x.Number = 9 }, Type{Key: "sqm.collection", Number: 9, Label: "SQM Data Collection", Restrictions: protocol.Restrictions{protocol.NoControl}}},
		{"by both", func(x *Type) { x.Key, x.Number = "workflow", 10 }, Type{Key: "workflow", Number: 10, Label: "Workflow"}},
		{"with a label of its own", func(x *Type) { x.Key, x.Label = "import", "Einlesen" }, Type{Key: "import", Number: 5, Label: "Einlesen", Restrictions: protocol.Restrictions{protocol.NoToken}}},
		{"with a token", func(x *Type) { x.Key, x.AllowToken = "import", true }, Type{Key: "import", Number: 5, Label: "Import", AllowToken: true, Restrictions: protocol.Restrictions{}}},
		{"with more restrictions", func(x *Type) {
			x.Key, x.Restrictions = "rollup.field", protocol.Restrictions{protocol.NoPause, protocol.NoCancelOrDelete}
		}, Type{
			Key: "rollup.field", Number: 57, Label: "Calculate Rollup Field", Restrictions: protocol.Restrictions{protocol.NoCancelOrDelete, protocol.NoPause},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			found, err := bound(tc.change)
			require.NoError(t, err)
			require.True(t, found.Bound())
			found.Binding = Binding{}
			require.Equal(t, tc.expected, found)
		})
	}
	for _, tc := range []struct {
		name, problem string
		change        func(*Type)
	}{
		{"another number", `type "import": number: 7 is not that of the original type "import", which is 5`, func(x *Type) { x.Key, x.Number = "import", 7 }},
		{"no key, and no number of the original's", `type "": key: "" is not lower-case words with dots`, func(x *Type) { x.Number = 33 }},
		{"a token that is both", `type "a": dependencyToken: is allowed, and restrictions has "noToken"`, func(x *Type) {
			x.Key, x.AllowToken, x.Restrictions = "a", true, protocol.Restrictions{protocol.NoToken}
		}},
		{"a token that is allowed anyhow", `type "workflow": dependencyToken: is allowed for this type as it is`, func(x *Type) { x.Key, x.AllowToken = "workflow", true }},
		{"an unknown restriction", `type "a": restrictions: "noCancel" is not one of [noControl noCancelOrDelete noToken noPause]`, func(x *Type) {
			x.Key, x.Restrictions = "a", protocol.Restrictions{"noCancel"}
		}},
		{"no activity", `type "import": activity: is missing`, func(x *Type) { x.Key, x.Binding = "import", Binding{} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := bound(tc.change)
			require.ErrorContains(t, err, tc.problem)
		})
	}
}

// SPEC 9.3: known, and not bound.
func TestWhatIsNotBoundIsListed(t *testing.T) {
	t.Parallel()
	c, err := New(typed("import"), typed("a"))
	require.NoError(t, err)
	require.Len(t, c.Unbound(), len(Originals())-1)
	for _, unbound := range c.Unbound() {
		require.NotEqual(t, "import", unbound.Key)
	}
	require.ErrorContains(t, c.Check("2"), `operationType "2" is known, and nothing runs it: bind "bulk.email" under types: in config.yaml; bound are import, a`)
	require.NoError(t, c.Check("5"))
	require.Equal(t, Originals(), (*Catalogue)(nil).Unbound())
}

// SPEC 8.3, 9.1: D is no dependency token.
func TestATokenIsRefusedWhereTheTypeTakesNone(t *testing.T) {
	t.Parallel()
	c, err := New(typed("import"), typed("bulk.email", func(x *Type) { x.AllowToken = true }), typed("a", func(x *Type) { x.Restrictions = protocol.Restrictions{protocol.NoToken} }))
	require.NoError(t, err)
	check := func(ref protocol.TypeRef, token string) error {
		return c.CheckOperation(protocol.Operation{OperationType: ref, DependencyToken: token})
	}
	require.NoError(t, check("import", ""))
	require.NoError(t, check("bulk.email", "customer-42"))
	require.ErrorContains(t, check("5", "customer-42"), `dependencyToken: type "import" takes none: leave it out, or say "dependencyToken: allowed" for the type in config.yaml (got "customer-42")`)
	require.ErrorContains(t, check("a", "customer-42"), "dependencyToken: ")
	require.ErrorContains(t, check("none", "customer-42"), "is not in the catalogue")
}

func TestAMistakeInTheTableStopsTheProgram(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"1 event", "one event - Event", "1 event X Event"} {
		require.Panics(t, func() { parse(line) }, line)
	}
	require.Empty(t, parse("# nothing\n"))
	require.False(t, strings.Contains(originalTable, "\t"))
}
