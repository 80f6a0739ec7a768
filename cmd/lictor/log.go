package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"log/syslog"
	"os"
	"strings"

	"lictor/internal/config"
	"lictor/internal/runner"
)

// openLog opens the log that the configuration asks for: standard error, and a file and the system log as well.
func (a *assembly) openLog() error {
	var err error
	if a.sinks, err = openSinks(a.streams.err, a.cfg, a.persona.String()); err != nil {
		return err
	}
	a.log = a.sinks.logger()
	// What libraries print by themselves (net/http on a connection that ends oddly) concerns nobody who does not debug.
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(a.log.Handler(), slog.LevelDebug).Writer())
	return nil
}

// Sinks are where the log goes.
type sinks struct {
	err    io.Writer
	others []io.WriteCloser // a file and the system log, where there are any
	format string
	level  slog.Level
}

func openSinks(err io.Writer, cfg config.Config, program string) (*sinks, error) {
	level, invalid := config.ParseLevel(cfg.LogLevel)
	if invalid != nil {
		return nil, invalid
	}
	s := &sinks{err: err, format: cfg.LogFormat, level: level}
	if cfg.LogFile.Path != "" {
		f, err := openLogFile(cfg.LogFile, program)
		if err != nil {
			return nil, err
		}
		s.others = append(s.others, f)
	}
	if cfg.Syslog.Enabled == config.On {
		w, err := dialSyslog(cfg.Syslog)
		if err != nil {
			s.close()
			return nil, err
		}
		s.others = append(s.others, w)
	}
	return s, nil
}

func (s *sinks) close() {
	for _, w := range s.others {
		w.Close()
	}
}

// logger writes records to all sinks.
func (s *sinks) logger() *slog.Logger { return s.with(newHandler(s.err, s.format, s.level)) }

// last is logger for the last lines, which standard error gets as they are where the log is text: that is where a person looks,
// and what scripts know.
func (s *sinks) last() *slog.Logger {
	if s.format == "json" {
		return s.logger()
	}
	return s.with(lineHandler{s.err, s.level})
}

func (s *sinks) with(first slog.Handler) *slog.Logger {
	handlers := fanOut{first}
	for _, w := range s.others {
		handlers = append(handlers, newHandler(w, s.format, s.level))
	}
	if len(handlers) == 1 {
		return slog.New(first)
	}
	return slog.New(handlers)
}

// A lineHandler writes nothing but the messages, each as a line.
type lineHandler struct {
	out   io.Writer
	level slog.Level
}

func (h lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }
func (h lineHandler) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h lineHandler) WithGroup(string) slog.Handler                { return h }
func (h lineHandler) Handle(_ context.Context, r slog.Record) error {
	_, err := fmt.Fprintln(h.out, r.Message)
	return err
}

// commandLog is the log of what commands print. With -once somebody waits for them and wants to see it, unless another level was
// asked for.
func (a *assembly) commandLog() *slog.Logger {
	if !a.cfg.Once || a.cfg.IsSet("log_level") {
		return a.log
	}
	talkative := *a.sinks
	talkative.level = slog.LevelInfo
	return talkative.logger()
}

func newHandler(w io.Writer, format string, level slog.Level) slog.Handler {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.LevelKey && attr.Value.Any().(slog.Level) < slog.LevelDebug {
			attr.Value = slog.StringValue("TRACE")
		}
		return attr
	}}
	if format == "json" {
		return slog.NewJSONHandler(w, o)
	}
	return textHandler{slog.NewTextHandler(w, o)}
}

// A textHandler writes a difference below its record, as a record for each of its lines, as the output of commands is
// written: quoted on one line nobody could read it.
type textHandler struct{ slog.Handler }

func (h textHandler) Handle(ctx context.Context, r slog.Record) error {
	diff := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == runner.DiffKey {
			diff = a.Value.String()
		}
		return diff == ""
	})
	if diff == "" {
		return h.Handler.Handle(ctx, r)
	}
	head := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != runner.DiffKey {
			head.AddAttrs(a)
		}
		return true
	})
	err := h.Handler.Handle(ctx, head)
	for line := range strings.SplitSeq(diff, "\n") {
		of := slog.NewRecord(r.Time, r.Level, "diff", r.PC)
		of.AddAttrs(slog.String("line", line))
		err = errors.Join(err, h.Handler.Handle(ctx, of))
	}
	return err
}

func (h textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return textHandler{h.Handler.WithAttrs(attrs)}
}
func (h textHandler) WithGroup(name string) slog.Handler {
	return textHandler{h.Handler.WithGroup(name)}
}

// A fanOut sends each record to several handlers.
type fanOut []slog.Handler

func (f fanOut) Enabled(ctx context.Context, l slog.Level) bool { return f[0].Enabled(ctx, l) }

func (f fanOut) Handle(ctx context.Context, r slog.Record) error {
	var first error
	for _, h := range f {
		if err := h.Handle(ctx, r.Clone()); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (f fanOut) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := make(fanOut, len(f))
	for i, h := range f {
		out[i] = h.WithAttrs(attrs)
	}
	return out
}

func (f fanOut) WithGroup(name string) slog.Handler {
	out := make(fanOut, len(f))
	for i, h := range f {
		out[i] = h.WithGroup(name)
	}
	return out
}

// facilities are the names of the system log's facilities.
var facilities = map[string]syslog.Priority{
	"KERN": syslog.LOG_KERN, "USER": syslog.LOG_USER, "MAIL": syslog.LOG_MAIL, "DAEMON": syslog.LOG_DAEMON,
	"AUTH": syslog.LOG_AUTH, "SYSLOG": syslog.LOG_SYSLOG, "LPR": syslog.LOG_LPR, "NEWS": syslog.LOG_NEWS,
	"UUCP": syslog.LOG_UUCP, "CRON": syslog.LOG_CRON, "AUTHPRIV": syslog.LOG_AUTHPRIV, "FTP": syslog.LOG_FTP,
	"LOCAL0": syslog.LOG_LOCAL0, "LOCAL1": syslog.LOG_LOCAL1, "LOCAL2": syslog.LOG_LOCAL2, "LOCAL3": syslog.LOG_LOCAL3,
	"LOCAL4": syslog.LOG_LOCAL4, "LOCAL5": syslog.LOG_LOCAL5, "LOCAL6": syslog.LOG_LOCAL6, "LOCAL7": syslog.LOG_LOCAL7,
}

func dialSyslog(c config.Syslog) (io.WriteCloser, error) {
	facility, ok := facilities[strings.ToUpper(c.Facility)]
	if !ok {
		return nil, &exitError{exitConfig, fmt.Errorf("syslog.facility: unknown facility %q: want LOCAL0 to LOCAL7, DAEMON or USER", c.Facility)}
	}
	w, err := syslog.New(facility|syslog.LOG_NOTICE, c.Name)
	if err != nil {
		return nil, fmt.Errorf("syslog: %w: is a syslog daemon running here?", err)
	}
	return w, nil
}

// openLogFile opens a log file that is replaced by a new one as the configuration says.
func openLogFile(c config.LogFile, program string) (*logFile, error) {
	f := newLogFile(c, program)
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	return f, nil
}

// newLogFile is a log file that is not open yet. In a folder it has the name of the program.
func newLogFile(c config.LogFile, program string) *logFile {
	path := c.Path
	if info, err := os.Stat(path); strings.HasSuffix(path, "/") || err == nil && info.IsDir() {
		path = strings.TrimSuffix(path, "/") + "/" + program + ".log"
	}
	return &logFile{path: path, limits: c, dated: program != config.Lictor.String()}
}
