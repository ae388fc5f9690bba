package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// config is what a storm is asked to be.
type config struct {
	seed    uint64
	runs    int
	servers int
	workers int
	backlog int           // runs that have not ended at once
	every   time.Duration // mean time between two faults
	lease   time.Duration
	settle  time.Duration // after the last fault until all runs have ended
	faults  []string      // kinds; nil: all
	logs    string        // directory
	output  string
}

func parse(args []string, usage io.Writer) (config, error) {
	var c config
	var only string
	flags := flag.NewFlagSet("storm", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.Uint64Var(&c.seed, "seed", 0, "seed of all that is drawn (default: a new one, which is printed)")
	flags.IntVar(&c.runs, "runs", 100_000, "how many runs clients create")
	flags.IntVar(&c.servers, "servers", 3, "servers on the database")
	flags.IntVar(&c.workers, "workers", 16, "workers, half of them in a pool with limits")
	flags.IntVar(&c.backlog, "backlog", 2000, "how many runs may wait or be under way at once")
	flags.DurationVar(&c.every, "every", 2*time.Second, "mean time between two faults")
	flags.DurationVar(&c.lease, "lease", 6*time.Second, "lease of the servers")
	flags.DurationVar(&c.settle, "settle", 5*time.Minute, "time after the last fault within which all runs must have ended")
	flags.StringVar(&only, "faults", "", "kinds of faults, comma-separated, or none (default: all)")
	flags.StringVar(&c.logs, "logs", "", "directory for the logs of servers and workers (default: they are not kept)")
	flags.StringVar(&c.output, "o", "table", "how to print: table or json")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if only != "" {
		c.faults = strings.Split(only, ",")
	}
	if c.seed == 0 {
		c.seed = rand.Uint64N(1<<32) + 1
	}
	return c, c.check()
}

func (c config) check() error {
	switch {
	case c.runs < 1 || c.runs > 10_000_000:
		return errors.New("-runs is from 1 to 10000000")
	case c.servers < 1 || c.servers > 20:
		return errors.New("-servers is from 1 to 20")
	case c.workers < 2 || c.workers > 200:
		return errors.New("-workers is from 2 to 200")
	case c.backlog < 1:
		return errors.New("-backlog is at least 1")
	case c.every < time.Millisecond:
		return errors.New("-every is at least 1ms")
	case c.lease < 3*time.Second:
		return errors.New("-lease is at least 3s")
	case c.settle <= 0:
		return errors.New("-settle is above 0")
	case c.output != "table" && c.output != "json":
		return errors.New("-o is table or json")
	}
	for _, name := range c.faults {
		if name != noFaults && !slices.Contains(faultNames(), name) {
			return fmt.Errorf("-faults: no fault is called %q: want %s or %s", name, strings.Join(faultNames(), ", "), noFaults)
		}
	}
	return nil
}

const noFaults = "none"

// command repeats the storm.
func (c config) command() string {
	flags := fmt.Sprintf("-seed %d -runs %d -servers %d -workers %d -backlog %d -every %s -lease %s -settle %s",
		c.seed, c.runs, c.servers, c.workers, c.backlog, c.every, c.lease, c.settle)
	if c.faults != nil {
		flags += " -faults " + strings.Join(c.faults, ",")
	}
	return fmt.Sprintf("make storm STORM=%q", flags)
}

// dice returns the source of what one part of the storm draws. It is not safe for concurrent use.
func (c config) dice(part string, n int) *rand.Rand {
	h := uint64(14695981039346656037)
	for _, b := range []byte(fmt.Sprint(part, n)) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(c.seed, h))
}
