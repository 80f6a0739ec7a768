package file

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// maintenance is the reason for a maintenance; true stands for the default one.
type maintenance struct{ reason *string }

// defaultReason is what Consul notes for a maintenance without a reason.
const defaultReason = "Maintenance mode is enabled, but no reason was provided. This is a default message."

func (m maintenance) read(d *decoder, what string, n *yaml.Node) {
	anyText.read(d, m.reason, what, n)
	switch *m.reason {
	case "true":
		*m.reason = defaultReason
	case "false":
		*m.reason = ""
	}
}

func (m maintenance) absent() bool { return *m.reason == "" }

func (m maintenance) node() *yaml.Node {
	if *m.reason == defaultReason {
		return plainNode("true")
	}
	return textNode(*m.reason)
}

// checkList is the checks of a node or an instance, which problems call what. It replaces that of an earlier file.
type checkList struct {
	at   *[]Check
	what string
}

func (l checkList) read(d *decoder, what string, n *yaml.Node) {
	*l.at = []Check{}
	d.list(n, what, func(i int, n *yaml.Node) {
		var c Check
		checkFields(&c).read(d, fmt.Sprintf("check %d of %s", i+1, l.what), n)
		def := &c.Definition
		def.SetDurations(def.IntervalDuration, def.TimeoutDuration, def.DeregisterCriticalServiceAfterDuration)
		*l.at = append(*l.at, c)
	})
}

func (l checkList) absent() bool { return len(*l.at) == 0 }

func (l checkList) node() *yaml.Node {
	return listNode(*l.at, func(c Check) *yaml.Node { return checkFields(&c).node() })
}

// checkName is the name of a check, which may be empty and then is not made up.
type checkName struct{ *Check }

func (c checkName) read(d *decoder, what string, n *yaml.Node) {
	anyText.read(d, &c.Name, what, n)
	c.Nameless = c.Name == "" && !isNull(n)
}

func (c checkName) absent() bool     { return c.Name == "" && !c.Nameless }
func (c checkName) node() *yaml.Node { return textNode(c.Name) }

// headers are the headers that an HTTP check sends.
func headers(at *map[string][]string) mapOf[[]string] {
	return mapOf[[]string]{at, entryTitle, false, func(_ string, values *[]string) codec { return textList(values) }}
}
