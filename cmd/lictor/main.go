// Command lictor renders templates from a service registry, reloads what reads the files, and runs programs with their
// environment taken from the registry. Called as consul-template or envconsul it behaves as that tool.
package main

import "os"

func main() {
	s := streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	if os.Getpid() == 1 {
		os.Exit(asPID1(s))
	}
	os.Exit(run(os.Args[0], os.Args[1:], s))
}
