package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A nodeDecoder is a type that reads itself from a value in a file.
type nodeDecoder interface{ decodeNode(node) error }

// A textDecoder is a block that may also be written as one text.
type textDecoder interface {
	decodeText(string) (warning string, err error)
}

// decoder reads nodes into a Config. It goes on after a mistake, so that all of them are reported at once.
type decoder struct {
	schema   schema
	origin   map[string]Pos
	files    []string // that were read
	repeated int      // how many repeated blocks we are inside of
	errs     []error
	warnings []string
}

func newDecoder() *decoder { return &decoder{schema: schema{}, origin: map[string]Pos{}} }

func (d *decoder) fail(err error) { d.errs = append(d.errs, err) }

// failAt notes a mistake in the option at path: at err's own place if it has one, such as an item of a list, else at n's.
func (d *decoder) failAt(path string, n node, err error) {
	if at, ok := errors.AsType[*Error](err); ok {
		n.pos, err = at.Pos, at.Err
	}
	d.fail(n.errorf("%s: %w", path, err))
}

func (d *decoder) warn(pos Pos, format string, args ...any) {
	d.warnings = append(d.warnings, pos.String()+": "+fmt.Sprintf(format, args...))
}

// file reads one whole file over c: what it does not mention stays.
func (d *decoder) file(n node, c *Config) {
	before := len(c.Prefixes)
	d.block("", n, reflect.ValueOf(c).Elem())
	fromFile := slices.DeleteFunc(c.Prefixes[before:], func(p Prefix) bool {
		if p.Path == "" {
			d.warn(p.Pos, "a prefix block without a path is ignored")
		}
		return p.Path == ""
	})
	c.Prefixes = c.Prefixes[:before+len(fromFile)]
}

// block reads a block's options into the struct v.
func (d *decoder) block(path string, n node, v reflect.Value) {
	if n.kind == list && len(n.items) > 0 && path != "" { // JSON writes repeated blocks as a list; the last replaces the others
		n = n.items[len(n.items)-1]
	}
	if n.kind == text {
		if t, ok := v.Addr().Interface().(textDecoder); ok {
			d.blockText(path, n, t)
			return
		}
	}
	if n.kind != object && path == "" {
		d.fail(n.want("options and blocks"))
		return
	}
	if n.kind != object {
		d.failAt(path, n, n.want("a block"))
		return
	}
	last := map[string]int{}
	for i, f := range n.fields {
		last[strings.ToLower(f.name)] = i
	}
	for i, f := range n.fields {
		o, ok := d.schema.find(v.Type(), f.name)
		switch {
		case !ok && (path != "" || !d.oldPlace(f, v)):
			d.unknown(path, f, v.Type())
		case !ok, !o.isRepeated() && last[strings.ToLower(f.name)] != i:
		case o.refuse(f.value) != nil:
			d.failAt(join(path, o.name, "."), f.value, o.refuse(f.value))
		case f.value.kind == null:
		default:
			d.value(join(path, o.name, "."), f.value, v.Field(o.index))
		}
	}
}

func (d *decoder) blockText(path string, n node, t textDecoder) {
	warning, err := t.decodeText(n.text)
	switch {
	case err != nil:
		d.failAt(path, n, err)
	case warning != "":
		d.warn(n.pos, "%s", warning)
	}
	d.note(path, n.pos)
}

func (d *decoder) note(path string, pos Pos) {
	if d.repeated == 0 {
		d.origin[path] = pos
	}
}

// value reads one option into v.
func (d *decoder) value(path string, n node, v reflect.Value) {
	t := v.Type()
	switch {
	case isBlock(t):
		d.block(path, n, v)
		return
	case t.Kind() == reflect.Slice && isBlock(t.Elem()):
		d.blocks(path, n, v)
		return
	}
	before := v.Interface()
	if err := d.leaf(path, n, v); err != nil {
		d.failAt(path, n, err)
		return
	}
	if why, ok := idle[path]; ok && !reflect.DeepEqual(v.Interface(), before) {
		d.warn(n.pos, "%s has no effect: %s", path, why)
	}
	if path == "template.check" && v.IsZero() { // none at all would go unnoticed until a bad file is committed
		d.failAt(path, n, errors.New("is empty: want a command, or leave the option out"))
	}
	d.note(path, n.pos)
}

// blocks appends a repeated block, or a list of them, to the slice v.
func (d *decoder) blocks(path string, n node, v reflect.Value) {
	items := []node{n}
	if n.kind == list {
		items = n.items
	}
	d.repeated++
	for _, item := range items {
		elem := reflect.New(v.Type().Elem()).Elem()
		if t, ok := elem.Addr().Interface().(*Template); ok {
			*t = defaultTemplate()
		}
		if pos := elem.FieldByName("Pos"); pos.IsValid() {
			pos.Set(reflect.ValueOf(item.pos))
		}
		d.block(path, item, elem)
		v.Set(reflect.Append(v, elem))
	}
	d.repeated--
}

// leaf reads a single value, strictly: a text is no number and "true" is no bool.
func (d *decoder) leaf(path string, n node, v reflect.Value) error {
	if own, ok := v.Addr().Interface().(nodeDecoder); ok {
		return own.decodeNode(n)
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return d.duration(path, n, v)
	}
	switch v.Kind() {
	case reflect.String:
		if n.kind != text {
			return n.want("a text in quotes")
		}
		v.SetString(n.text)
	case reflect.Bool:
		if n.kind != boolean {
			return n.want("true or false without quotes")
		}
		v.SetBool(n.text == "true")
	case reflect.Int, reflect.Int64:
		if n.kind != number {
			return n.want("a whole number without quotes")
		}
		i, err := strconv.ParseInt(n.text, 0, 64)
		if err != nil {
			return n.errorf("want a whole number, found %s", n.text)
		}
		v.SetInt(i)
	case reflect.Float64:
		f, err := strconv.ParseFloat(n.text, 64)
		if n.kind != number || err != nil {
			return n.want("a number without quotes")
		}
		v.SetFloat(f)
	case reflect.Slice:
		return d.texts(n, v)
	default:
		return fmt.Errorf("can not hold a value of type %v", v.Type()) // a mistake in our own structs; a test walks them all
	}
	return nil
}

func (d *decoder) duration(path string, n node, v reflect.Value) error {
	switch n.kind {
	case text:
		dur, err := parseDuration(n.text)
		v.SetInt(int64(dur))
		return err
	case number:
		i, err := strconv.ParseInt(n.text, 0, 64)
		if err != nil || i < 0 {
			return n.errorf("invalid duration %s: write it with a unit and in quotes, such as \"5s\"", n.text)
		}
		if i > 0 && i < int64(time.Millisecond) {
			d.warn(n.pos, "%s: a number is taken as nanoseconds: for seconds write \"%ds\"", path, i)
		}
		v.SetInt(i)
		return nil
	}
	return n.want(`a duration such as "5s"`)
}

// texts appends a list of texts, or one text with commas between them.
func (d *decoder) texts(n node, v reflect.Value) error {
	switch n.kind {
	case text:
		for _, s := range strings.Split(n.text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				v.Set(reflect.Append(v, reflect.ValueOf(s)))
			}
		}
		return nil
	case list:
		for _, item := range n.items {
			if item.kind != text {
				return item.want("a text in quotes")
			}
			v.Set(reflect.Append(v, reflect.ValueOf(item.text)))
		}
		return nil
	}
	return n.want("a list of texts")
}
