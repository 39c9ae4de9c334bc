package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// watchSeconds is how long a server may keep a watch open.
const watchSeconds = 120

// settle is a rest between the last watcher's coming and the first change.
const settle = 300 * time.Millisecond

// sent holds when each change was asked for, in µs since the epoch.
type sent []atomic.Int64

func (s sent) mark(i int) { s[i].Store(time.Now().UnixMicro()) }

// wait is how long ago change i was asked for, in ms.
func (s sent) wait(i int) float64 { return float64(time.Now().UnixMicro()-s[i].Load()) / 1000 }

// watch has -watchers follow config maps while one connection creates -events of them, one after the other.
func watch() {
	path := namespaced("configmaps")
	own := connect()
	defer own.close()
	version, err := newest(own, path)
	if err != nil {
		fail(err)
	}
	changes := make(sent, *events)
	tallies := make([]tally, *watchers)
	var ready, done sync.WaitGroup
	for w := range tallies {
		ready.Add(1)
		done.Go(func() { tallies[w].see(path, version, changes, ready.Done) })
	}
	ready.Wait()
	time.Sleep(settle)
	begun := now()
	if err := change(own, path, changes); err != nil {
		fail(err)
	}
	done.Wait()
	report("watch", begun, total(tallies))
	for i := range changes {
		do(own, remove(fmt.Sprintf("%s/ev-%d", path, i)))
	}
}

func change(own client, path string, changes sent) error {
	filler := strings.Repeat("x", 1000)
	for i := range changes {
		body := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"ev-%d"},"data":{"k":"%s"}}`, i, filler)
		changes.mark(i)
		if status, _, begin, err := do(own, post(path, body)); err != nil || status >= 300 {
			return fmt.Errorf("watch create: %d %v %s", status, err, begin)
		}
	}
	return nil
}

var changed = []byte(`"name":"ev-`)

// see follows until all changes have come, and says when it is ready for the first.
func (t *tally) see(path, version string, changes sent, ready func()) {
	own := connect()
	defer own.close()
	body, err := follow(own, path, version, watchSeconds)
	ready()
	if err == nil {
		err = lines(body, func(line []byte) bool {
			if i, err := strconv.Atoi(after(line, changed)); err == nil {
				t.waits = append(t.waits, changes.wait(i))
			}
			return len(t.waits) < len(changes)
		})
	}
	if err != nil {
		t.failed(err.Error())
		fmt.Fprintln(os.Stderr, err)
	}
}
