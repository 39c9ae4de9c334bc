package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

const (
	placeSeconds = 600
	// reopenings bounds how often a dropped watcher goes on; a server may drop one that it finds slow.
	reopenings = 1000
)

// A placing creates -n pods and watches until every one shows mark.
type placing struct {
	mark    []byte
	name    []byte // what a line has before a pod's number
	version string // up to which events were seen
	created sent
	seen    []bool
	tally
}

// placed waits until every pod shows mark: `"nodeName":"` for scheduled, `"phase":"Running"` for running.
func placed(op, mark string) {
	path, begin := namespaced("pods"), *prefix
	if begin == "" {
		begin = op
	}
	own := connect()
	version, err := newest(own, path)
	if err != nil {
		fail(err)
	}
	p := placing{mark: []byte(mark), name: []byte(`"name":"` + begin + "-"), version: version,
		created: make(sent, *n), seen: make([]bool, *n)}
	body, err := follow(own, path, version, placeSeconds)
	if err != nil {
		fail(err)
	}
	template := template()
	begun := now()
	var creating sync.WaitGroup
	creating.Go(func() {
		each("create", *n, func(i int) request {
			p.created.mark(i)
			return post(path, strings.Replace(template, "%s", fmt.Sprintf("%s-%d", begin, i), 1))
		})
	})
	p.watch(own, path, body)
	creating.Wait() // it may not have reported yet
	p.errors = int64(*n - len(p.waits))
	report(op, begun, &p.tally)
	own.close()
}

// template is the pod to create: that of -pod, or our own without what keeps it from every node.
func template() string {
	if *podFile != "" {
		read, err := os.ReadFile(*podFile)
		if err != nil {
			fail(err)
		}
		if len(read) > 0 {
			return string(read)
		}
	}
	return strings.Replace(pod, `,"nodeSelector":{"none":"such"}`, "", 1)
}

// watch goes on from where it was when the server ends the watch.
func (p *placing) watch(own client, path string, body pieces) {
	for reopened := 0; ; reopened++ {
		err := lines(body, p.event)
		if err == nil {
			return
		}
		own.close()
		if reopened == reopenings {
			fmt.Fprintln(os.Stderr, "watch ended:", err)
			return
		}
		if body, err = follow(own, path, p.version, placeSeconds); err != nil {
			fail(err)
		}
	}
}

// event takes note of one event, and says whether more are awaited.
func (p *placing) event(line []byte) bool {
	if seen := after(line, version); seen != "" {
		p.version = seen
	}
	if bytes.Contains(line, p.mark) {
		if i, err := strconv.Atoi(after(line, p.name)); err == nil && !p.seen[i] {
			p.seen[i] = true
			p.waits = append(p.waits, p.created.wait(i))
		}
	}
	return len(p.waits) < *n
}
