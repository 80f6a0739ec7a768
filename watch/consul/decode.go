package consul

import (
	"encoding/json"
	"errors"
	"io"
	"slices"

	"lictor/watch"
)

// Consul's JSON is decoded into the types of answers, where these have Consul's field names. A raw type embeds such a type, and
// names the fields that are written otherwise, or that templates do not see in texts.

// What no answer of Consul holds: null in place of a thing, and a thing without a name.
var (
	errNull     = errors.New("there is a null in it")
	errNameless = errors.New("something in it has no name")
)

// one decodes a single JSON value, which nothing may follow.
func one(r io.Reader, into any) error {
	d := json.NewDecoder(r)
	switch err := d.Decode(into); {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the answer")
	}
	return nil
}

// list decodes a JSON list of objects, of which each becomes an element of an answer. Null is an empty list.
func list[R, A any](r io.Reader, convert func(*R) (A, error)) ([]A, error) {
	answer := []A{}
	err := elements(r, func(text []byte) error {
		var raw R
		if err := json.Unmarshal(text, &raw); err != nil {
			return err
		}
		a, err := convert(&raw)
		answer = append(answer, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// sorted makes a decoder of a list that puts it in order, unless it comes in the order of distance from a node.
func sorted[R, A any](near string, convert func(*R) (A, error), order func(a, b A) int) func(io.Reader) (any, error) {
	return func(r io.Reader) (any, error) {
		answer, err := list(r, convert)
		if near == "" {
			slices.SortStableFunc(answer, order)
		}
		return answer, err
	}
}

// sortedTags are the tags of a service as all answers have them: an empty list where there are none, since endpoints differ in
// whether they write that as null.
func sortedTags(tags []string) watch.ServiceTags {
	slices.Sort(tags)
	return notNil(tags)
}

func notNil[E any](list []E) []E {
	if list == nil {
		return []E{}
	}
	return list
}
