package spell

import (
	"fmt"
	"slices"
	"strings"
)

// Builtins are the functions that text/template brings along.
var Builtins = []string{
	"and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "call",
	"eq", "ne", "lt", "le", "gt", "ge", "break", "continue",
}

// prefix is what stands before the names of sprig's functions.
const prefix = "sprig_"

const (
	prefixReaders = "ls and tree have taken its place"
	toldTime      = "timestamp tells the time of the rendering"
	neverTheSame  = "what is random would make another file with each rendering"
	readsVariable = "env reads a variable of the environment"
)

// replaced has the functions of earlier consul-templates, of sprig and of programs with templates of the same kind whose
// counterpart has quite another name, or which have none.
var replaced = map[string]string{
	"keyPrefix": prefixReaders, "storeKeyPrefix": prefixReaders,
	"vault": "secret has taken its place, and Vault is not supported",
	"now":   toldTime, "date": toldTime, "htmlDate": toldTime, "dateInZone": toldTime, "date_in_zone": toldTime,
	"htmlDateInZone": toldTime, "dateModify": toldTime, "date_modify": toldTime,
	"randAlphaNum": neverTheSame, "randAlpha": neverTheSame, "randAscii": neverTheSame, "randNumeric": neverTheSame,
	"randBytes": neverTheSame, "uuidv4": neverTheSame,
	"getenv": readsVariable, "expandenv": readsVariable,
	"fromYaml": "parseYAML reads YAML", "include": "executeTemplate gives what a defined template prints",
	"getHostByName": "no function asks the DNS: a file would not follow its answers",
}

// Function says what an unknown function of a template was meant to be, in words for the end of an error: the one that took
// its place, or the nearest of known and [Builtins], with sprig's prefix where it was left out. It is "" where nothing is near.
func Function(unknown string, known []string) string {
	short := strings.TrimPrefix(unknown, prefix)
	if why, ok := replaced[short]; ok {
		return why
	}
	var own, sprig []string
	for _, name := range slices.Sorted(slices.Values(known)) {
		if strings.HasPrefix(name, prefix) {
			sprig = append(sprig, name)
		} else {
			own = append(own, name)
		}
	}
	own = append(own, Builtins...)
	if slices.Contains(own, short) {
		return meant(short)
	}
	if short != unknown {
		return meant(Closest(unknown, sprig))
	}
	full := map[string]string{}
	names := own
	for _, name := range sprig {
		bare := strings.TrimPrefix(name, prefix)
		if !slices.Contains(own, bare) {
			full[bare] = name
			names = append(names, bare)
		}
	}
	near := Closest(unknown, append(names, sprig...))
	if name, ok := full[near]; ok {
		near = name
	}
	return meant(near)
}

// Method says what to write in place of a method that no value has but earlier consul-templates knew, "" for others.
func Method(name string) string {
	if name == "Contains" {
		return `write .Tags | contains "NAME"`
	}
	return ""
}

func meant(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", name)
}
