package config

import "strconv"

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
