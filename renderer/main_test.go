package renderer

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the tests start this program again, as another user or to be killed: see helper.
func TestMain(m *testing.M) {
	if task := os.Getenv("RENDERER_TEST_TASK"); task != "" {
		if err := runTask(task, os.Getenv("RENDERER_TEST_INPUT")); err != nil {
			fmt.Fprint(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// helper is this program, about to do a task of runTask.
func helper(t *testing.T, task string, input any) *exec.Cmd {
	t.Helper()
	in, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "RENDERER_TEST_TASK="+task, "RENDERER_TEST_INPUT="+string(in))
	return cmd
}

// asNobody does a task as a user without rights and gives what it printed.
func asNobody(t *testing.T, task string, input any) string {
	t.Helper()
	needRoot(t)
	cmd := helper(t, task, input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, _ := cmd.CombinedOutput()
	return string(out)
}

type renderTask struct {
	File     File
	Content  string
	ShowMode bool
	Reject   bool // instead of committing it
}

func runTask(task, input string) error {
	switch task {
	case "crash":
		return runCrash(input)
	case "check":
		var f File
		if err := json.Unmarshal([]byte(input), &f); err != nil {
			return err
		}
		return f.Check()
	case "render":
		var r renderTask
		if err := json.Unmarshal([]byte(input), &r); err != nil {
			return err
		}
		s, err := r.File.Stage([]byte(r.Content))
		if err != nil || s == nil {
			return err
		}
		info, err := os.Stat(s.Path())
		if err != nil {
			return err
		}
		if r.ShowMode {
			fmt.Print("staged with ", info.Mode(), " ")
		}
		if r.Reject {
			kept, err := s.Reject()
			fmt.Print("kept as ", kept)
			return err
		}
		err = s.Commit()
		for _, w := range s.Warnings() {
			fmt.Println("warning:", w)
		}
		return err
	}
	return fmt.Errorf("no task %q", task)
}
