package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A tally is what one worker, or one watcher, has seen.
type tally struct {
	waits  []float64 // ms, one for each answer or event
	bytes  int64
	errors int64
	first  string // of the errors
}

func total(tallies []tally) *tally {
	var all tally
	for _, t := range tallies {
		all.waits = append(all.waits, t.waits...)
		all.bytes += t.bytes
		all.errors += t.errors
		if all.first == "" {
			all.first = t.first
		}
	}
	return &all
}

func (t *tally) failed(what string) {
	t.errors++
	if t.first == "" {
		t.first = what
	}
}

// each makes `times` requests on as many connections as -c says, which stand before the clock starts.
func each(op string, times int, request func(i int) request) {
	workers := connected(min(*conc, times))
	tallies := make([]tally, len(workers))
	var next atomic.Int64
	begun := now()
	together(len(workers), func(w int) {
		for i := int(next.Add(1)) - 1; i < times; i = int(next.Add(1)) - 1 {
			tallies[w].ask(workers[w], request(i))
		}
	})
	report(op, begun, total(tallies))
	for _, worker := range workers {
		worker.close()
	}
}

// ask asks for one thing and reads all of the answer.
func (t *tally) ask(c client, r request) {
	began := time.Now()
	status, size, begin, err := do(c, r)
	t.waits = append(t.waits, milliseconds(time.Since(began)))
	t.bytes += size
	if err != nil || status >= 300 {
		t.failed(fmt.Sprintf("%d %v %s", status, err, begin))
	}
}

// do asks for one thing: (status, size in bytes, how the answer begins if it is no success).
func do(c client, r request) (int, int64, []byte, error) {
	a, err := c.ask(r)
	if err != nil {
		return 0, 0, nil, err
	}
	size, begin, err := a.rest()
	if err != nil {
		c.close()
	}
	return a.status, size, begin, err
}

// connected makes clients. Who can not connect tells so with its first request, when it tries again.
func connected(count int) []client {
	made := make([]client, count)
	together(count, func(w int) {
		made[w] = connect()
		made[w].dial()
	})
	return made
}

// together runs f for 0 to count-1 at the same time and waits for all.
func together(count int, f func(w int)) {
	var all sync.WaitGroup
	for w := range count {
		all.Go(func() { f(w) })
	}
	all.Wait()
}
