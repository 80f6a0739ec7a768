package funcs

import (
	"fmt"
	"strings"
)

// Markdown is the documentation of all functions as a page, docs/functions.md.
func Markdown() string {
	var page strings.Builder
	page.WriteString(markdownHead)
	group := ""
	for _, d := range Docs() {
		if d.Group != group {
			group = d.Group
			fmt.Fprintf(&page, "\n## %s\n", group)
			if group == groupSprig {
				page.WriteString("\n" + sprigHead + "\n| Function | |\n|---|---|\n")
			}
		}
		if d.Link != "" {
			fmt.Fprintf(&page, "| [`%s`](%s) | %s |\n", strings.ReplaceAll(d.Signature, "|", "\\|"), d.Link, strings.ReplaceAll(d.Summary, "|", "\\|"))
			continue
		}
		fmt.Fprintf(&page, "\n### %s\n\n    %s\n\n%s\n", d.Name, d.Signature, d.Summary)
		if d.Example != "" {
			fmt.Fprintf(&page, "\n```\n%s\n```\ngives\n```\n%s\n```\n", d.Example, strings.TrimSuffix(d.Output, "\n"))
		}
	}
	return page.String()
}

const markdownHead = `# Template functions

<!-- Made by "go test ./funcs -update" from the catalogue in funcs/; edit there. -->

Templates are Go's [text/template](https://pkg.go.dev/text/template) with the functions below, besides its own:
` + "`and or not eq ne lt le gt ge len index slice html js urlquery call`" + `.
The last argument may come from a pipeline: ` + "`{{ key \"app/port\" | parseInt }}`" + `. Arguments in square brackets may be left out.
The examples run on [this data](../funcs/testdata/data.yaml). ` + "`lictor functions`" + ` lists them all, and ` + "`lictor functions NAME`" + `
tells about one.

A text that names data in the registry has these parts, in this order; all but the name may be left out:

| Part | Means |
|---|---|
| ` + "`TAG.NAME`" + ` | the name, for services with a tag before it |
| ` + "`?source=X&ns=N&partition=P&peer=C&sameness-group=S`" + ` | OPTIONS: the source that is asked, ` + "`consul` or `data`" + `; a Consul namespace, partition, peer or sameness group |
| ` + "`@DATACENTER`" + ` | another datacenter than the agent's own |
| ` + "`~NEAR`" + ` | order by distance from this node; ` + "`_agent`" + ` is the agent's own |
| ` + "`\\|STATUSES`" + ` | any, passing, warning, critical, maintenance, joined by commas |

While an answer is still missing, a function gives an empty value and the template is run again later; nothing is written
and no error counts until all data is there. Registry functions give their lists in a stable order, told below.
`

const sprigHead = `The [sprig](https://masterminds.github.io/sprig/) library, under ` + "`sprig_`" + `, without its functions that read the clock, the
environment or the network. ` + "`sprig_keys`" + ` and ` + "`sprig_values`" + ` are sorted here, and functions that make long lists or texts
have a limit.
`
