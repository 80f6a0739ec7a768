package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"lictor/internal/config"
)

// newExecCmd runs a program with its environment taken from the registry.
func newExecCmd(s streams, p config.Persona) *cobra.Command {
	use := "exec [options] [--] COMMAND [ARGUMENT...]"
	if p == config.Envconsul {
		use = "envconsul [options] COMMAND [ARGUMENT...]"
	}
	cmd := &cobra.Command{
		Use:   use,
		Short: "Run a program with its environment taken from the registry.",
		Long: `Runs a program with its environment taken from keys and services, and starts it anew when they change. With
-template it also renders files before the program starts.`,
		Args: cobra.ArbitraryArgs,
	}
	flags := bind(cmd, p)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if flags.ShowVersion {
			return printVersion(s.out, p)
		}
		flags.Command = args
		if p == config.Envconsul && len(args) > 0 {
			flags.Command = []string{strings.Join(args, " ")} // one text for the shell, as existing units have it: quoting is lost
		}
		return supervise(context.Background(), p, s, func() (config.Config, []string, error) {
			cfg, warnings, err := config.Load(p, flags, os.Getenv)
			if len(args) > 0 {
				cfg.Exec.Enabled = config.On
			}
			return cfg, warnings, err
		})
	}
	return cmd
}
