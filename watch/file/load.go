package file

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Load reads data files, each over those before it, and then the assignments: see [Data.Set]. It also finds what only
// shows in the whole, such as an instance without an address.
func Load(assignments []string, files ...string) (*Data, error) {
	texts, err := readAll(files)
	if err != nil {
		return nil, err
	}
	whole, err := layer(assignments, files, texts)
	if err != nil {
		return nil, err
	}
	return whole.data, nil
}

func readAll(files []string) ([][]byte, error) {
	texts := make([][]byte, len(files))
	for i, f := range files {
		var err error
		if texts[i], err = read(f); err != nil {
			return nil, fmt.Errorf("data file: %w", err)
		}
	}
	return texts, nil
}

// layer puts the texts of files over each other.
func layer(assignments, files []string, texts [][]byte) (*snapshot, error) {
	d := &Data{}
	for i, f := range files {
		if err := d.Merge(f, texts[i]); err != nil {
			return nil, err
		}
	}
	for _, a := range assignments {
		if err := d.Set(a); err != nil {
			return nil, err
		}
	}
	return newSnapshot(d)
}

// Merge reads a document, YAML or JSON, over what d says already: keys, nodes and the instances of a mapping are merged by
// their names; lists are replaced; null takes away. The error names the lines of all that is wrong, up to ten.
func (d *Data) Merge(name string, text []byte) error {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(text)) == 0 {
		// Most likely an editor or a script is about to write it. To believe it would take everything away.
		return fmt.Errorf("%s:1: the file is empty; write {} for no data at all", name)
	}
	if line := notText(text); line > 0 {
		return fmt.Errorf("%s:%d: this is not a text file in UTF-8; a data file is YAML or JSON", name, line)
	}
	tree, err := parseTree(name, text)
	if err != nil {
		return fmt.Errorf("%s:%w", name, err)
	}
	if d.where == nil {
		d.where = map[any]string{}
	}
	dec := &decoder{file: name, where: d.where}
	switch dec.checkAliases(tree); {
	case len(dec.problems) > 0:
	case isNull(tree):
		dec.fail(tree, "the file has no data; write {} for no data at all")
	default:
		documentFields(d).read(dec, wholeFile, tree)
	}
	return dec.err()
}

// notText returns the first line that has something that no text file has, or 0.
func notText(text []byte) int {
	number := 0
	for line := range bytes.Lines(text) {
		if number++; !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
			return number
		}
	}
	return 0
}

// yamlError takes an error of the YAML parser apart.
var yamlError = regexp.MustCompile(`^(?s)(?:yaml: )?(?:line (\d+): )?(.*)$`)

// parseTree parses YAML or JSON, whichever it is. An error begins with the line.
func parseTree(name string, text []byte) (*yaml.Node, error) {
	if strings.EqualFold(filepath.Ext(name), ".json") {
		return jsonTree(text)
	}
	if start := bytes.TrimSpace(text)[0]; start == '{' || start == '[' {
		if tree, err := jsonTree(text); err == nil {
			return tree, nil // else it may be YAML that is written in braces
		}
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err == io.EOF {
		return nil, errors.New("1: the file has only comments; write {} for no data at all")
	} else if err != nil {
		m := yamlError.FindStringSubmatch(err.Error())
		return nil, fmt.Errorf("%s: not valid YAML: %s", cmp.Or(m[1], "1"), m[2])
	}
	if dec.Decode(&more) == nil {
		return nil, fmt.Errorf("%d: a second document begins here; put it into a file of its own, and layer the two", more.Line)
	}
	return doc.Content[0], nil
}
