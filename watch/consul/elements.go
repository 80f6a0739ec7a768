package consul

import (
	"encoding/json"
	"errors"
	"hash/maphash"
	"io"
	"strings"
	"sync"
)

var chunks = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// elements splits a JSON list of objects into its elements and calls each with the text of each of them, which may be
// used until each returns. The list may be much larger than memory should be: only one element is held. Since a query on
// many things answers with all of them when one has changed, telling elements apart must cost much less than decoding.
func elements(r io.Reader, each func([]byte) error) error {
	chunk := chunks.Get().(*[]byte)
	defer chunks.Put(chunk)
	s := splitter{each: each}
	for {
		n, err := r.Read(*chunk)
		if err := s.feed((*chunk)[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			return s.end()
		}
		if err != nil {
			return err
		}
	}
}

// A splitter follows JSON text just far enough to find where the elements of the outermost list begin and end.
type splitter struct {
	each    func([]byte) error
	element []byte // the part of an element that came in earlier chunks
	depth   int    // of lists and objects
	text    bool   // inside a string
	escape  bool   // after a backslash
	listed  bool   // the list has begun
	null    int    // how many letters of null were there instead
}

var errNoList = errors.New("a list of objects was expected")

func (s *splitter) feed(chunk []byte) error {
	from := 0
	for i, c := range chunk {
		switch {
		case s.escape:
			s.escape = false
		case s.text:
			switch c {
			case '\\':
				s.escape = true
			case '"':
				s.text = false
			}
		case s.depth < 2 && !s.between(c):
			return errNoList
		case c == '"':
			s.text = true
		case c == '{' || c == '[':
			s.depth++
			if s.depth == 2 {
				from = i
				s.element = s.element[:0]
			}
		case c == '}' || c == ']':
			s.depth--
			if s.depth == 1 {
				element := chunk[from : i+1]
				if len(s.element) > 0 {
					s.element = append(s.element, element...)
					element = s.element
				}
				if err := s.each(element); err != nil {
					return err
				}
				s.element = s.element[:0]
			}
		}
	}
	if s.depth >= 2 {
		s.element = append(s.element, chunk[from:]...)
	}
	return nil
}

// space tells whether c is what may come anywhere between the parts of JSON.
func space(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// between tells whether c may come outside the elements: of the list or of null, which stands for an empty one.
func (s *splitter) between(c byte) bool {
	switch {
	case space(c):
		return s.null == 0 || s.null == len("null")
	case s.depth == 1:
		return c == '{' || c == ',' || c == ']'
	case s.listed:
		return false
	case s.null < len("null") && c == "null"[s.null]:
		s.null++
		return true
	}
	s.listed = c == '[' && s.null == 0
	return s.listed
}

// end tells whether the text may end here: after the list, or after null. Whatever else came was not from Consul.
func (s *splitter) end() error {
	if s.depth == 0 && (s.listed || s.null == len("null")) {
		return nil
	}
	return io.ErrUnexpectedEOF
}

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
