package funcs

import (
	"slices"
	"strings"
)

// A Doc documents one function.
type Doc struct {
	Name, Group string
	// Signature is how the function is called: NAME ARGUMENT ..., optional ones in square brackets.
	Signature string
	// Summary is one sentence, or a few, on what it gives, in which order, and what it waits for.
	Summary string
	// Example is a template that uses it and Output what that gives on the data in testdata, at 03:04:05 on 2 January 2026;
	// both are "" for the functions of a library. A test runs every example.
	Example, Output string
	// Link leads to more, for the functions that come from a library; "" for our own.
	Link string
}

// A function is an entry of the catalogue: its documentation, and bind to make the Go function that templates call.
type function struct {
	Doc
	bind func(binding) any
}

// is makes the bind of a function that needs nothing from its surroundings.
func is(f any) func(binding) any { return func(binding) any { return f } }

// The groups, in the order in which they are documented.
const (
	groupKV       = "Key-value store"
	groupServices = "Services and nodes"
	groupMesh     = "Mesh, partitions and peers"
	groupLocal    = "Files, environment and programs"
	groupText     = "Text"
	groupLists    = "Lists and maps"
	groupConvert  = "Parse and convert"
	groupMath     = "Numbers"
	groupEncode   = "Hashes and base64"
	groupTemplate = "Template, scratch and debugging"
	groupAbsent   = "Vault and Nomad (not available)"
	groupSprig    = "Sprig"
)

// catalogue lists every function, group by group.
func catalogue() []function {
	return slices.Concat(
		inGroup(groupKV, keyFunctions()),
		inGroup(groupServices, serviceFunctions(), nodeFunctions()),
		inGroup(groupMesh, meshFunctions()),
		inGroup(groupLocal, localFunctions(), effectFunctions()),
		inGroup(groupText, textFunctions(), printFunctions()),
		inGroup(groupLists, listFunctions(), mapFunctions()),
		inGroup(groupConvert, parseFunctions(), formatFunctions()),
		inGroup(groupMath, mathFunctions()),
		inGroup(groupEncode, hashFunctions()),
		inGroup(groupTemplate, templateFunctions()),
		inGroup(groupAbsent, absentFunctions()),
		inGroup(groupSprig, sprigFunctions()),
	)
}

func inGroup(group string, lists ...[]function) []function {
	all := slices.Concat(lists...)
	for i := range all {
		all[i].Group = group
	}
	return all
}

// Docs documents every function, group by group, in the order in which a reader wants them.
func Docs() []Doc {
	var docs []Doc
	for _, f := range catalogue() {
		docs = append(docs, f.Doc)
	}
	return docs
}

// Names lists every function, sorted.
func Names() []string {
	var names []string
	for _, f := range catalogue() {
		names = append(names, f.Name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
