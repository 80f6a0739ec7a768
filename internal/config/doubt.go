package config

import (
	"fmt"
	"strconv"

	"lictor/internal/realpath"
)

// doubtGroups warns where several templates name a group, and nothing else that is about who may read their files. Then it
// may be that they are meant to be committed together, and a group of that name happens to exist on the machine.
func (d *decoder) doubtGroups(c Config) {
	named := map[Owner][]Template{}
	meant := map[Owner]bool{}
	for _, t := range c.Templates {
		if _, err := strconv.Atoi(string(t.Group)); t.Group == "" || err == nil {
			continue
		}
		named[t.Group] = append(named[t.Group], t)
		if t.User != "" || t.UID != "" || t.Perms != 0 || t.CommitGroup != "" {
			meant[t.Group] = true
		}
	}
	for _, t := range c.Templates {
		if same := named[t.Group]; len(same) > 1 && !meant[t.Group] {
			meant[t.Group] = true
			d.warn(same[1].Pos, "template: group = %q is the group of the file, as it is in %v; to commit the templates together, write commit_group, and where the file's group is meant, gid",
				string(t.Group), same[0].Pos)
		}
	}
}

// doubtChecks warns where a template limits a check that it does not have.
func (d *decoder) doubtChecks(c Config) {
	for _, t := range c.Templates {
		if t.Check.IsZero() && t.CheckTimeout != defaultTemplate().CheckTimeout {
			d.warn(t.Pos, "template: check_timeout has no effect without check")
		}
	}
}

// doubtDestinations warns where a template overwrites what we read: that is meant where the result is read by the next run, or
// after a SIGHUP, and else a mistake that destroys somebody's work.
func (d *decoder) doubtDestinations(c Config) {
	read := map[string]string{}
	for _, t := range c.Templates {
		if t.readsFile() {
			read[realpath.Of(t.Source)] = fmt.Sprintf("the source of another template (%v)", t.Pos)
		}
	}
	for _, path := range c.Data {
		read[realpath.Of(path)] = "a data file"
	}
	for _, path := range c.files {
		read[realpath.Of(path)] = "a configuration file of ours"
	}
	for _, t := range c.Templates {
		if t.Destination == "" {
			continue
		}
		path := realpath.Of(t.Destination)
		if what, ok := read[path]; ok && !(t.readsFile() && realpath.Of(t.Source) == path) { // which is an error
			d.warn(t.Pos, "template: destination %s is %s, which is overwritten", t.Destination, what)
		}
	}
}
