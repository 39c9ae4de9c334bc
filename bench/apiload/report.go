package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// A moment is a time, and how much of the processor this program has taken until then.
type moment struct {
	time time.Time
	cpu  time.Duration
}

func now() moment {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return moment{time.Now(), time.Duration(used.Utime.Nano() + used.Stime.Nano())}
}

type result struct {
	Op       string  `json:"op"`
	N        int     `json:"n"`
	Errors   int64   `json:"errors"`
	PerSec   float64 `json:"per_s"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	ClientUs float64 `json:"client_us"` // CPU time of this program per answer, or event
	Bytes    int64   `json:"bytes,omitempty"`
	First    string  `json:"first_error,omitempty"`
}

// report prints what came since begun.
func report(op string, begun moment, all *tally) {
	end := now()
	slices.Sort(all.waits)
	count := len(all.waits)
	out, _ := json.Marshal(result{
		Op: op, N: count, Errors: all.errors, PerSec: float64(count) / end.time.Sub(begun.time).Seconds(),
		P50: quantile(all.waits, .5), P99: quantile(all.waits, .99),
		ClientUs: float64((end.cpu - begun.cpu).Microseconds()) / float64(max(1, count)),
		Bytes:    all.bytes, First: all.first,
	})
	fmt.Println(string(out))
}

func quantile(sorted []float64, part float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(part*float64(len(sorted)-1))]
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}
