package runner

import (
	"sync/atomic"
	"time"

	"lictor/internal/command"
	"lictor/internal/engine"
	"lictor/renderer"
	"lictor/watch"
)

// A Job is one template, or one environment, on its way to its destination.
type Job struct {
	// Name is how logs and errors call the job: its template and destination.
	Name string
	// Path is the destination, "" where it is no file.
	Path string
	// Execute makes one pass over what is known now, and says what it used and what is missing.
	Execute func(known watch.Lookup) (engine.Result, error)
	// Stage prepares a finished output beside its destination, so that committing it is one small step. It returns nil
	// when the destination has this content already.
	Stage func(output []byte) (Staged, error)
	// Check makes the command that must succeed before anything of the group is committed, from the path of the staged file
	// (that of the destination, where it stays as it is) and that of a folder in which all files of the group, and all that is
	// beside them, lie as they are going to lie below the root. Nil is none.
	Check func(staged, folder string) command.Command
	// Command runs after a commit that changed the destination; without Args none does.
	Command command.Command
	// Environ says that the output is the child's environment and no file: a change replaces the child.
	Environ bool
	// Fatal ends the runner when the template fails though all its data is there. Otherwise it is logged, and the
	// destination keeps what it has until the data changes.
	Fatal bool
	// LogDiff says whether the log shows by which lines an output differs that was refused or rolled back.
	LogDiff LogDiff
	// Sensitive says that the template has read something that may be a secret beside what its queries ask for, such as the
	// environment. See ReadOutside.
	Sensitive bool

	// The rest is the runner's.
	id      string                 // of its command, "" for none
	due     bool                   // to be executed in the next round: see isDue
	used    watch.Set              // what the last pass read, and where it was not good, also what the last good one read
	good    watch.Set              // what the last good pass read, which was complete and without error
	waiting watch.Set              // of these, what still has no answer: the next pass waits for the last of them
	unmet   map[watch.Query]string // what is answered, but not with what the template waits for, and why
	failed  error                  // what the last pass failed with beside that: it may come of what is not there
	heard   time.Time              // when the last of those that it waits for was answered; zero for none since its last pass
	ready   bool                   // the last pass was complete and without error
	output  []byte                 // of the last complete pass, not nil until it is committed
	effects []func() error         // of the last complete pass, those that are still to be done
	stale   bool                   // the last pass read something that is not what the registry says now
	passes  int                    // how often the template ran
	err     error                  // the template's own error, nil when all is well
	staged  Staged                 // while the group is being checked; nil when the destination has the content already

	asked  []any    // what the pass under way, or the last one, was answered that may hold secrets
	read   []any    // the same of the last good pass
	stands [2][]any // the same of those that the destination's content was made by, and the one before

	harmless  harmless // contents of the destination that may be logged
	refused   sum      // the content that was refused or rolled back last; zero when another one was committed since
	undecided bool     // its check could not tell
}

// A Staged output stands beside its destination, whole and on disk. The renderer's is one.
type Staged interface {
	// Path is the staged file, for a check command.
	Path() string
	// Commit puts it in the destination's place in one step.
	Commit() error
	// Discard removes it. After Commit it does nothing.
	Discard()
}

// A Group is the jobs that are committed together: a template by itself, in most cases.
type Group struct {
	Name string // for logs: the configured name, or the one job's
	Jobs []*Job
	// Wait is the quiet time before a change is rendered. The first render never waits.
	Wait Wait
	// MinInterval is the least time between two commits, also of different runs, and between the starts of two runs of each
	// of its commands, whichever group they are for; except with Once. The last state is always committed and reloaded.
	MinInterval time.Duration
	// Files commits the files together, and remembers whether a reload is pending. Nil where the jobs write none.
	Files *renderer.Group
	// Rollback brings the previous files back when a command fails, and runs the commands again.
	Rollback bool

	holds     atomic.Pointer[[][]any] // see publish
	wrong     string                  // what was wrong when it was looked at last, until it is said that it recovered
	tidy      bool                    // nothing that was refused is left beside its files
	blind     bool                    // it was said that its checks do not see all that is staged
	partial   bool                    // it was said that its checks do not see a whole folder
	resumed   bool                    // what an earlier run has left is known and recovered
	committed bool                    // all its jobs are at their destinations, for the first time
	stands    bool                    // it can't be committed yet, and its files are those of an earlier run
	fresh     bool                    // a job has a new output since the last attempt to commit
	// rolledBack says that the destinations are behind the data, until the next commit: when one job is executed all are, or
	// files of different data would come together.
	rolledBack bool
	failures   int       // how often it was rolled back since all was well
	again      time.Time // until when contents that were rolled back rest; zero when they need not
	first      time.Time // the first and last change that is not rendered yet; zero for none
	last       time.Time
	commit     time.Time     // when it was committed last, if only by an earlier run; zero for never
	rested     time.Time     // until when the group rests after its passes
	worked     time.Duration // what its passes took, less a part of the time that went by
	retry      time.Time     // when to try again what could not be committed; zero for never
	err        error         // why it could not be committed, or was rolled back; nil when all is well
	back       *rollback     // that was begun and failed midway; nil for none
	checks     []command.Command
	check      int            // the ticket of the check that is under way
	checked    string         // the folder of staged files while they are checked, "" when they are not
	reloads    map[string]int // commands that are pending, by id, with the ticket of their submission or notSubmitted
	running    map[string]int // of these, those that have not been run once
	rendered   string         // what Files.Confirm is told when they have all succeeded
	// unconfirmed is when that is to be tried again, zero when it has not failed.
	unconfirmed time.Time
}

// Wait is a quiescence time: a change is rendered once Min has passed without another one, but at the latest Max after
// the first. The zero Wait renders at once.
type Wait struct{ Min, Max time.Duration }

// changed notes that something that the group has rendered changed at now.
func (g *Group) changed(now time.Time) {
	if g.first.IsZero() {
		g.first = now
	}
	g.last = now
}

// settles tells when the changes so far are to be rendered: when they are quiet for long enough, the last passes are long
// enough ago, and what is rendered may be committed. It is the zero time when there are none.
func (r *Runner) settles(g *Group) time.Time {
	if g.first.IsZero() {
		return time.Time{}
	}
	at := g.last.Add(g.Wait.Min)
	if most := g.first.Add(g.Wait.Max); g.Wait.Max > 0 && most.Before(at) {
		at = most
	}
	return latest(latest(at, r.earliest(g)), g.rested)
}

// A template so large that its passes keep the processor busy, and whose data changes all the time, may take no more than
// a part of it in the long run. Until its passes have taken burst it is not held up.
const (
	restPart = 3 // a third
	burst    = time.Second
)

// rest notes that passes were made from began to ended, and says until when no more are to be made.
func (g *Group) rest(began, ended time.Time) {
	if !g.rested.IsZero() {
		g.worked = max(0, g.worked-began.Sub(g.rested)/restPart)
	}
	g.worked += ended.Sub(began)
	g.rested = ended
	if over := g.worked - burst; over > 0 {
		g.worked = burst
		g.rested = ended.Add(over * restPart)
	}
}

// isDue tells whether the job is to be executed at now: what it has read has changed, or all that it waits for has come, or
// nothing more of that comes.
func (j *Job) isDue(now time.Time) bool {
	return j.due || !j.heard.IsZero() && !j.heard.Add(lull).After(now)
}

// wants tells whether there is something to commit.
func (g *Group) wants(now time.Time) bool {
	return g.fresh || !g.retry.IsZero() && !g.retry.After(now)
}
