package funcs

import "errors"

// absentFunctions are those that templates written for Vault or Nomad use: they exist, and say why they can't work.
func absentFunctions() []function {
	var list []function
	for _, f := range absent {
		list = append(list, function{
			Doc{Name: f.name, Signature: f.signature, Summary: "An error: " + f.system + " is not supported."},
			is(func(...any) (any, error) { return nil, errUnsupported(f.system) }),
		})
	}
	return list
}

func errUnsupported(system string) error {
	return errors.New(system + " is not supported: only Consul, data files and local files are")
}

var absent = []struct{ system, name, signature string }{
	{"Vault", "secret", `secret "PATH" ["NAME=VALUE" ...]`},
	{"Vault", "secrets", `secrets "PATH"`},
	{"Vault", "pkiCert", `pkiCert "PATH" ["NAME=VALUE" ...]`},
	{"Nomad", "nomadServices", `nomadServices ["@REGION"]`},
	{"Nomad", "nomadService", `nomadService [COUNT KEY] "[TAG.]NAME[@REGION]"`},
	{"Nomad", "nomadVar", `nomadVar "PATH"`},
	{"Nomad", "nomadVarExists", `nomadVarExists "PATH"`},
	{"Nomad", "nomadVarList", `nomadVarList ["PREFIX"]`},
	{"Nomad", "nomadVarListSafe", `nomadVarListSafe ["PREFIX"]`},
}
