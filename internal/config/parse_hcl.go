package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/hashicorp/hcl/hcl/parser"
	"github.com/hashicorp/hcl/hcl/token"
)

func parseHCL(name string, src []byte) (node, error) {
	file, err := parser.Parse(src)
	if err != nil {
		at := Pos{name, 1}
		if bad, ok := errors.AsType[*parser.PosError](err); ok {
			lastLine := 1 + bytes.Count(bytes.TrimRight(src, "\n"), []byte("\n")) // the library says one more for an early end
			at.Line, err = max(1, min(bad.Pos.Line, lastLine)), bad.Err
		}
		return node{}, &Error{at, fmt.Errorf("invalid HCL: %w", err)}
	}
	root, ok := file.Node.(*ast.ObjectList)
	if !ok {
		return node{}, &Error{Pos{name, 1}, errors.New("invalid HCL: want options and blocks")}
	}
	return hclReader(name).object(root, token.Pos{Line: 1}, 0)
}

// hclReader turns the syntax tree of the file of that name into nodes.
type hclReader string

func (r hclReader) at(p token.Pos) Pos { return Pos{string(r), max(1, p.Line)} }

func (r hclReader) object(items *ast.ObjectList, pos token.Pos, depth int) (node, error) {
	n := node{kind: object, pos: r.at(pos)}
	for _, item := range items.Items {
		if len(item.Keys) == 0 {
			return node{}, &Error{r.at(item.Val.Pos()), errors.New("invalid HCL: a value without a name")}
		}
		key, err := r.literal(item.Keys[0].Token)
		if err != nil {
			return node{}, err
		}
		if len(item.Keys) > 1 {
			return node{}, &Error{r.at(item.Keys[1].Pos()), fmt.Errorf("block %q takes no label: remove %s", key.text, item.Keys[1].Token.Text)}
		}
		value, err := r.value(item.Val, depth+1)
		if err != nil {
			return node{}, err
		}
		n.fields = append(n.fields, field{name: key.text, pos: key.pos, value: value})
	}
	return n, nil
}

func (r hclReader) value(v ast.Node, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, &Error{r.at(v.Pos()), errTooDeep}
	}
	switch v := v.(type) {
	case *ast.ObjectType:
		return r.object(v.List, v.Lbrace, depth)
	case *ast.LiteralType:
		return r.literal(v.Token)
	case *ast.ListType:
		n := node{kind: list, pos: r.at(v.Lbrack)}
		for _, item := range v.List {
			value, err := r.value(item, depth+1)
			if err != nil {
				return node{}, err
			}
			n.items = append(n.items, value)
		}
		return n, nil
	}
	return node{}, &Error{r.at(v.Pos()), errors.New("invalid HCL: unknown kind of value")}
}

// literal reads a token's value. The library panics on some malformed ones (a bad escape, an open heredoc).
func (r hclReader) literal(tok token.Token) (n node, err error) {
	n.pos = r.at(tok.Pos)
	defer func() {
		if cause := recover(); cause != nil {
			err = n.errorf("invalid HCL: malformed %s", strings.ToLower(tok.Type.String()))
		}
	}()
	switch tok.Type {
	case token.NUMBER, token.FLOAT:
		n.kind, n.text = number, tok.Text
	case token.BOOL:
		n.kind, n.text = boolean, tok.Text
	default:
		n.kind = text
		n.text, _ = tok.Value().(string)
	}
	return n, nil
}
