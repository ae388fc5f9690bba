// Command berth is all of Berth in one binary: server, worker, development setup and the client of both.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// Once the first signal has begun to stop things in order, the second one gets its usual meaning back and
	// ends us.
	context.AfterFunc(ctx, stop)
	code := runMain(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// runMain is the program: what it is given is all it knows of the world. It returns the exit code.
func runMain(
	ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string,
) int {
	app := &cli.App{
		In: stdin, Out: stdout, Err: stderr, Env: cli.Environ(environ), Now: time.Now, Program: os.Args[0],
	}
	return app.Execute(ctx, rootCommand(app), args)
}
