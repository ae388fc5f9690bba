package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// processWorkers is how many real workers there are.
const processWorkers = 2

// crew are the workers of a storm.
type crew struct {
	site    *site
	network *network
	counts  *counts
	ctx     context.Context // of the workers' sessions

	mu        sync.Mutex
	workers   []*worker
	sessions  int
	processes [processWorkers]*processWorker
}

// processWorker is a place for a real worker, which starts processes.
type processWorker struct {
	mu      sync.Mutex // held while the worker is away
	program *program
}

// startCrew starts all workers.
func startCrew(ctx context.Context, s *site, n *network, counts *counts) (*crew, error) {
	c := &crew{site: s, network: n, counts: counts, ctx: ctx}
	for i := range s.config.workers {
		pool := limitedPool
		switch {
		case i == 0:
			pool = clockPool
		case i%2 == 0:
			pool = openPool
		}
		c.workers = append(c.workers, c.session(pool, fmt.Sprint("worker-", i)))
	}
	for i := range c.processes {
		c.processes[i] = &processWorker{}
		c.processes[i].mu.Lock()
		err := c.startProcess(ctx, i)
		c.processes[i].mu.Unlock()
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *crew) session(pool, name string) *worker {
	c.sessions++
	return startWorker(c.ctx, c.site, c.network, c.counts, pool, name, c.sessions)
}

// pick draws a worker.
func (c *crew) pick(dice *rand.Rand) *worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.workers[dice.IntN(len(c.workers))]
}

// replace ends a worker's session and starts the next one.
func (c *crew) replace(dice *rand.Rand, end func(*worker)) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := dice.IntN(len(c.workers))
	old := c.workers[i]
	end(old)
	c.workers[i] = c.session(old.pool, old.name)
	return old.session
}

// startProcess starts a real worker, whose place is locked. Without the server's answer it ends, and is started again.
func (c *crew) startProcess(ctx context.Context, i int) error {
	p := c.processes[i]
	for {
		program, err := c.site.startProgram(ctx, fmt.Sprint("process-worker-", i), "worker", "start", "--pool", processPool,
			"--type", "process", "--name", fmt.Sprint("process-", i), "--metrics-listen", "127.0.0.1:0",
			"--cluster-id", fmt.Sprint("host-", i),
			"--data-dir", filepath.Join(c.site.dir, fmt.Sprint("process-", i)),
			"--api-url", "http://"+c.site.servers[i%len(c.site.servers)].front.Addr())
		if err == nil {
			p.program = program
			return nil
		}
		if !pause(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

// restartProcess ends a real worker and starts it a while later.
func (c *crew) restartProcess(ctx context.Context, i int, signal syscall.Signal, after time.Duration) error {
	p := c.processes[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.program.end(signal)
	pause(ctx, after)
	return errors.Join(err, c.startProcess(ctx, i))
}

// stop ends all workers in order.
func (c *crew) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.workers {
		w.stop()
	}
	var err error
	for _, p := range c.processes {
		if p != nil && p.program != nil {
			err = errors.Join(err, p.program.end(syscall.SIGTERM))
		}
	}
	return err
}
