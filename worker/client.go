package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

// protocolVersion is what this worker speaks.
const protocolVersion = 1

// callTimeout bounds a call that does not wait on purpose.
const callTimeout = 30 * time.Second

// client is the worker protocol, one method per call, no retries: whoever calls knows what to send the next
// time.
type client struct {
	api  *apiclient.ClientWithResponses
	pool string
	name string
}

func newClient(o Options) (*client, error) {
	authorize := func(_ context.Context, r *http.Request) error {
		if o.APIKey != "" {
			r.Header.Set("Authorization", "Bearer "+o.APIKey)
		}
		r.Header.Set("User-Agent", "berth-worker/"+o.Version)
		return nil
	}
	c, err := apiclient.NewClientWithResponses(
		o.ServerURL,
		apiclient.WithHTTPClient(o.HTTPClient),
		apiclient.WithRequestEditorFn(authorize),
	)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", o.ServerURL, err)
	}
	return &client{api: c, pool: o.Pool, name: o.Name}, nil
}

// callError is a call that did not succeed.
type callError struct {
	op         string
	status     int // 0: there was no answer
	code       string
	detail     string
	retryAfter time.Duration
	err        error
}

func (e *callError) Error() string {
	if e.status == 0 {
		return fmt.Sprintf("%s: %v", e.op, e.err)
	}
	text := fmt.Sprintf("%s: the server answered %d", e.op, e.status)
	if e.code != "" {
		text += " " + e.code
	}
	if e.detail != "" {
		text += ": " + e.detail
	}
	if e.foreign() {
		text += " (not in Berth's words: is there something else at that address, or in between?)"
	}
	return text
}

func (e *callError) Unwrap() error { return e.err }

// foreign means that something answered which is not the server: whatever that says of a call is not the
// server's word. An ingress that is being set up knows no path, a login page wants a password. Only what it
// finds too large will stay so.
func (e *callError) foreign() bool {
	return e.status != 0 && e.status < 500 && e.code == "" && e.status != http.StatusRequestEntityTooLarge
}

// denied means that the key is not good for this, and will not be by asking again.
func (e *callError) denied() bool {
	return !e.foreign() && (e.status == http.StatusUnauthorized || e.status == http.StatusForbidden)
}

// temporary means that the same call may succeed later: no answer, or one that says so.
func (e *callError) temporary() bool {
	if e.foreign() {
		return true
	}
	switch e.status {
	case 0, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.status >= 500
}

// asCallError finds the callError in err; any other error counts as a call without an answer.
func asCallError(err error) *callError {
	var call *callError
	if errors.As(err, &call) {
		return call
	}
	return &callError{op: "call the server", err: err}
}

// deniedError is what ends a worker whose key is refused.
func deniedError(err error) error {
	return fmt.Errorf(
		"the server refuses this worker's API key: %w; give it a key with role worker for its pool (--api-key-file or BERTH_API_KEY)",
		err,
	)
}

// answer is what all generated responses have.
type answer interface {
	StatusCode() int
	GetBody() []byte
	GetApplicationProblemJSONDefault() *api.Problem
}

// check turns everything but the expected status into a callError.
func check(op string, want int, response answer, header func() *http.Response, err error) error {
	if err != nil {
		return &callError{op: op, err: err}
	}
	if response.StatusCode() == want {
		return nil
	}
	failed := &callError{
		op:     op,
		status: response.StatusCode(),
		err:    errors.New(http.StatusText(response.StatusCode())),
	}
	if p := response.GetApplicationProblemJSONDefault(); p != nil {
		failed.code, failed.detail = p.Code, p.Title
		if p.Detail != nil {
			failed.detail = *p.Detail
		}
	}
	if r := header(); r != nil {
		if seconds, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil && seconds > 0 {
			failed.retryAfter = min(time.Duration(seconds)*time.Second, time.Minute)
		}
	}
	return failed
}

// body returns what the server answered; an answer of the right status without it comes from something
// between us.
func body[T any](op string, v *T, err error) (*T, error) {
	if err == nil && v == nil {
		err = &callError{
			op:  op,
			err: errors.New("the answer is not of the worker protocol: is there a proxy in between?"),
		}
	}
	return v, err
}

func (c *client) hello(ctx context.Context, hello api.WorkerHello) (*api.WorkerWelcome, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const op = "greet the server"
	r, err := c.api.WorkerHelloWithResponse(ctx, hello)
	if err = check(op, http.StatusOK, r, func() *http.Response { return r.HTTPResponse }, err); err != nil {
		return nil, err
	}
	return body(op, r.JSON200, err)
}

func (c *client) claim(ctx context.Context, request api.ClaimRequest) (*api.ClaimResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout+time.Duration(request.WaitSeconds)*time.Second)
	defer cancel()
	const op = "claim runs"
	r, err := c.api.ClaimRunsWithResponse(ctx, request)
	if err = check(op, http.StatusOK, r, func() *http.Response { return r.HTTPResponse }, err); err != nil {
		return nil, err
	}
	return body(op, r.JSON200, err)
}

// release gives leases back while their Jobs run on.
func (c *client) release(ctx context.Context, leases []api.AttemptLease) error {
	_, err := c.lease(
		ctx,
		api.RenewRequest{Worker: c.name, Pool: c.pool, Leases: []api.AttemptLease{}, Release: &leases},
	)
	return err
}

func (c *client) renew(ctx context.Context, leases []api.AttemptLease) (*api.RenewResponse, error) {
	return c.lease(ctx, api.RenewRequest{Worker: c.name, Pool: c.pool, Leases: leases})
}

func (c *client) lease(ctx context.Context, request api.RenewRequest) (*api.RenewResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const op = "renew leases"
	r, err := c.api.RenewLeasesWithResponse(ctx, request)
	if err = check(op, http.StatusOK, r, func() *http.Response { return r.HTTPResponse }, err); err != nil {
		return nil, err
	}
	return body(op, r.JSON200, err)
}

// report returns one result per report, in order.
func (c *client) report(ctx context.Context, reports []api.Report) ([]api.ReportResult, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const op = "report attempts"
	r, err := c.api.ReportAttemptsWithResponse(
		ctx,
		api.ReportRequest{Worker: c.name, Pool: c.pool, Reports: reports},
	)
	if err = check(op, http.StatusOK, r, func() *http.Response { return r.HTTPResponse }, err); err != nil {
		return nil, err
	}
	if r.JSON200 == nil || len(r.JSON200.Results) != len(reports) {
		return nil, &callError{op: op, err: fmt.Errorf("not one answer for each of %d reports", len(reports))}
	}
	return r.JSON200.Results, nil
}

func (c *client) appendLogs(ctx context.Context, chunks []api.LogAppendChunk) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := c.api.AppendLogsWithResponse(ctx, api.LogAppend{Chunks: chunks})
	return check(
		"append output",
		http.StatusNoContent,
		r,
		func() *http.Response { return r.HTTPResponse },
		err,
	)
}

// lookUp returns one status per job, in order.
func (c *client) lookUp(
	ctx context.Context,
	clusterID string,
	jobs []api.AttemptRef,
) ([]api.AttemptStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const op = "look up attempts"
	r, err := c.api.LookUpAttemptsWithResponse(
		ctx,
		api.AttemptLookup{Pool: c.pool, ClusterID: clusterID, Jobs: jobs},
	)
	if err = check(op, http.StatusOK, r, func() *http.Response { return r.HTTPResponse }, err); err != nil {
		return nil, err
	}
	if r.JSON200 == nil || len(r.JSON200.Jobs) != len(jobs) {
		return nil, &callError{op: op, err: fmt.Errorf("not one answer for each of %d jobs", len(jobs))}
	}
	return r.JSON200.Jobs, nil
}

func (c *client) template(ctx context.Context, version uuid.UUID) (*api.TemplateVersion, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const op = "get the template"
	r, err := c.api.GetTemplateForWorkerWithResponse(ctx, version)
	if err = check(op, http.StatusOK, r, func() *http.Response { return r.HTTPResponse }, err); err != nil {
		return nil, err
	}
	return body(op, r.JSON200, err)
}
