package mail

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplatesFillInValues(t *testing.T) {
	t.Parallel()
	filled := map[string]any{"a": "x", "n": json.Number("3"), "items": []any{"1", "2"}, "o": map[string]any{"k": "v"}}
	for source, wanted := range map[string]string{
		"plain":                                               "plain",
		"{{.a}} {{.o.k}} {{.n}}":                              "x v 3",
		"{{if eq .a \"x\"}}yes{{else}}no{{end}}":              "yes",
		"{{with .o}}{{.k}}{{$.a}}{{end}}":                     "vx",
		"{{range .items}}{{.}},{{end}}":                       "1,2,",
		"{{range $i, $v := $.items}}{{$i}}{{$v}}{{end}}":      "0112",
		"{{index .items 1}}{{len .items}}":                    "22",
		"{{with index . \"absent\"}}{{.}}{{else}}none{{end}}": "none",
		"{{/* a comment */}}x":                                "x",
		"":                                                    "",
	} {
		for kind, parse := range map[string]func(string, string) (template, error){"text": parseText, "html": parseHTML} {
			parsed, err := parse("f", source)
			require.NoError(t, err, "%s %s", kind, source)
			got, err := parsed.render(filled)
			require.NoError(t, err, "%s %s", kind, source)
			require.Equal(t, wanted, got, kind)
		}
	}
}

func TestTemplatesReachNothingAndEnd(t *testing.T) {
	t.Parallel()
	for source, problem := range map[string]string{
		"{{":                                           "is not a template",
		"{{.a | shout}}":                               "is not a template",
		"{{printf \"%9999999d\" 1}}":                   "uses printf",
		"{{if (print .a)}}{{end}}":                     "uses print",
		"{{(print .a).x}}":                             "uses print",
		"{{.a | js}}":                                  "uses js",
		"{{call .f}}":                                  "uses call",
		"{{slice .a 1}}":                               "uses slice",
		"{{define \"x\"}}{{end}}{{.a}}":                "defines another template",
		"{{template \"f\" .}}":                         "which is not allowed",
		"{{block \"x\" .}}{{end}}":                     "defines another template",
		"{{range 1000000000}}{{end}}":                  "a range is over a value",
		"{{range .a | len}}{{end}}":                    "a range is over a value",
		"{{$n := 1000000000}}{{range $n}}{{end}}":      "a range is over a value",
		"{{with 1000000000}}{{range .}}{{end}}{{end}}": "a range is over a value",
		"{{range .a}}{{if .b}}{{range .c}}{{end}}{{end}}{{end}}": "a range is over a value",
		"{{range .a}}{{else}}{{printf .b}}{{end}}":               "uses printf",
	} {
		for kind, parse := range map[string]func(string, string) (template, error){"text": parseText, "html": parseHTML} {
			_, err := parse("f", source)
			require.ErrorContains(t, err, problem, "%s %s", kind, source)
		}
	}
	_, err := parseHTML("f", `<a href="{{if .a}}"{{end}}>`)
	require.ErrorContains(t, err, "is not a template", "a mistake that shows when it is escaped")
}

func TestRenderingSaysWhatIsMissingOrTooMuch(t *testing.T) {
	t.Parallel()
	render := func(source string, values map[string]any) error {
		parsed, err := parseText("subject", source)
		require.NoError(t, err)
		_, err = parsed.renderLine(values)
		return err
	}
	require.ErrorContains(t, render("{{.nmae}}", map[string]any{"name": "x"}), `map has no entry for key "nmae"`)
	require.ErrorContains(t, render("{{.o.k}}", map[string]any{"o": map[string]any{}}), `"k"`)
	require.ErrorContains(t, render("{{.a.k}}", map[string]any{"a": "x"}), "k")
	require.ErrorContains(t, render("{{range .i}}{{$.a}}{{end}}", map[string]any{
		"i": make([]any, 2000), "a": strings.Repeat("x", 1000),
	}), "is over 1048576 bytes")
	require.ErrorContains(t, render("{{.a}}", map[string]any{"a": strings.Repeat("x", 999)}), "has 999 bytes, the limit is 998")
	for _, value := range []string{"a\r\nBcc: x@y.example", "a\nb", "a\rb", "\x00", "a\u0085b", "a\tb"} {
		require.ErrorContains(t, render("{{.a}}", map[string]any{"a": value}), "control character", "%q", value)
	}
}
