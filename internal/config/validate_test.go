package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "real"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("not-there", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".", filepath.Join(dir, "here")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, src, want string }{
		{"good", "template {\n source = \"a\"\n destination = \"b\"\n}", ""},
		{"both", "\ntemplate {\n source = \"a\"\n contents = \"x\"\n destination = \"b\"\n}", `a.hcl:2: template: cannot specify both 'source' and 'contents'`},
		{"neither", "template {\n destination = \"b\"\n}", `a.hcl:1: template: must specify exactly one of 'source' or 'contents'`},
		{"no destination", "template {\n source = \"a\"\n}", `a.hcl:1: template: a: missing destination`},
		{"folder", "template {\n source = \"a\"\n destination = \"DIR\"\n}", `is a directory: name the file in it`},
		{"slash", "template {\n source = \"a\"\n destination = \"nowhere/\"\n}", `destination nowhere/ is a directory`},
		{"same file twice", "template {\n source = \"a\"\n destination = \"x/../b\"\n}\ntemplate {\n contents = \"a\"\n destination = \"b\"\n}",
			`a.hcl:5: template: destination b is already written by a (DIR/a.hcl:1)`},
		{"same file by a link", "template {\n source = \"a\"\n destination = \"DIR/link\"\n}\ntemplate {\n source = \"a2\"\n destination = \"DIR/real\"\n}",
			`is already written by a (DIR/a.hcl:1)`},
		{"same file in a new folder", "template {\n source = \"a\"\n destination = \"DIR/new/x\"\n}\ntemplate {\n source = \"a2\"\n destination = \"DIR/new/../new/x\"\n}",
			`is already written by a (DIR/a.hcl:1)`},
		{"same file by a link to nothing", "template {\n source = \"a\"\n destination = \"DIR/dangling\"\n}\ntemplate {\n source = \"a2\"\n destination = \"DIR/not-there\"\n}",
			`is already written by a (DIR/a.hcl:1)`},
		{"same file in new folders below a link", "template {\n source = \"a\"\n destination = \"DIR/here/new/x\"\n}\ntemplate {\n source = \"a2\"\n destination = \"DIR/new/x\"\n}",
			`is already written by a (DIR/a.hcl:1)`},
		{"what another one refuses", "template {\n source = \"a\"\n destination = \"DIR/b.rejected\"\n}\ntemplate {\n source = \"a2\"\n destination = \"DIR/b\"\n check = \"true\"\n}",
			`a.hcl:1: template: destination DIR/b.rejected is where content for DIR/b is kept that is refused (DIR/a.hcl:5): name another one`},
		{"what another one of a group refuses", "template {\n source = \"a\"\n destination = \"b\"\n commit_group = \"g\"\n}\ntemplate {\n source = \"a2\"\n destination = \"c\"\n commit_group = \"g\"\n check = \"true\"\n}\ntemplate {\n source = \"a3\"\n destination = \"b.rejected\"\n}",
			`a.hcl:12: template: destination b.rejected is where content for b is kept that is refused (DIR/a.hcl:1)`},
		{"what another one backs up", "template {\n source = \"a\"\n destination = \"DIR/link\"\n backup = true\n}\ntemplate {\n source = \"a2\"\n destination = \"DIR/real.bak\"\n}",
			`a.hcl:6: template: destination DIR/real.bak is where backup keeps the previous file of DIR/link (DIR/a.hcl:1): name another one`},
		{"names beside one that is not backed up", "template {\n source = \"a\"\n destination = \"b\"\n}\ntemplate {\n source = \"a2\"\n destination = \"b.bak\"\n}\ntemplate {\n source = \"a3\"\n destination = \"b.rejected\"\n}", ""},
		{"own source", "template {\n source = \"DIR/link\"\n destination = \"DIR/real\"\n}", `a.hcl:1: template: destination DIR/real is its own source: name another one`},
		{"standard input and a file of its name", "template {\n source = \"-\"\n destination = \"-\"\n}", ""},
		{"template wait", "template {\n source = \"a\"\n destination = \"b\"\n wait {\n min = \"3s\"\n max = \"1s\"\n }\n}", `a.hcl:1: template: a: wait: min 3s is more than max 1s`},
		{"delimiters", "template {\n source = \"a\"\n destination = \"b\"\n left_delimiter = \"%\"\n right_delimiter = \"%\"\n}", `left and right delimiter are both "%"`},
		{"log_diff", "template {\n source = \"a\"\n destination = \"b\"\n log_diff = \"yes\"\n}", `a.hcl:1: template: a: log_diff: unknown value "yes": want auto, always or never`},
		{"no log_diff", "template {\n source = \"a\"\n destination = \"b\"\n log_diff = \"never\"\n}", ""},
		{"no check", "template {\n source = \"a\"\n destination = \"b\"\n check = \"true\"\n check_timeout = \"0s\"\n}", `a.hcl:1: template: a: check_timeout: 0s is no limit`},
		{"group with a slash", "template {\n source = \"a\"\n destination = \"b\"\n commit_group = \"x/y\"\n}", `a.hcl:1: template: a: commit_group: bad name "x/y": want one without "/"`},
		{"group with a line end", "template {\n source = \"a\"\n destination = \"b\"\n commit_group = \"x\\ny\"\n}", `commit_group: bad name "x\ny"`},
		{"group like a template", "template {\n source = \"a\"\n destination = \"b\"\n commit_group = \"a => b\"\n}", `commit_group: bad name "a => b"`},
		{"group", "template {\n source = \"a\"\n destination = \"b\"\n commit_group = \"web.conf 2é\"\n}", ""},
		{"idle rollback", "\ntemplate {\n source = \"a\"\n destination = \"b\"\n rollback = true\n}\ntemplate {\n source = \"a2\"\n destination = \"b2\"\n command = \"true\"\n}",
			`a.hcl:2: template: a: rollback: there is no command`},
		{"rollback", "template {\n source = \"a\"\n destination = \"b\"\n rollback = true\n command = \"true\"\n}", ""},
		{"rollback of a command that is off", "template {\n source = \"a\"\n destination = \"b\"\n rollback = true\n exec {\n command = \"true\"\n enabled = false\n }\n}", `rollback: there is no command`},
		{"rollback in a group", "template {\n source = \"a\"\n destination = \"b\"\n rollback = true\n commit_group = \"g\"\n}\ntemplate {\n source = \"a2\"\n destination = \"b2\"\n commit_group = \"g\"\n command = \"true\"\n}", ""},
		{"custom", "template {\n source = \"a\"\n destination = \"b\"\n exec {\n env {\n custom = [\"sesame\"]\n }\n }\n}", `a.hcl:1: template.exec.env.custom: entry 1 is not NAME=VALUE`},
		{"guard", "guard {\n services = [\"web\"]\n queries = [\"nodes()\", \"prefix(app/*)\", \"service(*\", \"connect(w*)\"]\n max_shrink = \"50%\"\n}", ""},
		{"guard of nothing", "\nguard {\n services = [\"web\"]\n}", `a.hcl:2: guard: it guards nothing`},
		{"guard that lets all go", "guard {\n max_shrink = \"100%\"\n hold = \"5m\"\n}", `a.hcl:1: guard: max_shrink: where 100% may go, nothing is ever held back`},
		{"guard that lets all go but two", "guard {\n max_shrink = \"100%\"\n min_instances = 2\n}", ""},
		{"guard of a bad name", "guard {\n services = [\"w[\"]\n min_instances = 1\n}", `a.hcl:1: guard: services: bad pattern "w["`},
		{"guard of no name", "guard {\n services = [\"\"]\n min_instances = 1\n}", `a.hcl:1: guard: services: bad pattern ""`},
		{"guard of a function", "guard {\n queries = [\"ls(app/)\"]\n max_shrink = \"1%\"\n}", `a.hcl:1: guard: queries: bad pattern "ls(app/)": want a list as the log shows it, KIND(...), such as prefix(app/*) or nodes(*); the kinds are service, connect,`},
		{"guard of a misspelt kind", "guard {\n queries = [\"sevice(web)\"]\n max_shrink = \"1%\"\n}", `a.hcl:1: guard: queries: bad pattern "sevice(web)": there is no list "sevice": did you mean "service"?`},
		{"guard of a kind", "guard {\n queries = [\"nodes\"]\n max_shrink = \"1%\"\n}", `bad pattern "nodes"`},
		{"guard of half a query", "guard {\n queries = [\"service(web\"]\n max_shrink = \"1%\"\n}", `bad pattern "service(web"`},
		{"guard of a key", "guard {\n queries = [\"key(app/x)\"]\n max_shrink = \"1%\"\n}", `bad pattern "key(app/x)"`},
		{"guard of keys by instances", "guard {\n queries = [\"prefix(app/)\", \"connect(w)\"]\n min_instances = 2\n}", `a.hcl:1: guard: queries: prefix(app/) is no list of instances, of which min_instances is the least number: want max_shrink, less than 100%`},
		{"guard of keys by both", "guard {\n queries = [\"prefix(app/)\"]\n min_instances = 2\n max_shrink = \"50%\"\n}", ""},
		{"guard of instances", "guard {\n queries = [\"service(w)\", \"catalog-service(w)\"]\n min_instances = 2\n}", ""},
		{"service", "service {\n}", `a.hcl:1: service: no query`},
		{"vault", "secret {\n path = \"secret/x\"\n}", `a.hcl:1: secret "secret/x": Vault is not supported`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, "a.hcl")
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(c.src, "DIR", dir)), 0o644); err != nil {
				t.Fatal(err)
			}
			err := mustLoad(t, Lictor, nil, nil, "-config", path).Validate()
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantError(t, err, strings.ReplaceAll(c.want, "DIR", dir))
			if strings.Contains(err.Error(), "sesame") {
				t.Error("the error shows a value")
			}
		})
	}
}

func TestValidateFindsAll(t *testing.T) {
	c, _, err := hcl(t, "template {\n}\ntemplate {\n source = \"a\"\n contents = \"b\"\n}\nservice {\n}")
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, c.Validate(), "a.hcl:1: template: must", "a.hcl:1: template: contents: missing destination", "a.hcl:3: template: cannot", "a.hcl:7: service")
}

// -dry prints, and needs no destination.
func TestDryNeedsNoDestination(t *testing.T) {
	for _, flag := range []string{"-dry", "-parse-only"} {
		if err := mustLoad(t, Lictor, nil, nil, flag, "-template", "a").Validate(); err != nil {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
