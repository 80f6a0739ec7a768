package main

import (
	"fmt"
	"io"
	"os"

	"lictor/internal/config"
	"lictor/internal/environ"
	"lictor/internal/runner"
)

// addEnviron adds the job whose output is an environment, made on top of base. stage takes each new one.
func (a *assembly) addEnviron(base []string, stage func(encoded []byte) (runner.Staged, error)) error {
	env := a.cfg.Exec.Env
	spec := environ.Spec{
		Base: base, Pristine: a.cfg.Pristine, Sanitize: a.cfg.Sanitize, Upcase: a.cfg.Upcase,
		Sources: a.sourceNames(), AllowNames: a.cfg.Exec.AllowEnv, AllowAll: isPeer(a.persona),
		Exec: environ.ExecEnv{Pristine: env.Pristine, Custom: env.Custom, Allow: env.Allow, Deny: env.Deny},
	}
	for _, p := range a.cfg.Prefixes {
		spec.Prefixes = append(spec.Prefixes, environ.Prefix{
			Path: p.Path, Datacenter: p.Datacenter, Format: p.Format, KeepPath: p.NoPrefix == config.Off, At: p.Pos.String(),
		})
	}
	for _, s := range a.cfg.Services {
		if s.Query == "" {
			continue // which Validate reports
		}
		spec.Services = append(spec.Services, environ.Service{
			Query: s.Query, FormatID: s.FormatID, FormatName: s.FormatName, FormatAddress: s.FormatAddress,
			FormatTag: s.FormatTag, FormatPort: s.FormatPort, At: s.Pos.String(),
		})
	}
	builder, err := environ.New(spec, os.LookupEnv, a.log)
	if err != nil {
		return err
	}
	wait := runner.Wait{}
	if a.cfg.Wait.Enabled == config.On {
		wait = runner.Wait{Min: a.cfg.Wait.Min, Max: a.cfg.Wait.Max}
	}
	a.environment = &runner.Job{Name: "environment", Execute: builder.Execute, Stage: stage, Environ: true, Fatal: true}
	a.runner.Groups = append(a.runner.Groups, &runner.Group{Name: "environment", Wait: wait, Jobs: []*runner.Job{a.environment}})
	return nil
}

// addChildEnviron adds the job whose output is the child's environment.
func (a *assembly) addChildEnviron() error {
	sink := &environ.Sink{}
	a.runner.Environ = sink.Environ
	return a.addEnviron(os.Environ(), func(encoded []byte) (runner.Staged, error) {
		if staged := sink.Stage(encoded); staged != nil {
			return staged, nil
		}
		return nil, nil // a nil *Staged must become a nil interface
	})
}

// previewEnviron adds a job that prints, in place of starting a program, what we would add to its environment.
func (a *assembly) previewEnviron() error {
	return a.addEnviron(nil, func(encoded []byte) (runner.Staged, error) {
		listing := environ.Listing(environ.Decode(encoded), a.cfg.ShowValues)
		return &printed{a.streams.out, fmt.Appendf(nil, "> environment\n%s", listing)}, nil
	})
}

// A printed output is one that is printed when it is committed.
type printed struct {
	out  io.Writer
	text []byte
}

func (p *printed) Path() string { return "" }
func (p *printed) Discard()     {}
func (p *printed) Commit() error {
	_, err := p.out.Write(p.text)
	return err
}
