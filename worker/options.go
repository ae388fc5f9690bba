package worker

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
	"github.com/berth-dev/berth/worker/job"
)

// Options of a worker.
type Options struct {
	// ServerURL is the address of the server, as in http://127.0.0.1:4200.
	ServerURL string
	// APIKey is sent as bearer token; empty for a server that runs without keys.
	APIKey string
	// Pool is the work pool to serve. Name is the worker's: unique in the pool, the same after a restart.
	Pool, Name string
	// Version of the worker, for people.
	Version string
	// Limit is how many attempts the worker holds at once; 0 is no limit.
	Limit int
	// Runtime runs the attempts. Its type must be that of the pool.
	Runtime job.Runtime
	// TemplateEnv is the part of the worker's environment that templates may read.
	TemplateEnv map[string]string
	// ClusterConfig is what templates call the cluster of Runtime; nil for the cluster the worker runs in.
	ClusterConfig *manifest.SecretReference
	// EnvAsSecret keeps the values of environment variables out of every manifest, whatever its template
	// says.
	EnvAsSecret bool
	// JobServiceAccount is what Jobs run as whose template names no ServiceAccount; empty means the
	// namespace's default.
	JobServiceAccount string
	// Protected is what no Job may refer to.
	Protected reference.Protected
	// JobAPI lets the pool's jobs call the API; nil if they may not.
	JobAPI *JobAPI
	// Engines are the template engines; nil for those of Berth. The server must have the same.
	Engines *templating.Registry
	// MetricsListen is the address of /healthz, /readyz and /metrics; empty for none.
	MetricsListen string
	// Registry takes the metrics and is what /metrics shows; nil for a new one.
	Registry *prometheus.Registry
	// Authorities are trusted by the default HTTPClient; nil for those of the system.
	Authorities *x509.CertPool
	// HTTPClient calls the server; nil for a default one. It must not have a timeout below a minute: the
	// worker bounds every call itself.
	HTTPClient *http.Client
	Logger     *slog.Logger
	// RecordInstallation, if set, is called with the installation that the worker serves, until it returns nil.
	RecordInstallation func(ctx context.Context, installation uuid.UUID) error
	// Listening is called with the address of MetricsListen, for callers that listen on port 0.
	Listening func(address string)

	tuning tuning
}

// JobAPI says how jobs call the API.
type JobAPI struct {
	// URL of the server as seen from a job.
	URL string
	// SecretName and SecretKey say where the API key is, in the namespace of the Job. Without them, and
	// without OwnKey, a job has the URL only.
	SecretName, SecretKey string
	// OwnKey gives each attempt its own key, in a Secret that its Job owns. The key can read the run and set
	// its result and progress.
	OwnKey bool
}

func (j *JobAPI) access() *manifest.APIAccess {
	if j == nil {
		return nil
	}
	return &manifest.APIAccess{URL: j.URL, SecretName: j.SecretName, SecretKey: j.SecretKey}
}

func (j *JobAPI) check() error {
	switch {
	case j == nil:
		return nil
	case j.URL == "":
		return errors.New("--job-api-url is not set: jobs that may call the API need the server's address")
	case (j.SecretName == "") != (j.SecretKey == ""):
		return errors.New("--job-api-key-secret and --job-api-key-secret-key must be set together")
	case j.OwnKey && j.SecretName != "":
		return errors.New("--create-job-api-key-secret and --job-api-key-secret exclude each other: " +
			"jobs get a new key each, or the one of the Secret")
	}
	return nil
}

// tuning is for tests; zero fields are the defaults.
type tuning struct {
	retryMin, retryMax time.Duration // between two tries of one call
	claimWait          time.Duration // of one long poll
	renewEvery         time.Duration // 0: a third of the lease
	stopPatience       time.Duration // for launches, reports and output once the worker stops
	launchPatience     time.Duration // for a launch that is no longer wanted
	outputDelay        time.Duration // how long an outcome waits for the last output
	linesDelay         time.Duration // how long an outcome waits for its last lines
	outputLimit        int64         // bytes of output of one attempt
	resyncEvery        time.Duration // between two questions about a Job whose attempt is not held
	unobservedPatience time.Duration // for an attempt that cannot be observed
	unknownGrace       time.Duration // before a Job that the server does not know is finalized
	launches           int           // at once
}

func (o *Options) setDefaults() error {
	switch {
	case o.ServerURL == "":
		return errors.New("--api-url is not set: the worker needs the server's address")
	case o.Pool == "":
		return errors.New("--pool is not set: the worker needs a work pool to serve")
	case o.Name == "":
		return errors.New("--name is not set: the worker needs a name that is unique in its pool")
	case o.Runtime == nil:
		return errors.New("worker has no runtime")
	case o.Limit < 0:
		return fmt.Errorf("--limit is %d: want a number of attempts, or 0 for no limit", o.Limit)
	}
	if err := o.JobAPI.check(); err != nil {
		return err
	}

	setDefault(&o.Version, "unknown")
	if o.Engines == nil {
		o.Engines = templating.DefaultRegistry()
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.HTTPClient == nil {
		o.HTTPClient = apiclient.NewHTTPClient(apiclient.NewTransport(o.Authorities))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.tuning.setDefaults()
	return nil
}

func (t *tuning) setDefaults() {
	setDefault(&t.retryMin, 200*time.Millisecond)
	setDefault(&t.retryMax, 15*time.Second)
	setDefault(&t.claimWait, 25*time.Second)
	setDefault(&t.stopPatience, 10*time.Second)
	setDefault(&t.launchPatience, 2*time.Second)
	setDefault(&t.outputDelay, 300*time.Millisecond)
	setDefault(&t.linesDelay, 2*time.Second)
	setDefault(&t.outputLimit, 64<<20)
	setDefault(&t.resyncEvery, 15*time.Second)
	setDefault(&t.unobservedPatience, 2*time.Minute)
	setDefault(&t.unknownGrace, 10*time.Minute)
	setDefault(&t.launches, 64)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
