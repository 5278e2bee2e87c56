package mail

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	texttemplate "text/template"
	"text/template/parse"
	"unicode"

	htmltemplate "html/template"
)

// maxRenderedBytes bounds each part of one message.
const maxRenderedBytes = 1 << 20

// template is text with a recipient's values in it. The zero one renders nothing.
type template struct {
	execute func(w io.Writer, values any) error
}

// given says that the mailing has this template.
func (t template) given() bool { return t.execute != nil }

// templates are those of one mailing.
type templates struct {
	subject, text, html template
	headers             []headerTemplate
}

type headerTemplate struct {
	name  string
	value template
}

// parseText reads a template for text, parseHTML one that escapes each value for
// the place in which it stands.
func parseText(name, text string) (template, error) {
	parsed, err := texttemplate.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return template{}, unnamed(err)
	}
	if err := inspect(parsed.Tree, len(parsed.Templates())); err != nil {
		return template{}, err
	}
	return template{parsed.Execute}, nil
}

func parseHTML(name, text string) (template, error) {
	parsed, err := htmltemplate.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return template{}, unnamed(err)
	}
	if err := inspect(parsed.Tree, len(parsed.Templates())); err != nil {
		return template{}, err
	}
	// Some mistakes show when it is escaped, which happens once, with its first use.
	var escape *htmltemplate.Error
	if err := parsed.Execute(io.Discard, map[string]any{}); errors.As(err, &escape) {
		return template{}, unnamed(err)
	}
	return template{parsed.Execute}, nil
}

// unnamed drops what the packages put before their messages.
func unnamed(err error) error {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "template: "), "html/template:")
	return errors.New("is not a template: " + text)
}

// allowed are the functions that a template may use. None reaches out, and none
// makes much of little, as printf with a width does.
var allowed = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "html", "urlquery"}

// inspect refuses what could reach out, or would not end soon: other functions,
// templates in templates, and a range in a range or over anything but a value.
func inspect(tree *parse.Tree, templates int) error {
	if templates > 1 {
		return errors.New("defines another template: only one is allowed")
	}
	if tree == nil || tree.Root == nil {
		return nil
	}
	return inspectNode(tree.Root, false)
}

func inspectNode(node parse.Node, inRange bool) error {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, each := range n.Nodes {
			if err := inspectNode(each, inRange); err != nil {
				return err
			}
		}
	case *parse.ActionNode:
		return inspectPipe(n.Pipe)
	case *parse.IfNode:
		return inspectBranch(&n.BranchNode, inRange)
	case *parse.WithNode:
		return inspectBranch(&n.BranchNode, inRange)
	case *parse.RangeNode:
		if inRange || !isValue(n.Pipe) {
			return fmt.Errorf("has %s: a range is over a value, such as .items, and not in another one", brief(n.Pipe))
		}
		return inspectBranch(&n.BranchNode, true)
	case *parse.TextNode, *parse.CommentNode, *parse.BreakNode, *parse.ContinueNode:
	default:
		return fmt.Errorf("has %s, which is not allowed here", brief(node))
	}
	return nil
}

func inspectBranch(n *parse.BranchNode, inRange bool) error {
	return errors.Join(inspectPipe(n.Pipe), inspectNode(n.List, inRange), inspectNode(n.ElseList, inRange))
}

// inspectPipe refuses functions that are not allowed, wherever they stand.
func inspectPipe(pipe *parse.PipeNode) error {
	if pipe == nil {
		return nil
	}
	for _, command := range pipe.Cmds {
		for _, argument := range command.Args {
			switch a := argument.(type) {
			case *parse.IdentifierNode:
				if !slices.Contains(allowed, a.Ident) {
					return fmt.Errorf("uses %s: allowed are %s", a.Ident, strings.Join(allowed, ", "))
				}
			case *parse.PipeNode:
				if err := inspectPipe(a); err != nil {
					return err
				}
			case *parse.ChainNode:
				if inner, ok := a.Node.(*parse.PipeNode); ok {
					if err := inspectPipe(inner); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// isValue says that the pipe is one value of the data, such as .items or $.items,
// and cannot be a number: a range goes over those too.
func isValue(pipe *parse.PipeNode) bool {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return false
	}
	switch value := pipe.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		return true
	case *parse.VariableNode:
		return len(value.Ident) > 1 && value.Ident[0] == "$"
	}
	return false
}

func brief(node parse.Node) string { return fmt.Sprintf("{{%.40s}}", node.String()) }

// render fills the template; the error says which value is missing.
func (t template) render(values map[string]any) (string, error) {
	if !t.given() {
		return "", nil
	}
	var out bounded
	if err := t.execute(&out, values); err != nil {
		if out.full {
			return "", fmt.Errorf("is over %d bytes", maxRenderedBytes)
		}
		return "", errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	return out.String(), nil
}

// renderLine fills a template that is one line of a header, so that no value can
// begin another one.
func (t template) renderLine(values map[string]any) (string, error) {
	line, err := t.render(values)
	switch {
	case err != nil:
		return "", err
	case strings.ContainsFunc(line, unicode.IsControl):
		return "", errors.New("has a line break or another control character in a value")
	case len(line) > maxSubjectBytes:
		return "", fmt.Errorf("has %d bytes, the limit is %d", len(line), maxSubjectBytes)
	}
	return line, nil
}

// bounded takes so many bytes.
type bounded struct {
	strings.Builder
	full bool
}

// Write takes the bytes, or none if they are too many.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxRenderedBytes {
		b.full = true
		return 0, io.ErrShortWrite
	}
	return b.Builder.Write(p)
}
