package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

// Client is the generated client of the API. Pass the results of its methods to Value, Created or Check:
//
//	run, err := cli.Value(client.GetRunWithResponse(ctx, id))
type Client = apiclient.ClientWithResponses

// WithClient adapts a function that calls the server to the RunE of a command.
func (a *App) WithClient(
	run func(ctx context.Context, client *Client, args []string) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := a.Client(cmd)
		if err != nil {
			return err
		}
		return run(cmd.Context(), client, args)
	}
}

// Response has the methods that all responses of the client share.
type Response interface {
	StatusCode() int
	GetBody() []byte
	GetApplicationProblemJSONDefault() *api.Problem
}

// okResponse is a response whose status 200 carries a T.
type okResponse[T any] interface {
	Response
	GetJSON200() *T
}

// createdResponse is a response whose status 201 carries a T.
type createdResponse[T any] interface {
	Response
	GetJSON201() *T
}

// Value returns the document of a response with status 200.
func Value[T any](r okResponse[T], err error) (T, error) {
	// The getter must not be called on the nil response that comes with an error.
	if err := Check(r, err); err != nil {
		return *new(T), err
	}
	return requireBody(r, r.GetJSON200())
}

// Created returns the document of a response with status 201.
func Created[T any](r createdResponse[T], err error) (T, error) {
	if err := Check(r, err); err != nil {
		return *new(T), err
	}
	return requireBody(r, r.GetJSON201())
}

func requireBody[T any](r Response, value *T) (T, error) {
	if value == nil {
		return *new(T), fmt.Errorf(
			"the server sent a response with status %d that this version of berth cannot read; compare berth version on both sides",
			r.StatusCode(),
		)
	}
	if err := CheckRequired[T](r.GetBody()); err != nil {
		return *new(T), fmt.Errorf("%w; check the server's URL, and compare berth version on both sides", err)
	}
	return *value, nil
}

// Check turns a failed request, or a response that reports a failure, into an error.
func Check(r Response, err error) error {
	if err != nil {
		return TransportError(err)
	}
	status := r.StatusCode()
	if status >= 200 && status < 300 {
		return nil
	}
	problem := r.GetApplicationProblemJSONDefault()
	if problem == nil {
		problem = &api.Problem{Title: foreignResponse(status, r.GetBody())}
	}
	return &ProblemError{Status: status, Problem: *problem}
}

// foreignResponse describes a response that is not a problem document, such as one of a proxy.
func foreignResponse(status int, body []byte) string {
	text := fmt.Sprintf("the server responded with %d %s", status, http.StatusText(status))
	if line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n"); line != "" && len(line) < 200 {
		text += ": " + line
	}
	return text
}

// pageSize is the number of items that one request asks for.
const pageSize = 500

// maxListed bounds the items that a list collects in memory, and maxPages the pages: a page may be empty where a server
// searches for little among much.
const (
	maxListed = 1_000_000
	maxPages  = 20_000
)

// Pages collects the items of all pages, at most limit of them; 0 means all.
func Pages[T any](
	limit int, page func(limit int32, cursor *string) (items []T, next *string, err error),
) ([]T, error) {
	all := []T{}
	var cursor *string
	seen := map[string]bool{}
	for {
		size := pageSize
		if limit > 0 {
			size = min(size, limit-len(all))
		}
		items, next, err := page(int32(size), cursor)
		if err != nil {
			return nil, err
		}

		all = append(all, items...)
		if next == nil || *next == "" || (limit > 0 && len(all) >= limit) {
			return all, nil
		}
		if seen[*next] || len(all) > maxListed || len(seen) > maxPages {
			return nil, fmt.Errorf("the list does not end: after %d items, the server repeats a page or has more than "+
				"%d items; filter the list, or check any proxy in between", len(all), maxListed)
		}
		seen[*next] = true
		cursor = next
	}
}
