package funcs

import (
	"fmt"
	"maps"
	"slices"
)

// A Scratch holds values during one pass. Its methods are what templates call on `scratch`.
type Scratch struct{ values map[string]any }

type scratchKey struct{}

func (b binding) scratch() *Scratch {
	return b.pass.Local(scratchKey{}, func() any { return &Scratch{values: map[string]any{}} }).(*Scratch)
}

// Key tells whether a value is set under name.
func (s *Scratch) Key(name string) bool {
	_, ok := s.values[name]
	return ok
}

// Get returns the value under name, or nil.
func (s *Scratch) Get(name string) any { return s.values[name] }

// Set sets the value under name. It returns "", which prints nothing.
func (s *Scratch) Set(name string, value any) string {
	s.values[name] = value
	return ""
}

// SetX is Set for a name that has no value yet.
func (s *Scratch) SetX(name string, value any) string {
	if !s.Key(name) {
		s.values[name] = value
	}
	return ""
}

// MapSet sets the value under key in the map under name, which it makes where there is none.
func (s *Scratch) MapSet(name, key string, value any) (string, error) {
	m, err := s.mapOf(name)
	if err == nil {
		err = checkHolds(m, value)
	}
	if err == nil {
		m[key] = value
	}
	return "", err
}

// MapSetX is MapSet for a key that has no value yet.
func (s *Scratch) MapSetX(name, key string, value any) (string, error) {
	m, err := s.mapOf(name)
	if _, taken := m[key]; taken || err != nil {
		return "", err
	}
	return s.MapSet(name, key, value)
}

func (s *Scratch) mapOf(name string) (map[string]any, error) {
	if !s.Key(name) {
		s.values[name] = map[string]any{}
	}
	m, ok := s.values[name].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("what scratch has under this name is not a map but a %T", s.values[name])
	}
	return m, nil
}

// MapValues lists the values of the map under name by their keys; none where there is no such map.
func (s *Scratch) MapValues(name string) []any {
	list := []any{}
	m, _ := s.values[name].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[key])
	}
	return list
}
