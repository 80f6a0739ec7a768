package renderer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// maxStaged is how many programs (or commits of one) can have something staged for one destination at a time.
const maxStaged = 32

// hiddenName names a file of ours beside the destination called name: ".NAME.lictor-WHAT". A hidden name keeps it out
// of the reach of patterns such as conf.d/*, and the ending out of that of *.conf.
func hiddenName(name, what string) string {
	hidden := "." + name + ".lictor-" + what
	if len(hidden) > unix.NAME_MAX {
		sum := sha256.Sum256([]byte(name))
		hidden = ".lictor-" + hex.EncodeToString(sum[:16]) + "-" + what
	}
	return hidden
}

func tempName(name string, slot int) string { return hiddenName(name, fmt.Sprint(slot)) }

// createTemp creates the file in which new content for the entry called name is staged, with mode 0600, and tells its
// name. It removes what a crashed run left there: names are numbered from 0, so leftovers are met without reading the
// folder, and the file is locked while we live, so that what a living program has staged is left alone.
func (d *folder) createTemp(name string) (*os.File, string, error) {
	for slot := range maxStaged {
		temp := tempName(name, slot)
		f, err := d.open(temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
		if errors.Is(err, fs.ErrExist) && d.removeDead(temp) {
			f, err = d.open(temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
		}
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if !lock(f) {
			f.Close() // somebody took it for a leftover, before it was locked: it is theirs to remove
			continue
		}
		d.sweep(name, slot+1)
		return f, temp, nil
	}
	return nil, "", fmt.Errorf("%d files named %s are in the way in %s; remove them if no other lictor writes there", maxStaged, tempName(name, 0), d.path)
}

// sweep removes what crashed runs left beside the entry called name: what they staged, from this number on, and, when
// nobody else has staged anything, a backup half made.
func (d *folder) sweep(name string, slot int) {
	for ; slot < maxStaged && d.removeDead(tempName(name, slot)); slot++ {
	}
	if _, err := d.stat(tempName(name, slot)); errors.Is(err, fs.ErrNotExist) && slot <= 1 {
		_ = d.remove(hiddenName(name, "keep"))
		_ = d.remove(hiddenName(name, "older"))
	}
}

// lock marks the open file as in use until it is closed or the program ends. It fails when the file is already gone or
// somebody is about to remove it. Where locks don't exist, it is not marked.
func lock(f *os.File) bool {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && st.Nlink > 0
}

// removeDead removes a staged file whose program is gone, and tells whether it did. Only a regular file is removed, and
// only by its name: what else may be there is nothing of ours.
func (d *folder) removeDead(temp string) bool {
	f, err := d.open(temp, unix.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	var held unix.Stat_t
	if unix.Fstat(int(f.Fd()), &held) != nil || held.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false
	}
	named, err := d.stat(temp)
	if err != nil || named.Ino != held.Ino || named.Dev != held.Dev {
		return false
	}
	return d.remove(temp) == nil
}
