package command

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lictor/internal/retry"
)

// collect takes results until the queue has nothing more to do.
func collect(t *testing.T, q *Queue) (results []Result) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for q.Busy() {
		select {
		case <-q.Done():
			results = append(results, q.Take()...)
		case <-limit:
			t.Fatal("the queue is still busy")
		}
	}
	return results
}

// Commands that are quick run one after the other, in the order in which they were submitted.
func TestQueueKeepsOrder(t *testing.T) {
	log, _ := testLog()
	q := NewQueue(log)
	q.Patience = 20 * time.Second
	note := t.TempDir() + "/note"
	want := ""
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		q.Submit(t.Context(), id, shell("sleep 0.0$(($$ % 10)); echo "+id+" >> "+note))
		want += id + "\n"
	}
	for i, r := range collect(t, q) {
		if r.Err != nil || !r.Final || r.Attempt != 1 || r.ID != string(rune('a'+i)) {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	q.Wait()
	if got, _ := os.ReadFile(note); string(got) != want {
		t.Errorf("ran in the order %q", got)
	}
}

// A slow command holds up the next one for Patience only.
func TestQueueOvertakesTheSlow(t *testing.T) {
	log, _ := testLog()
	q := NewQueue(log)
	q.Patience = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	slow, note := child(t, "signals")
	q.Submit(ctx, "slow", slow)
	quick, quickNote := child(t, "exit", "0")
	q.Submit(ctx, "quick", quick)
	awaitFile(quickNote, "ran")
	awaitFile(note, "started")
	<-q.Done()
	if got := q.Take(); len(got) != 1 || got[0].ID != "quick" || !q.Busy() {
		t.Errorf("results %+v", got)
	}
	cancel()
	if got := collect(t, q); len(got) != 1 || got[0].Err == nil || !got[0].Final {
		t.Errorf("results after the end %+v", got)
	}
	q.Wait()
	if got := awaitFile(note, "SIGTERM"); got != "started \ngot SIGTERM\n" {
		t.Errorf("the slow one told %q", got)
	}
}

// What is submitted while the id's command runs is run once afterwards, the newest only.
func TestQueueCoalesces(t *testing.T) {
	log, _ := testLog()
	q := NewQueue(log)
	dir := t.TempDir()
	note, gate := dir+"/note", dir+"/gate"
	q.Submit(t.Context(), "x", shell("echo first >> "+note+"; while [ ! -e "+gate+" ]; do sleep 0.01; done"))
	awaitFile(note, "first")
	for _, text := range []string{"second", "third", "fourth"} {
		q.Submit(t.Context(), "x", shell("echo "+text+" >> "+note))
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	results := collect(t, q)
	if len(results) != 2 || results[0].Final || !results[1].Final || results[1].Attempt != 1 {
		t.Errorf("results %+v", results)
	}
	if got := awaitFile(note, "fourth"); got != "first\nfourth\n" {
		t.Errorf("ran %q", got)
	}
	q.Wait()
}

func TestQueueRetries(t *testing.T) {
	log, _ := testLog()
	q := NewQueue(log)
	q.Retry = retry.Backoff{First: time.Millisecond, Most: 5 * time.Millisecond}
	note := t.TempDir() + "/note"
	q.Submit(t.Context(), "x", shell("echo try >> "+note+"; test $(wc -l < "+note+") -ge 4"))
	results := collect(t, q)
	if len(results) != 4 || results[3].Err != nil || !results[3].Final || results[3].Attempt != 4 || results[2].Final || results[2].Pause > 5*time.Millisecond {
		t.Errorf("results %+v", results)
	}
	q.Wait()
}

// Without a retry policy a failure is final.
func TestQueueOnce(t *testing.T) {
	log, _ := testLog()
	q := NewQueue(log)
	q.Submit(t.Context(), "x", shell("exit 1"))
	if got := collect(t, q); len(got) != 1 || got[0].Err == nil || !got[0].Final {
		t.Errorf("results %+v", got)
	}
	q.Wait()
}

// A new command ends the pause before a retry, and counts from one again.
func TestQueueSubmitEndsPause(t *testing.T) {
	log, _ := testLog()
	q := NewQueue(log)
	q.Retry = retry.Backoff{First: time.Hour}
	q.Submit(t.Context(), "x", shell("exit 1"))
	<-q.Done()
	if got := q.Take(); len(got) != 1 || got[0].Final || got[0].Pause < time.Minute {
		t.Fatalf("results %+v", got)
	}
	q.Submit(t.Context(), "x", shell("exit 0"))
	if got := collect(t, q); len(got) != 1 || got[0].Err != nil || got[0].Attempt != 1 || !got[0].Final {
		t.Errorf("results %+v", got)
	}
	q.Wait()
}

// The end of the context ends a pause, a turn that is waited for, and what runs; nobody needs to take the results.
func TestQueueEndsWithContext(t *testing.T) {
	log, _ := testLog()
	q := NewQueue(log)
	q.Retry = retry.Backoff{First: time.Hour}
	ctx, cancel := context.WithCancel(t.Context())
	q.Submit(ctx, "failing", shell("exit 1"))
	<-q.Done()
	slow, note := child(t, "signals")
	q.Submit(ctx, "slow", slow)
	awaitFile(note, "started")
	q.Submit(ctx, "waiting", slow)
	cancel()
	q.Wait()
	var ids []string
	for _, r := range q.Take() {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	if got := strings.Join(ids, " "); !strings.Contains(got, "slow waiting") || q.Busy() {
		t.Errorf("results of %s, busy %t", got, q.Busy())
	}
}

// What is dropped is run no more, be it in its pause before a retry or before it has begun, until it is submitted again; a run
// that is under way is the last.
func TestQueueDrops(t *testing.T) {
	log, _ := testLog()
	q := NewQueue(log)
	q.Retry, q.Patience = retry.Backoff{First: time.Hour}, time.Hour
	dir := t.TempDir()
	q.Submit(t.Context(), "pauses", shell("false"))
	<-q.Done()
	if got := q.Take(); len(got) != 1 || got[0].Final {
		t.Errorf("results %+v", got)
	}
	q.Submit(t.Context(), "runs", shell("echo begun > "+dir+"/started; while ! test -e "+dir+"/go; do sleep 0.01; done; false"))
	awaitFile(dir+"/started", "begun")
	q.Submit(t.Context(), "waits", shell("touch "+dir+"/waited"))
	for _, id := range []string{"pauses", "runs", "waits", "unknown"} {
		q.Drop(id)
	}
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, q); len(got) != 1 || got[0].ID != "runs" || !got[0].Final {
		t.Errorf("results %+v", got)
	}
	q.Wait()
	if _, err := os.Stat(dir + "/waited"); err == nil {
		t.Error("what was dropped was run")
	}
	ticket := q.Submit(t.Context(), "pauses", shell("true"))
	if got := collect(t, q); len(got) != 1 || got[0].Err != nil || got[0].Ticket != ticket || got[0].Attempt != 1 {
		t.Errorf("results %+v", got)
	}
}

// Nothing begins before Resume was called as often as Hold.
func TestQueueIsHeldByEach(t *testing.T) {
	log, _ := testLog()
	q := NewQueue(log)
	note := t.TempDir() + "/note"
	q.Hold()
	q.Hold()
	q.Submit(t.Context(), "a", shell("echo run >> "+note))
	q.Resume()
	q.mu.Lock()
	held := q.held != nil
	q.mu.Unlock()
	if _, err := os.Stat(note); err == nil || !held {
		t.Error("resumed too early")
	}
	q.Resume()
	if got := collect(t, q); len(got) != 1 || got[0].Err != nil {
		t.Errorf("results %+v", got)
	}
	q.Wait()
}
