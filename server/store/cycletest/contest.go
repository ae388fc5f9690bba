package cycletest

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
)

// Contestant takes runs from due to completed.
type Contestant struct {
	Name string
	// Prepare makes n runs that are due.
	Prepare func(n int)
	// Run takes them through, and says how long that took.
	Run func(n int) time.Duration
}

// Timed is a Run that takes its whole time.
func Timed(t testing.TB, run func(n int) error) func(n int) time.Duration {
	return func(n int) time.Duration {
		t.Helper()
		begun := time.Now()
		if err := run(n); err != nil {
			t.Fatal(err)
		}
		return time.Since(begun)
	}
}

// Standing is what one contestant reached in each round.
type Standing struct {
	Rates []float64 // runs a second
	CPU   []float64 // seconds of a processor per run, of the contestant and of the database
}

// Contest has all take rounds of n runs, in turns on the shared server: what disturbs the machine for a while disturbs
// them all. Who begins changes from round to round.
func Contest(t testing.TB, rounds, n int, all ...Contestant) map[string]*Standing {
	t.Helper()
	standings := map[string]*Standing{}
	for _, c := range all {
		standings[c.Name] = &Standing{}
	}
	for round := range rounds {
		for i := range all {
			c := all[(round+i)%len(all)]
			c.Prepare(n)
			before := cpuTime(t)
			took := c.Run(n)
			s := standings[c.Name]
			s.Rates = append(s.Rates, float64(n)/took.Seconds())
			s.CPU = append(s.CPU, (cpuTime(t)-before).Seconds()/float64(n))
		}
	}
	return standings
}

// cpuTime is what this process, its children that have ended, and the database have computed.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	total := pgtest.Shared(t).CPUTime(t)
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		if err := syscall.Getrusage(who, &used); err != nil {
			t.Fatal(os.NewSyscallError("getrusage", err))
		}
		total += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return total
}

// Ratios are the least, the median and the greatest ratio of the rates of two in the same rounds.
func (s *Standing) Ratios(of *Standing) (least, median, greatest float64) {
	ratios := make([]float64, len(s.Rates))
	for i := range ratios {
		ratios[i] = s.Rates[i] / of.Rates[i]
	}
	slices.Sort(ratios)
	return ratios[0], ratios[len(ratios)/2], ratios[len(ratios)-1]
}

// Report reports medians.
func (s *Standing) Report(b *testing.B) {
	b.ReportMetric(median(s.Rates), "runs/s")
	b.ReportMetric(median(s.CPU), "cpu-sec/op")
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
