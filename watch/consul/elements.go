package consul

import (
	"bufio"
	"encoding/json"
	"errors"
	"hash/maphash"
	"io"
	"math"
	"strings"
)

var errNoList = errors.New("a list of objects was expected")

// elements splits a JSON list of objects, or null, which stands for an empty one, and calls each with the text of each object, which
// may be used until each returns. Only one object is held in memory. A query on many things answers with all of them when one
// has changed, so telling objects apart costs much less than decoding them.
func elements(r io.Reader, each func([]byte) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, math.MaxInt)
	s.Split(part)
	before := byte(0)
	for s.Scan() {
		text := s.Bytes()
		if strings.IndexByte(mayFollow[before], text[0]) < 0 || text[0] == 'n' && string(text) != "null" {
			return errNoList
		}
		if before = text[0]; before == '{' {
			if err := each(text); err != nil {
				return err
			}
		}
	}
	if s.Err() == nil && before != ']' && before != 'n' {
		return io.ErrUnexpectedEOF
	}
	return s.Err()
}

// mayFollow says by their first bytes which parts of a list may follow each part, or 0 for its beginning.
var mayFollow = map[byte]string{0: "[n", '[': "{]", '{': ",]", ',': "{"}

// part is a [bufio.SplitFunc]: it finds the next part of a list, which is an object, null, or one byte.
func part(text []byte, last bool) (advance int, token []byte, err error) {
	begin := 0
	for begin < len(text) && space(text[begin]) {
		begin++
	}
	end := begin + 1
	switch {
	case begin == len(text):
		return begin, nil, nil
	case text[begin] == 'n':
		end = begin + len("null")
	case text[begin] == '{':
		end = begin + objectEnd(text[begin:])
	}
	switch {
	case end > begin && end <= len(text):
		return end, text[begin:end], nil
	case last:
		return 0, nil, io.ErrUnexpectedEOF
	}
	return begin, nil, nil
}

// objectEnd is the length of the object that text begins with, 0 where text does not hold all of it.
func objectEnd(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// space tells whether c is what may come anywhere between the parts of JSON.
func space(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// A digest stands for a text: two texts with one digest are taken for equal.
type digest uint64

// A digester makes digests. They can only be compared with others of the same digester.
type digester struct{ seed maphash.Seed }

func newDigester() digester { return digester{maphash.MakeSeed()} }

func (d digester) of(text []byte) digest { return digest(maphash.Bytes(d.seed, text)) }

// A checkSnapshot knows whose checks are in a list, by their digests.
type checkSnapshot map[digest]owner

// An owner is the node that a check belongs to, and its service, "" for a check of the node itself; both folded.
type owner struct{ node, service string }

// changed calls tell with the owners of the elements that are in one of the snapshots only.
func (l checkSnapshot) changed(next checkSnapshot, tell func(owner)) {
	for d, o := range l {
		if _, ok := next[d]; !ok {
			tell(o)
		}
	}
	for d, o := range next {
		if _, ok := l[d]; !ok {
			tell(o)
		}
	}
}

// read makes the checkSnapshot of a list of checks that comes from r. Only elements that l does not know are decoded.
func (l checkSnapshot) read(r io.Reader, d digester) (checkSnapshot, error) {
	next := make(checkSnapshot, len(l))
	err := elements(r, func(element []byte) error {
		key := d.of(element)
		o, ok := l[key]
		if !ok {
			var c struct{ Node, ServiceName string }
			if err := json.Unmarshal(element, &c); err != nil {
				return err
			}
			if c.Node == "" {
				return errNameless
			}
			o = owner{fold(c.Node), fold(c.ServiceName)}
		}
		next[key] = o
		return nil
	})
	return next, err
}

// fold makes one of the names that are the same for Consul, which compares those of services and nodes without regard to case.
func fold(name string) string { return strings.ToLower(name) }
