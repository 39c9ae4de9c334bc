package main

import (
	"io"
	"slices"
	"testing"
)

type given []string

func (g *given) next() ([]byte, error) {
	if len(*g) == 0 {
		return nil, io.EOF
	}
	piece := (*g)[0]
	*g = (*g)[1:]
	return []byte(piece), nil
}

// Lines are whole however a body is cut.
func TestLines(t *testing.T) {
	for _, pieces := range []given{{"one\ntwo\nthree\nfour\n"}, {"o", "ne", "\ntw", "o\nthree", "\n", "four\n"}} {
		var got []string
		err := lines(&pieces, func(line []byte) bool {
			got = append(got, string(line))
			return len(got) < 3
		})
		if err != nil || !slices.Equal(got, []string{"one", "two", "three"}) {
			t.Error(got, err)
		}
	}
}

func TestAfter(t *testing.T) {
	for line, want := range map[string]string{`{"name":"ev-12","a":1}`: "12", `{"name":"other"}`: "", `{"name":"ev-1`: ""} {
		if got := after([]byte(line), changed); got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}
