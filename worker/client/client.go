package client

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

// ProtocolVersion is the version of the worker protocol that this client speaks.
const ProtocolVersion = 1

// Timeout bounds a call that does not wait on purpose.
const Timeout = 30 * time.Second

// Options of a client.
type Options struct {
	// ServerURL is the address of the server, as in http://127.0.0.1:4200.
	ServerURL string
	// APIKey is sent as bearer token; empty for a server that runs without keys.
	APIKey string
	// HTTP sends the requests. It must not have a timeout below a minute: the client bounds every call.
	HTTP *http.Client
	// Pool and Worker name the caller.
	Pool, Worker string
	// Version of the caller, for the User-Agent header.
	Version string
}

// Client calls the worker protocol for one worker.
type Client struct {
	api          *apiclient.Client
	pool, worker string
	session      uuid.UUID
	hello        atomic.Pointer[api.WorkerHello] // the last one
}

// New returns a client. It does not connect.
func New(o Options) (*Client, error) {
	authorize := func(_ context.Context, r *http.Request) error {
		if o.APIKey != "" {
			r.Header.Set("Authorization", "Bearer "+o.APIKey)
		}
		r.Header.Set("User-Agent", "berth-worker/"+o.Version)
		return nil
	}
	c, err := apiclient.NewClient(
		o.ServerURL,
		apiclient.WithHTTPClient(o.HTTP),
		apiclient.WithRequestEditorFn(authorize),
	)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", o.ServerURL, err)
	}
	return &Client{api: c, pool: o.Pool, worker: o.Worker, session: uuid.New()}, nil
}

// Hello introduces the worker to the server, with the session of this client.
func (c *Client) Hello(ctx context.Context, hello api.WorkerHello) (*api.WorkerWelcome, error) {
	hello.SessionID = c.session
	c.hello.Store(&hello)
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	response, err := c.api.WorkerHello(ctx, hello)
	return decode[api.WorkerWelcome]("greet the server", response, err)
}

// greeted makes a call of a session. A server that does not know the session any more, as after its database was
// restored, is greeted again.
func greeted[T any](ctx context.Context, c *Client, call func() (T, error)) (T, error) {
	answer, err := call()
	hello := c.hello.Load()
	if err == nil || hello == nil || AsError(err).Code != codeSessionUnknown {
		return answer, err
	}
	if _, err := c.Hello(ctx, *hello); err != nil {
		return answer, err
	}
	return call()
}

// codeSessionUnknown is the server's code for a session that has not said hello.
const codeSessionUnknown = "session-unknown"

// Installation asks the server for the ID of its installation.
func (c *Client) Installation(ctx context.Context) (uuid.UUID, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	response, err := c.api.GetInfo(ctx)
	info, err := decode[api.Info]("ask the server for its installation", response, err)
	if err != nil {
		return uuid.Nil, err
	}
	return info.InstallationID, nil
}

// Claim asks for attempts and cancels; it waits up to request.WaitSeconds for the first of them.
func (c *Client) Claim(ctx context.Context, request api.ClaimRequest) (*api.ClaimResponse, error) {
	request.SessionID = c.session
	return greeted(ctx, c, func() (*api.ClaimResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, Timeout+time.Duration(request.WaitSeconds)*time.Second)
		defer cancel()
		response, err := c.api.ClaimRuns(ctx, request)
		return decode[api.ClaimResponse]("claim runs", response, err)
	})
}

// Renew extends leases. The list is partial if the worker holds more.
func (c *Client) Renew(ctx context.Context, leases []api.AttemptLease, partial bool) (*api.RenewResponse, error) {
	request := api.RenewRequest{Worker: c.worker, Pool: c.pool, Leases: leases, Partial: &partial}
	return c.renewOrRelease(ctx, "renew leases", request)
}

// ReleaseLeases ends leases at once, so that other workers may take over. Their Jobs run on.
func (c *Client) ReleaseLeases(ctx context.Context, leases []api.AttemptLease) error {
	partial := true
	request := api.RenewRequest{
		Worker:  c.worker,
		Pool:    c.pool,
		Leases:  []api.AttemptLease{},
		Partial: &partial,
		Release: &leases,
	}
	_, err := c.renewOrRelease(ctx, "release leases", request)
	return err
}

// Goodbye says that this worker stops, so that it counts no more as one that could claim runs.
func (c *Client) Goodbye(ctx context.Context) error {
	stops := true
	_, err := c.renewOrRelease(ctx, "say goodbye", api.RenewRequest{
		Worker: c.worker, Pool: c.pool, Leases: []api.AttemptLease{}, Partial: &stops, Goodbye: &stops,
	})
	return err
}

func (c *Client) renewOrRelease(
	ctx context.Context,
	op string,
	request api.RenewRequest,
) (*api.RenewResponse, error) {
	request.SessionID = c.session
	return greeted(ctx, c, func() (*api.RenewResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, Timeout)
		defer cancel()
		response, err := c.api.RenewLeases(ctx, request)
		return decode[api.RenewResponse](op, response, err)
	})
}

// Report sends reports and returns one result for each, in order.
func (c *Client) Report(ctx context.Context, reports []api.Report) ([]api.ReportResult, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	const op = "report attempts"
	request := api.ReportRequest{Worker: c.worker, Pool: c.pool, Reports: reports}
	response, err := c.api.ReportAttempts(ctx, request)
	answer, err := decode[api.ReportResponse](op, response, err)
	if err != nil {
		return nil, err
	}
	return answer.Results, checkLength(op, len(answer.Results), len(reports))
}

// AppendOutput sends chunks of output.
func (c *Client) AppendOutput(ctx context.Context, chunks []api.LogAppendChunk) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	response, err := c.api.AppendLogs(ctx, api.LogAppend{Chunks: chunks})
	_, err = read("append output", http.StatusNoContent, response, err)
	return err
}

// AnswerDryRun answers a dry run that came with a claim.
func (c *Client) AnswerDryRun(ctx context.Context, answer api.DryRunAnswer) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	answer.Pool, answer.Worker = c.pool, c.worker
	response, err := c.api.AnswerDryRun(ctx, answer)
	_, err = read("answer a dry run", http.StatusNoContent, response, err)
	return err
}

// LookUp returns the server's status of each Job, in order.
func (c *Client) LookUp(
	ctx context.Context,
	clusterID string,
	jobs []api.AttemptRef,
) ([]api.AttemptStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	const op = "look up attempts"
	request := api.AttemptLookup{Pool: c.pool, ClusterID: clusterID, Jobs: jobs}
	response, err := c.api.LookUpAttempts(ctx, request)
	answer, err := decode[api.AttemptLookupResult](op, response, err)
	if err != nil {
		return nil, err
	}
	return answer.Jobs, checkLength(op, len(answer.Jobs), len(jobs))
}

// Template returns the document of a template version.
func (c *Client) Template(ctx context.Context, version uuid.UUID) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	response, err := c.api.GetTemplateForWorker(ctx, version)
	template, err := decode[api.TemplateVersion]("get the template", response, err)
	if err != nil {
		return nil, err
	}
	return template.Document, nil
}

// RuleSet returns a rule set.
func (c *Client) RuleSet(ctx context.Context, id uuid.UUID) (api.RuleSet, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	response, err := c.api.GetRuleSetForWorker(ctx, id)
	set, err := decode[api.RuleSet]("get the rules", response, err)
	if err != nil {
		return api.RuleSet{}, err
	}
	return *set, nil
}
