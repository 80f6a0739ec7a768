package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"lictor/watch"
)

// Load reads data files, each over those before it, and then the assignments: see [Data.Set]. It also finds what only
// shows in the whole, such as an instance without an address.
func Load(assignments []string, files ...string) (*Data, error) {
	texts, err := readAll(files)
	if err != nil {
		return nil, err
	}
	d, err := layer(assignments, files, texts)
	if err != nil {
		return nil, err
	}
	_, err = resolveAll(d)
	return d, err
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

func layer(assignments, files []string, texts [][]byte) (*Data, error) {
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
	return d, nil
}

// Merge reads a document, YAML or JSON, over what d says already: keys, nodes and the instances of a mapping are merged by
// their names; lists are replaced; null takes away. The error names the lines of all that is wrong, up to ten.
func (d *Data) Merge(name string, text []byte) error {
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		text = text[3:]
	}
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
	p := &parser{decoder: decoder{file: name}, into: d}
	if p.checkAliases(tree); len(p.problems) == 0 {
		p.document(tree)
	}
	return p.err()
}

func (d *decoder) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(d.problems, "\n"))
}

// notText returns the first line that has something that no text file has, or 0.
func notText(text []byte) int {
	line := 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == 0 || r == utf8.RuneError && size == 1 {
			return line
		}
		if r == '\n' {
			line++
		}
		text = text[size:]
	}
	return 0
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

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
		if m == nil || m[1] == "" {
			return nil, fmt.Errorf("1: not valid YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		}
		return nil, fmt.Errorf("%s: not valid YAML: %s", m[1], m[2])
	}
	if dec.Decode(&more) == nil {
		return nil, fmt.Errorf("%d: a second document begins here; put it into a file of its own, and layer the two", more.Line)
	}
	return doc.Content[0], nil
}

// A parser reads one document into Data.
type parser struct {
	decoder
	into *Data
}

func (p *parser) document(n *yaml.Node) {
	d := p.into
	known := p.registry(&d.Registry)
	known["datacenter"] = p.text(&d.Datacenter, "datacenter")
	known["agent"] = p.text(&d.Agent, "agent")
	known["datacenters"] = func(n *yaml.Node) {
		p.each(n, "datacenters", func(name string, _, value *yaml.Node) {
			if value = resolve(value); isNull(value) {
				delete(d.Datacenters, name)
				return
			}
			if d.Datacenters[name] == nil {
				put(&d.Datacenters, name, &Registry{})
			}
			p.fields(value, fmt.Sprintf("datacenter %q", name), p.registry(d.Datacenters[name]))
		})
	}
	p.mesh(known)
	if isNull(n) {
		p.fail(n, "the file has no data; write {} for no data at all")
	}
	p.fields(n, "the data file", known)
}

func (p *parser) registry(r *Registry) fields {
	return fields{
		"kv":       func(n *yaml.Node) { p.kv(&r.KV, "", n) },
		"nodes":    func(n *yaml.Node) { p.nodes(&r.Nodes, n) },
		"services": func(n *yaml.Node) { p.services(&r.Services, n) },
	}
}

func (p *parser) nodes(to *map[string]*Node, n *yaml.Node) {
	p.each(n, "nodes", func(name string, key, value *yaml.Node) {
		if value = resolve(value); isNull(value) && value.Value != "" {
			delete(*to, name)
			return
		}
		if name == "" {
			p.fail(key, "a node needs a name")
			return
		}
		node := (*to)[name]
		if node == nil {
			node = &Node{}
			put(to, name, node)
		}
		p.note(node, key)
		p.node(node, fmt.Sprintf("node %q", name), value)
	})
}

func (p *parser) node(node *Node, what string, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && !isNull(n) { // just its address
		p.text(&node.Address, what)(n)
		return
	}
	known := fields{
		"id":               p.text(&node.ID, "id of "+what),
		"address":          p.text(&node.Address, "address of "+what),
		"meta":             p.textMap(&node.Meta, "meta of "+what),
		"tagged_addresses": p.textMap(&node.TaggedAddresses, "tagged_addresses of "+what),
		"coordinate":       func(n *yaml.Node) { p.coordinate(&node.Coordinate, "coordinate of "+what, n) },
		"rtt": func(n *yaml.Node) {
			p.each(n, "rtt of "+what, func(name string, _, value *yaml.Node) {
				rtt := node.RTT[name]
				p.duration(&rtt, "rtt to "+name)(value)
				put(&node.RTT, name, rtt)
			})
		},
	}
	p.health(known, &node.Health, what)
	p.fields(n, what, known)
}

func (p *parser) coordinate(to **Coordinate, what string, n *yaml.Node) {
	c := &Coordinate{}
	*to = c
	vec := func(n *yaml.Node) {
		p.list(n, what, func(i int, n *yaml.Node) {
			var f float64
			p.float(&f, fmt.Sprintf("number %d of %s", i+1, what))(n)
			c.Vec = append(c.Vec, f)
		})
	}
	if n.Kind == yaml.SequenceNode {
		vec(n)
	} else {
		p.fields(n, what, fields{
			"vec": vec, "height": p.float(&c.Height, "height of "+what), "adjustment": p.float(&c.Adjustment, "adjustment of "+what),
		})
	}
	if len(c.Vec) == 0 {
		p.fail(n, "%s needs at least one number", what)
	}
}

// health adds the fields that nodes and instances say their health with.
func (p *parser) health(known fields, h *Health, what string) {
	known["status"] = p.status(&h.Status, "status of "+what)
	known["maintenance"] = func(n *yaml.Node) {
		switch s, ok := p.scalar(n, "maintenance of "+what); {
		case !ok:
		case s == "true":
			h.Maintenance = defaultReason
		case s == "false":
			h.Maintenance = ""
		default:
			h.Maintenance = s
		}
	}
	known["checks"] = func(n *yaml.Node) {
		h.Checks = []Check{}
		p.list(n, "checks of "+what, func(i int, n *yaml.Node) {
			h.Checks = append(h.Checks, p.check(fmt.Sprintf("check %d of %s", i+1, what), n))
		})
	}
}

func (p *parser) check(what string, n *yaml.Node) Check {
	var c Check
	known := p.known(checkFields(&c), what)
	known["status"] = p.status(&c.Status, "status of "+what)
	known["exposed_port"] = p.number(&c.ExposedPort, "exposed_port of "+what, 0, 65535)
	p.fields(n, what, known)
	d := &c.Definition
	d.SetDurations(d.IntervalDuration, d.TimeoutDuration, d.DeregisterCriticalServiceAfterDuration)
	return c
}

// defaultReason is what Consul notes for a maintenance without a reason.
const defaultReason = "Maintenance mode is enabled, but no reason was provided. This is a default message."

func (p *parser) status(to *string, what string) func(*yaml.Node) {
	return p.oneOf(to, what, "; for maintenance write maintenance: true", watch.StatusPassing, watch.StatusWarning, watch.StatusCritical)
}

// note remembers where something is written, for errors that only show in the whole.
func (p *parser) note(thing any, n *yaml.Node) {
	if p.into.where == nil {
		p.into.where = map[any]string{}
	}
	p.into.where[thing] = fmt.Sprintf("%s:%d", p.file, n.Line)
}

// hostPort takes "10.0.0.1:80" apart.
func hostPort(s string) (host string, port int, ok bool) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, false
	}
	port, err = strconv.Atoi(text)
	return host, port, err == nil && host != "" && port >= 0 && port <= 65535
}
