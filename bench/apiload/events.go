package main

import (
	"bytes"
	"fmt"
)

var version = []byte(`"resourceVersion":"`)

// newest is the version that a list of what is at path has, to watch from.
func newest(c client, path string) (string, error) {
	a, err := c.ask(get(path + "?limit=1"))
	if err != nil {
		return "", err
	}
	found := ""
	piece, err := a.body.next()
	if a.status == 200 && err == nil {
		found = after(piece, version)
	}
	if _, _, err := a.rest(); err != nil || found == "" {
		return "", fmt.Errorf("list of %s: status %d, %v, %.200s", path, a.status, err, piece)
	}
	return found, nil
}

// follow watches what is at path.
func follow(c client, path, version string, seconds int) (pieces, error) {
	a, err := c.ask(get(fmt.Sprintf("%s?watch=1&timeoutSeconds=%d&resourceVersion=%s", path, seconds, version)))
	if err != nil {
		return nil, err
	}
	if a.status != 200 {
		_, begin, err := a.rest()
		return nil, fmt.Errorf("watch of %s: status %d, %v, %s", path, a.status, err, begin)
	}
	return a.body, nil
}

// lines calls f with each whole line of a body, good for this call only, until f has enough or the body ends.
func lines(body pieces, f func(line []byte) bool) error {
	var begun []byte // a line whose end has not come yet
	for {
		piece, err := body.next()
		if err != nil {
			return err
		}
		for end := bytes.IndexByte(piece, '\n'); end >= 0; end = bytes.IndexByte(piece, '\n') {
			line := piece[:end]
			if len(begun) > 0 {
				begun = append(begun, line...)
				line = begun
			}
			if !f(line) {
				return nil
			}
			begun, piece = begun[:0], piece[end+1:]
		}
		begun = append(begun, piece...)
	}
}

// after is what stands between mark and the next quote; empty where there is no mark.
func after(line, mark []byte) string {
	k := bytes.Index(line, mark)
	if k < 0 {
		return ""
	}
	rest := line[k+len(mark):]
	return string(rest[:max(0, bytes.IndexByte(rest, '"'))])
}
