package worker

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// Options of a worker.
type Options struct {
	// ServerURL is where the server answers, as in http://127.0.0.1:4200.
	ServerURL string
	// APIKey is sent as bearer token; empty where the server runs without keys.
	APIKey string
	// Pool is the work pool it serves, Name the worker's own name: unique in the pool, the same after a
	// restart.
	Pool, Name string
	// Version is the worker's, for people.
	Version string
	// Limit is how many attempts it holds at once; 0 is no limit.
	Limit int
	// Runtime runs the attempts. Its type must be the pool's.
	Runtime job.Runtime
	// TemplateEnv is the part of the worker's environment that templates may read.
	TemplateEnv map[string]string
	// ClusterConfig is what the Runtime's cluster is called in templates that name one; nil where it is the
	// cluster around.
	ClusterConfig *manifest.SecretReference
	// EnvAsSecret keeps the values of environment variables out of every manifest, whatever its template
	// says.
	EnvAsSecret bool
	// JobAPI is set where the pool's jobs may call the API.
	JobAPI *JobAPI
	// Engines are the template engines; those that Berth comes with where it is nil. The server must know the
	// same.
	Engines *templating.Registry
	// MetricsListen is where /healthz, /readyz and /metrics answer; empty is nowhere.
	MetricsListen string
	// Registry takes the metrics and is what /metrics shows; one of its own where it is nil.
	Registry *prometheus.Registry
	// Authorities are whom the usual HTTPClient trusts; nil: the system's.
	Authorities *x509.CertPool
	// HTTPClient talks to the server; one with sensible limits where it is nil. It must not have a timeout
	// below a minute: the worker bounds every call itself.
	HTTPClient *http.Client
	Logger     *slog.Logger
	// Listening is told the address that MetricsListen came to, for callers that listen on port 0.
	Listening func(address string)

	tuning tuning
}

// JobAPI is how a job calls the API.
type JobAPI struct {
	// URL of the server as seen from a job.
	URL string
	// SecretName and SecretKey are where its API key is, in the namespace of the Job. Both or neither are
	// given: without a key it is told the URL alone.
	SecretName, SecretKey string
	// OwnKey gives each attempt a key of its own, which can read its run and set its result and progress and
	// nothing else, in a Secret that its Job owns.
	OwnKey bool
}

// tuning is what tests turn; zero fields mean the defaults.
type tuning struct {
	retryMin, retryMax time.Duration // between two tries of one call
	claimWait          time.Duration // of one long poll
	renewEvery         time.Duration // 0: a third of the lease
	stopPatience       time.Duration // for reports, output and launches once the worker stops
	launchPatience     time.Duration // for a launch that was told to end
	outputDelay        time.Duration // how long an outcome waits for the last output
	outputLimit        int64         // bytes of output of one attempt
	lookEvery          time.Duration // between two looks at Jobs that nobody here launched
	unknownGrace       time.Duration // before a Job that the server does not know is let go
	launches           int           // at once
}

func (o *Options) setDefaults() error {
	switch {
	case o.ServerURL == "":
		return errors.New("worker needs the server's address (--api-url)")
	case o.Pool == "":
		return errors.New("worker needs a work pool (--pool)")
	case o.Name == "":
		return errors.New("worker needs a name (--name)")
	case o.Runtime == nil:
		return errors.New("worker needs a runtime")
	case o.JobAPI != nil && o.JobAPI.URL == "":
		return errors.New("jobs that may call the API need its address (--job-api-url)")
	case o.JobAPI != nil && (o.JobAPI.SecretName == "") != (o.JobAPI.SecretKey == ""):
		return errors.New(
			"the Secret with the jobs' API key is half given: name it and its key, or neither (--job-api-key-secret, --job-api-key-secret-key)",
		)
	case o.JobAPI != nil && o.JobAPI.OwnKey && o.JobAPI.SecretName != "":
		return errors.New(
			"jobs get a key of their own, or the one of a Secret: not both (--create-job-api-key-secret, --job-api-key-secret)",
		)
	case o.Limit < 0:
		return fmt.Errorf(
			"worker limit is %d: give a number of attempts, or 0 for no limit (--limit)",
			o.Limit,
		)
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.Engines == nil {
		o.Engines = templating.DefaultRegistry()
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{Transport: apiclient.NewTransport(o.Authorities)}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.tuning.setDefaults()
	return nil
}

func (t *tuning) setDefaults() {
	or(&t.retryMin, 200*time.Millisecond)
	or(&t.retryMax, 15*time.Second)
	or(&t.claimWait, 25*time.Second)
	or(&t.stopPatience, 10*time.Second)
	or(&t.launchPatience, 2*time.Second)
	or(&t.outputDelay, 300*time.Millisecond)
	or(&t.outputLimit, 64<<20)
	or(&t.lookEvery, 15*time.Second)
	or(&t.unknownGrace, 10*time.Minute)
	or(&t.launches, 64)
}

func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
