package file

import (
	"encoding/base64"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"lictor/watch"
)

// Write writes data as a data file that says the same: sorted, so that equal data gives equal bytes, and without what is
// the default anyway.
func Write(w io.Writer, d *Data) error {
	m := newMapping()
	m.text("datacenter", d.Datacenter)
	m.text("agent", d.Agent)
	writeRegistry(m, &d.Registry)
	others := newMapping()
	for _, name := range slices.Sorted(maps.Keys(d.Datacenters)) {
		r := newMapping()
		writeRegistry(r, d.Datacenters[name])
		others.add(name, r.node)
	}
	m.mapping("datacenters", others)
	writeMesh(m, d)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(m.node); err != nil {
		return err
	}
	return enc.Close()
}

func writeRegistry(m mapping, r *Registry) {
	kv := newMapping()
	for _, path := range slices.Sorted(maps.Keys(r.KV)) {
		name := path
		if strings.HasPrefix(name, "$") {
			name = "$" + name
		}
		kv.add(name, keyNode(r.KV[path]))
	}
	m.mapping("kv", kv)
	nodes := newMapping()
	for _, name := range slices.Sorted(maps.Keys(r.Nodes)) {
		nodes.add(name, nodeNode(r.Nodes[name]))
	}
	m.mapping("nodes", nodes)
	services := newMapping()
	for _, name := range slices.Sorted(maps.Keys(r.Services)) {
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, in := range r.Services[name] {
			list.Content = append(list.Content, instanceNode(in))
		}
		services.add(name, list)
	}
	m.mapping("services", services)
}

func keyNode(p *watch.KeyPair) *yaml.Node {
	m := newMapping()
	m.unsigned("$flags", p.Flags)
	m.text("$session", p.Session)
	m.unsigned("$lock_index", p.LockIndex)
	m.unsigned("$create_index", p.CreateIndex)
	m.unsigned("$modify_index", p.ModifyIndex)
	plain := isText(p.Value)
	if plain && m.empty() {
		return textNode(p.Value)
	}
	if plain {
		m.node.Content = slices.Concat([]*yaml.Node{textNode("$value"), textNode(p.Value)}, m.node.Content)
	} else {
		m.node.Content = slices.Concat([]*yaml.Node{textNode("$base64"), textNode(base64.StdEncoding.EncodeToString([]byte(p.Value)))}, m.node.Content)
	}
	return m.node
}

func nodeNode(n *Node) *yaml.Node {
	m := newMapping()
	m.text("id", n.ID)
	m.text("address", n.Address)
	m.texts("meta", n.Meta)
	m.texts("tagged_addresses", n.TaggedAddresses)
	m.health(n.Health)
	if c := n.Coordinate; c != nil {
		vec := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, f := range c.Vec {
			vec.Content = append(vec.Content, plainNode(strconv.FormatFloat(f, 'g', -1, 64)))
		}
		at := newMapping()
		at.add("vec", vec)
		at.float("height", c.Height)
		at.float("adjustment", c.Adjustment)
		m.mapping("coordinate", at)
	}
	rtt := newMapping()
	for _, name := range slices.Sorted(maps.Keys(n.RTT)) {
		rtt.add(name, plainNode(n.RTT[name].String()))
	}
	m.mapping("rtt", rtt)
	return m.node
}

func instanceNode(in *Instance) *yaml.Node {
	m := newMapping()
	m.text("id", in.ID)
	m.text("node", in.Node)
	m.text("address", in.Address)
	m.number("port", in.Port)
	if len(in.Tags) > 0 {
		m.add("tags", listNode(in.Tags))
	}
	m.texts("meta", in.Meta)
	tagged := newMapping()
	for _, name := range slices.Sorted(maps.Keys(in.TaggedAddresses)) {
		a := newMapping()
		a.text("address", in.TaggedAddresses[name].Address)
		a.number("port", in.TaggedAddresses[name].Port)
		tagged.add(name, a.node)
	}
	if in.TaggedAddresses != nil {
		m.add("tagged_addresses", tagged.node)
	}
	if w := in.Weights; w != (watch.Weights{}) && w != (watch.Weights{Passing: 1, Warning: 1}) {
		weights := newMapping()
		weights.add("passing", plainNode(strconv.Itoa(w.Passing)))
		weights.add("warning", plainNode(strconv.Itoa(w.Warning)))
		m.mapping("weights", weights)
	}
	m.text("kind", in.Kind)
	m.text("proxy_for", in.ProxyFor)
	m.flag("connect_native", in.ConnectNative)
	m.flag("enable_tag_override", in.EnableTagOverride)
	m.text("namespace", in.Namespace)
	m.text("partition", in.Partition)
	m.health(in.Health)
	return m.node
}

// A mapping is a YAML mapping under construction. Its methods leave out what is zero.
type mapping struct{ node *yaml.Node }

func newMapping() mapping { return mapping{&yaml.Node{Kind: yaml.MappingNode}} }

func (m mapping) empty() bool { return len(m.node.Content) == 0 }

func (m mapping) add(name string, value *yaml.Node) {
	m.node.Content = append(m.node.Content, textNode(name), value)
}

func (m mapping) mapping(name string, value mapping) {
	if !value.empty() {
		m.add(name, value.node)
	}
}

func (m mapping) text(name, value string) {
	if value != "" {
		m.add(name, textNode(value))
	}
}

func (m mapping) unsigned(name string, value uint64) {
	if value != 0 {
		m.add(name, plainNode(strconv.FormatUint(value, 10)))
	}
}

func (m mapping) number(name string, value int) {
	if value != 0 {
		m.add(name, plainNode(strconv.Itoa(value)))
	}
}

func (m mapping) float(name string, value float64) {
	if value != 0 {
		m.add(name, plainNode(strconv.FormatFloat(value, 'g', -1, 64)))
	}
}

func (m mapping) flag(name string, value bool) {
	if value {
		m.add(name, plainNode("true"))
	}
}

func (m mapping) moment(name string, value time.Time) {
	if !value.IsZero() {
		m.add(name, plainNode(value.Format(time.RFC3339Nano)))
	}
}

// texts writes a mapping, also an empty one: that differs from none.
func (m mapping) texts(name string, values map[string]string) {
	if values == nil {
		return
	}
	inner := newMapping()
	for _, k := range slices.Sorted(maps.Keys(values)) {
		inner.add(k, textNode(values[k]))
	}
	m.add(name, inner.node)
}

func listNode(values []string) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, v := range values {
		if strings.Contains(v, "\n") {
			list.Style = 0
		}
		list.Content = append(list.Content, textNode(v))
	}
	return list
}

func (m mapping) health(h Health) {
	m.text("status", h.Status)
	switch h.Maintenance {
	case defaultReason:
		m.flag("maintenance", true)
	default:
		m.text("maintenance", h.Maintenance)
	}
	if len(h.Checks) == 0 {
		return
	}
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, c := range h.Checks {
		check := newMapping()
		check.fields(checkFields(&c))
		list.Content = append(list.Content, check.node)
	}
	m.add("checks", list)
}

func plainNode(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// textNode is a text, quoted where it would be read as something else.
func textNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	odd := s == "" || s[0] == ' ' || s[0] == '\n' || s == "<<"
	for line := range strings.SplitSeq(s, "\n") {
		// A block of lines can't hold these faithfully, or would hide them from the reader.
		odd = odd || strings.TrimRight(line, " ") != line || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) })
	}
	if odd {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// isText tells whether s can be written as text rather than base64.
func isText(s string) bool { return utf8.ValidString(s) }
