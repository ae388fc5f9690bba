// Package watch follows a run as it happens: its states and its output, over the server's stream of events.
//
// A connection that is lost, or silent for longer than the server's heartbeat allows, is made again from the
// last event that was seen, with a growing pause. Follow returns when the run has ended, its context has, or
// the server stays unreachable.
package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

// Sink is told what happens, in order.
type Sink interface {
	// Event is a change of the run.
	Event(api.RunEvent) error
	// Output is a piece of an attempt's output, as it was written.
	Output(api.LogChunk) error
	// Lost says that the connection broke and is being made again.
	Lost(err error)
}

// ProgressSink is a Sink that is also told how far the run says it is.
type ProgressSink interface {
	Progress(api.RunProgress) error
}

// Streamer is what is needed of the client.
type Streamer interface {
	StreamRun(
		ctx context.Context,
		run api.RunParam,
		params *api.StreamRunParams,
		editors ...apiclient.RequestEditorFn,
	) (*http.Response, error)
}

// Follower follows one run.
type Follower struct {
	Client Streamer
	Run    uuid.UUID
	// Logs says whether output is wanted.
	Logs bool

	// Silence is how long a connection may say nothing, heartbeats included. The server sends one every 15 s.
	Silence time.Duration
	// Pause is how long to wait before the n-th attempt in a row to connect again, from 1; false gives up.
	Pause func(n int) (time.Duration, bool)
}

// New makes a Follower with the usual patience: pauses from a quarter of a second to five, ten minutes in
// all.
func New(client Streamer, run uuid.UUID, logs bool) *Follower {
	return &Follower{Client: client, Run: run, Logs: logs, Silence: 45 * time.Second, Pause: reconnectPause}
}

func reconnectPause(n int) (time.Duration, bool) {
	return min(250*time.Millisecond<<min(n-1, 10), 5*time.Second), n <= 125
}

// Follow tells the sink what happens until the run has ended, and returns the run as it ended.
func (f *Follower) Follow(ctx context.Context, sink Sink) (api.Run, error) {
	var last string
	connected, told := false, false
	for failures := 0; ; {
		before := last
		run, err := f.connect(ctx, &last, &connected, sink)
		if run != nil {
			return *run, nil
		}
		if ctx.Err() != nil {
			return api.Run{}, ctx.Err()
		}
		// A server that was never there is not waited for: the address is more likely wrong.
		if permanent(err) || !connected {
			return api.Run{}, err
		}
		if last != before {
			failures, told = 0, false
		}
		failures++
		pause, again := f.Pause(failures)
		if !again {
			return api.Run{}, err
		}
		// A server that stops closes its streams; only what follows tells whether another took over at once.
		if !told && !errors.Is(err, errStreamEnded) {
			told = true
			sink.Lost(err)
		}
		if err := wait(ctx, pause); err != nil {
			return api.Run{}, err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// permanent tells what another connection will not cure.
func permanent(err error) bool {
	var sinkErr *sinkError
	if errors.As(err, &sinkErr) {
		return true
	}
	var redirect *apiclient.RedirectError
	if errors.As(err, &redirect) {
		return true
	}
	var problem *cli.ProblemError
	return errors.As(err, &problem) && problem.Status < 500 && problem.Status != http.StatusTooManyRequests &&
		problem.Status != http.StatusRequestTimeout
}

// sinkError is an error of the sink. Reconnecting does not help.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// connect follows over one connection. It returns the run when that has ended.
func (f *Follower) connect(ctx context.Context, last *string, connected *bool, sink Sink) (*api.Run, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(f.Silence,
		func() { cancel(fmt.Errorf("the server was silent for %s", f.Silence)) })
	defer silent.Stop()

	params := &api.StreamRunParams{Logs: &f.Logs}
	if *last != "" {
		params.LastEventID = last
	}
	resp, err := f.Client.StreamRun(ctx, f.Run, params)
	if err != nil {
		return nil, causeOr(ctx, cli.TransportError(err))
	}
	defer resp.Body.Close()
	if err := refused(resp); err != nil {
		return nil, err
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		return nil, &sinkError{err: fmt.Errorf("the response of the server is no stream of events, but %q", kind)}
	}
	*connected = true
	stream := newScanner(resp.Body, func() { silent.Reset(f.Silence) })
	for {
		m, err := stream.next()
		if err != nil {
			return nil, causeOr(ctx, err)
		}
		run, err := deliver(m, sink)
		if run != nil || err != nil {
			return run, err
		}
		if m.id != "" {
			*last = m.id
		}
	}
}

func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func refused(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	problem := api.Problem{Title: fmt.Sprintf("the server answered %s", resp.Status)}
	// What is no problem document leaves the title as it is.
	_ = json.Unmarshal(body, &problem)
	return &cli.ProblemError{Status: resp.StatusCode, Problem: problem}
}

func deliver(m message, sink Sink) (*api.Run, error) {
	switch m.event {
	case "event":
		return nil, pass(m, sink.Event)
	case "log":
		return nil, pass(m, sink.Output)
	case "progress":
		if told, ok := sink.(ProgressSink); ok {
			return nil, pass(m, told.Progress)
		}
		return nil, nil
	case "end":
		var run api.Run
		err := pass(m, func(r api.Run) error { run = r; return nil })
		if err != nil {
			return nil, err
		}
		return &run, nil
	}
	// A newer server may send what we do not know.
	return nil, nil
}

func pass[T any](m message, to func(T) error) error {
	var value T
	err := json.Unmarshal([]byte(m.data), &value)
	if err == nil {
		err = cli.CheckRequired[T]([]byte(m.data))
	}
	if err != nil {
		return &sinkError{err: fmt.Errorf("decode %q event: %w", m.event, err)}
	}
	if err := to(value); err != nil {
		return &sinkError{err: err}
	}
	return nil
}
