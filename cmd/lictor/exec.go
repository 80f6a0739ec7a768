package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"lictor/internal/command"
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
		return supervise(context.Background(), p, s, func() (config.Config, []string, error) {
			cfg, warnings, err := config.Load(p, flags, os.Getenv)
			if len(args) > 0 && !strings.HasPrefix(cfg.At("exec.command").File, "flag ") {
				cfg.Exec.Command, cfg.Exec.Enabled = program(p, args), config.On
			}
			return cfg, warnings, err
		})
	}
	return cmd
}

// program is what trailing arguments mean as a command; they win over a file's, and -exec over them. Ours are run as they
// stand. envconsul gives them to the shell as one text, which existing units rely on.
func program(p config.Persona, args []string) config.Command {
	if p == config.Envconsul {
		return config.CommandOf(command.Join(args))
	}
	return config.Command{Args: args}
}
