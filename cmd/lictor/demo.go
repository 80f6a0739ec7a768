package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"lictor/examples"
	"lictor/internal/config"
)

// newDemoCmd renders an example that is built in, so that one sees what lictor does without a registry or a clone.
func newDemoCmd(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "demo [haproxy|nginx]",
		Short: "Render an example from its built-in data file.",
		Long: `Prints what the built-in example (haproxy unless named otherwise) renders from its data file, as -once -dry does.
Nothing is written and no registry is asked.`,
		ValidArgs: []string{"haproxy", "nginx"},
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs)(cmd, args); err != nil {
				return &exitError{exitFlags, err}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			name := "haproxy"
			if len(args) > 0 {
				name = args[0]
			}
			return demo(s, name)
		},
	}
}

// demo unpacks an example into a temporary folder and renders it there as any other.
func demo(s streams, name string) error {
	dir, err := os.MkdirTemp("", "lictor-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, file := range []string{"data.yaml", name + ".ctmpl"} {
		content, err := fs.ReadFile(examples.Files, name+"/"+file)
		if err != nil {
			return fmt.Errorf("the example is not built in: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			return err
		}
	}
	return supervise(context.Background(), config.Lictor, s, func() (config.Config, []string, error) {
		cfg := config.Default("lictor")
		cfg.Once, cfg.Dry, cfg.LogLevel = true, true, "warn"
		cfg.Data = []string{filepath.Join(dir, "data.yaml")}
		cfg.Templates = []config.Template{{
			Source: filepath.Join(dir, name+".ctmpl"), Destination: name + ".cfg", ErrorFatal: config.On,
		}}
		return cfg, nil, nil
	})
}
