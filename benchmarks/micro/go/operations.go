// The same single operations in Go, under the names of the benchmarks beside this folder.
//
//	go run operations.go
//
// On one thread, as a scheduler of ramie is, unless GOMAXPROCS says otherwise.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"syscall"
	"time"
)

func yield(n int) {
	done := make(chan struct{})
	go func() {
		for i := 0; i < n/2; i++ {
			runtime.Gosched()
		}
		close(done)
	}()
	for i := 0; i < n/2; i++ {
		runtime.Gosched()
	}
	<-done
}

func spawnJoin(n int) {
	for i := 0; i < n; i++ {
		done := make(chan struct{})
		go func() { close(done) }()
		<-done
	}
}

func lockUnlock(n int) {
	var m sync.Mutex
	for i := 0; i < n; i++ {
		m.Lock()
		m.Unlock()
	}
}

// A channel with one place is what Go has for a semaphore.
func semaphoreHandOver(n int) {
	there, back := make(chan struct{}, 1), make(chan struct{}, 1)
	go func() {
		for range there {
			back <- struct{}{}
		}
	}()
	for i := 0; i < n; i += 2 {
		there <- struct{}{}
		<-back
	}
	close(there)
}

func queuePutGet(n int) {
	q := make(chan int, 16)
	for i := 0; i < n; i++ {
		q <- 1
		<-q
	}
}

func queueHandOver(n int) {
	there, back := make(chan int, 2), make(chan int, 2)
	go func() {
		for item := range there {
			back <- item
		}
	}()
	for i := 0; i < n; i += 2 {
		there <- 1
		<-back
	}
	close(there)
}

func channelRoundTrip(n int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for item := range there {
			back <- item
		}
	}()
	for i := 0; i < n; i++ {
		there <- 1
		<-back
	}
	close(there)
}

func timeoutAroundNothing(n int) {
	for i := 0; i < n; i++ {
		_, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		cancel()
	}
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// The CPU nanoseconds of one, the median of five runs of as many as take a tenth of a second.
func measure(run func(int)) (float64, int) {
	count := 1000
	once := func() time.Duration {
		runtime.GC()
		start := cpuTime()
		run(count)
		return cpuTime() - start
	}
	for once() < 100*time.Millisecond {
		count *= 2
	}
	results := make([]float64, 5)
	for i := range results {
		results[i] = float64(once()) / float64(count)
	}
	sort.Float64s(results)
	return results[len(results)/2], count
}

func main() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	for _, each := range []struct {
		name string
		run  func(int)
	}{
		{"yield", yield},
		{"spawn_join", spawnJoin},
		{"lock_unlock", lockUnlock},
		{"semaphore_hand_over", semaphoreHandOver},
		{"queue_put_get", queuePutGet},
		{"queue_hand_over", queueHandOver},
		{"channel_round_trip", channelRoundTrip},
		{"timeout_around_nothing", timeoutAroundNothing},
	} {
		perOperation, count := measure(each.run)
		fmt.Printf("%-36s %8.1f ns CPU %12d\n", each.name+"<go>", perOperation, count)
	}
}
