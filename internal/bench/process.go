package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process is a running binary that is watched through the kernel's eyes.
type process struct {
	cmd     *exec.Cmd
	began   time.Time
	out     string // the file that it renders
	log     string // the file that it logs to
	before  int64  // what was in there
	sampler sync.WaitGroup
	stop    context.CancelFunc

	mu   sync.Mutex
	peak int // connections to the agent
	port string
}

// start runs the binary with one template, text, and samples its connections to the agent at addr.
func start(ctx context.Context, o options, dir, addr, text string, args ...string) (*process, error) {
	in, out := filepath.Join(dir, "in.ctmpl"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte(text), 0o644); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(out); err != nil {
		return nil, err
	}
	args = append([]string{"-consul-addr", addr, "-template", in + ":" + out}, args...)
	p := &process{cmd: exec.Command(o.bin, args...), out: out, log: cmp.Or(o.log, filepath.Join(dir, "log")), port: addr[strings.LastIndexByte(addr, ':')+1:]}
	f, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if p.before, err = f.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	sctx, cancel := context.WithCancel(ctx)
	p.stop = cancel
	p.sampler.Go(func() {
		for sctx.Err() == nil {
			n := connections(p.cmd.Process.Pid, p.port)
			p.mu.Lock()
			p.peak = max(p.peak, n)
			p.mu.Unlock()
			pause(sctx, 25*time.Millisecond)
		}
	})
	return p, nil
}

// tooMany is how lictor and its peers log that Consul answered 429. lictor says it once in ten minutes.
var tooMany = regexp.MustCompile(`\(429\)|code: 429`)

// end ends the process, and says how many connections it had at most, how much memory, and whether it was turned away.
func (p *process) end() []figure {
	now, most := p.memory()
	p.stop()
	p.sampler.Wait()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	figures := []figure{
		{name: "connections", values: []float64{float64(p.peak)}, worst: true},
		{name: "lines of its log on 429", values: []float64{float64(len(tooMany.FindAll(p.logged(), -1)))}, worst: true},
	}
	if most > 0 { // it has not ended by itself
		figures = append(figures, figure{name: "RSS", values: []float64{now}, unit: "MB"}, figure{name: "RSS at its peak", values: []float64{most}, unit: "MB"})
	}
	return figures
}

// executed is how lictor logs the passes of a template until it had all its data.
var executed = regexp.MustCompile(`template executed.*passes=(\d+)`)

// passes is how many passes a template had at most, as far as the log tells.
func (p *process) passes() (most int) {
	for _, found := range executed.FindAllSubmatch(p.logged(), -1) {
		n, _ := strconv.Atoi(string(found[1]))
		most = max(most, n)
	}
	return most
}

// connections counts the sockets of a process that lead to a port, from the kernel's table.
func connections(pid int, port string) int {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0
	}
	remote := fmt.Sprintf(":%04X", n)
	inodes := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && strings.HasSuffix(f[2], remote) {
			inodes["socket:["+f[9]+"]"] = true
		}
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0
	}
	count := 0
	for _, fd := range fds {
		if target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name())); err == nil && inodes[target] {
			count++
		}
	}
	return count
}

// memory is the process's resident memory, now and at its peak, in MB; 0 when it has ended.
func (p *process) memory() (now, most float64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 3 {
			values[f[0]], _ = strconv.ParseFloat(f[1], 64)
		}
	}
	return values["VmRSS:"] / 1024, values["VmHWM:"] / 1024
}

// cpu is how much processor time a process has used.
func cpu(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // the kernel counts in hundredths
}

// until waits until the rendered file passes the test f, and says how long that took from begin.
func (p *process) until(ctx context.Context, begin time.Time, f func(content []byte) bool) (time.Duration, error) {
	return p.untilIn(ctx, p.out, begin, f)
}

// untilIn is until for another file that the process renders.
func (p *process) untilIn(ctx context.Context, out string, begin time.Time, f func(content []byte) bool) (time.Duration, error) {
	var last os.FileInfo
	for {
		info, err := os.Stat(out)
		if err == nil && (last == nil || !os.SameFile(last, info) || last.ModTime() != info.ModTime()) {
			content, err := os.ReadFile(out)
			if err == nil && f(content) {
				return time.Since(begin), nil
			}
			last = info
		}
		if time.Since(begin) > time.Minute {
			return 0, fmt.Errorf("not in the file within a minute; last log: %s", p.tail())
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// logged is what the process has logged until now.
func (p *process) logged() []byte {
	text, err := os.ReadFile(p.log)
	if err != nil || int64(len(text)) < p.before {
		return nil
	}
	return text[p.before:]
}

func (p *process) tail() string {
	text := bytes.TrimSpace(p.logged())
	return string(text[max(0, len(text)-500):])
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
