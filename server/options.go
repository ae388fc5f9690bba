package server

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/archive"
	"github.com/berth-dev/berth/server/identity"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// Auth is how requests are authenticated.
type Auth string

// Kinds of authentication.
const (
	AuthKeys Auth = "keys" // by API key
	AuthNone Auth = "none" // not at all; only on loopback, unless allowed explicitly
)

// Migrate is what to do with a database whose schema is older than this binary requires.
type Migrate string

// Empty means MigrateAuto for SQLite and MigrateCheck for PostgreSQL.
const (
	MigrateAuto  Migrate = "auto"
	MigrateCheck Migrate = "check"
)

// Defaults of options.
const (
	DefaultListen = "127.0.0.1:4200"
	DefaultLease  = 30 * time.Second
	// DefaultRateLimit is higher than what a user, the UI or a sequential script needs.
	DefaultRateLimit = 300
	// DefaultConnections and DefaultPeopleConnections are for PostgreSQL, whose default is 100 for all servers.
	DefaultConnections       = 20
	DefaultPeopleConnections = 10
	DefaultPeopleTimeout     = store.DefaultPeopleTimeout
	DefaultReadLagMax        = store.DefaultReadLagMax
	// DefaultStreamsPerKey is what a team needs that shares a key.
	DefaultStreamsPerKey = 200
	DefaultStreams       = 1000
	// DefaultMetricsDeployments times a dozen series is what a Prometheus takes from each replica without a thought.
	DefaultMetricsDeployments = 1000
)

// Options of a server. The zero value of a field means its default.
type Options struct {
	Listen        string // host:port of the API and the UI; port 0 means a free port
	MetricsListen string // host:port of /metrics; empty means Listen

	// TLSCertFile (with its chain) and TLSKeyFile are PEM files for serving TLS. They are reloaded when they
	// change.
	TLSCertFile, TLSKeyFile string
	TLSReloadEvery          time.Duration // how often they are checked; 0 means every ten seconds

	DataDir           string        // of the SQLite database; required if DatabaseURL is empty
	DatabaseURL       string        // postgres://…; empty means berth.db in DataDir
	DatabaseDirectURL string        // PostgreSQL without a connection pooler; empty means DatabaseURL
	DatabaseReadURL   string        // a PostgreSQL standby that answers lists; empty means none
	ReadLagMax        time.Duration // how far it may be behind; 0 means DefaultReadLagMax
	Migrate           Migrate
	// Connections and PeopleConnections are the most connections to PostgreSQL for workers and schedules, and for
	// people, who cannot take those of the workers. 0 means the default.
	Connections, PeopleConnections int
	// PeopleTimeout bounds a query of people; 0 means DefaultPeopleTimeout.
	PeopleTimeout time.Duration

	Auth                        Auth
	AllowUnauthenticatedNetwork bool     // permits AuthNone on addresses other than loopback
	AllowedHosts                []string // additional host names that a server without keys answers to
	BootstrapAdminKey           string   // an API key to create, with role admin
	BootstrapWorkerKey          string   // an API key to create, with role worker
	BootstrapWorkerPools        []string // the pools in which it has the role; empty: all

	// PublicURL is where clients and others reach the server: https://HOST[/PATH]. It is the issuer of run
	// tokens, which are off without it.
	PublicURL string
	// IdentityKey encrypts the keys that sign run tokens and the secrets of webhooks; see seal.Parse. Empty means a file
	// in the data directory if the database is SQLite, and neither of these if it is PostgreSQL.
	IdentityKey string
	// WebhookAllow says which hosts webhooks may call; see outbound.ParsePolicy. Empty means none: webhooks are off.
	WebhookAllow []string
	// RotateIdentityEvery is how long a key signs run tokens; 0 means 30 days.
	RotateIdentityEvery time.Duration
	// SignIn says where people sign in; an empty issuer means that only API keys work. AccessFile gives them
	// roles.
	SignIn     identity.Config
	AccessFile string

	EnsurePools []PoolSpec
	// Declared reads the files that the server applies by itself, at its start and when they change; nil for none. It
	// needs BootstrapAdminKey, or AuthNone.
	Declared func() []DeclaredFile
	Engines  *templating.Registry // template engines; nil means the built-in ones
	// Protected is what no Job may refer to: the objects of this installation in the cluster.
	Protected reference.Protected
	// KeepRuns, KeepLogs and KeepAudit are the retention periods of finished runs, of output and of the audit
	// log; KeepDeleted is for how long deleted objects can be restored, and KeepStatistics for how long hourly counts stay. 0
	// means the default; see KeepForever.
	KeepRuns, KeepLogs, KeepAudit, KeepDeleted, KeepStatistics time.Duration
	// RetainEvery is how often expired objects are removed; 0 means every minute.
	RetainEvery time.Duration
	// RateLimit is the average number of requests per second of one API key, with bursts of two seconds'
	// worth; worker keys may send ten times as many. 0 means DefaultRateLimit, a negative value no limit.
	RateLimit float64
	// OutputArchive is where the output of ended attempts is moved to; an empty URL means that it stays in the
	// database.
	OutputArchive archive.Config
	// BodyMemory bounds the bodies of all requests under way, in bytes; 0 means a sixteenth of the memory limit.
	BodyMemory int64
	// MetricsDeployments is how many deployments have separate metrics; 0 means DefaultMetricsDeployments, a negative
	// number none.
	MetricsDeployments int
	// StreamsPerKey and Streams are how many streams and downloads of output may be open on this server, of one
	// API key and in all. 0 means the default.
	StreamsPerKey, Streams int
	Lease                  time.Duration // duration of a lease, in whole seconds

	Version string
	Logger  *slog.Logger
	// Ready is called once, when the server accepts requests.
	Ready func(Address)
	// Now returns the current time; nil means time.Now.
	Now func() time.Time
}

// Address of a running server.
type Address struct {
	URL        string // of the API and the UI
	MetricsURL string // of the metrics
}

// PoolSpec is a work pool to create at startup if it does not exist, with the default template of its type.
type PoolSpec struct{ Name, Type string }

// ParsePoolSpec reads NAME=TYPE.
func ParsePoolSpec(text string) (PoolSpec, error) {
	name, kind, ok := strings.Cut(text, "=")
	if !ok || name == "" || !api.PoolType(kind).Valid() {
		return PoolSpec{}, fmt.Errorf(
			"invalid work pool %q: want NAME=TYPE with TYPE %s or %s", text, api.Kubernetes, api.Process)
	}
	return PoolSpec{Name: name, Type: kind}, nil
}

// withDefaults applies the defaults and checks the options.
func (o Options) withDefaults() (Options, error) {
	if o.Engines == nil {
		o.Engines = templating.DefaultRegistry()
	}
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Auth == "" {
		o.Auth = AuthKeys
	}
	if o.TLSReloadEvery == 0 {
		o.TLSReloadEvery = defaultTLSReload
	}
	if o.RetainEvery == 0 {
		o.RetainEvery = defaultRetainEvery
	}
	if o.RateLimit == 0 {
		o.RateLimit = DefaultRateLimit
	}
	o.Connections = cmp.Or(o.Connections, DefaultConnections)
	o.PeopleConnections = cmp.Or(o.PeopleConnections, DefaultPeopleConnections)
	o.PeopleTimeout = cmp.Or(o.PeopleTimeout, DefaultPeopleTimeout)
	o.StreamsPerKey = cmp.Or(o.StreamsPerKey, DefaultStreamsPerKey)
	o.Streams = cmp.Or(o.Streams, DefaultStreams)
	o.MetricsDeployments = cmp.Or(o.MetricsDeployments, DefaultMetricsDeployments)
	if o.Lease == 0 {
		o.Lease = DefaultLease
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Ready == nil {
		o.Ready = func(Address) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Migrate == "" {
		o.Migrate = MigrateCheck
		if o.embedded() {
			o.Migrate = MigrateAuto
		}
	}
	return o, o.check()
}

func (o Options) check() error {
	switch {
	case o.Auth != AuthKeys && o.Auth != AuthNone:
		return fmt.Errorf("unknown authentication %q: want %s or %s", o.Auth, AuthKeys, AuthNone)
	case o.Migrate != MigrateAuto && o.Migrate != MigrateCheck:
		return fmt.Errorf("unknown migration mode %q: want %s or %s", o.Migrate, MigrateAuto, MigrateCheck)
	case (o.TLSCertFile == "") != (o.TLSKeyFile == ""):
		return errors.New("TLS needs a certificate file and a key file: set both or neither")
	case o.SignIn.Issuer != "" && o.Auth == AuthNone:
		return errors.New("people sign in only where requests are authenticated: use --auth keys")
	case o.SignIn.Issuer != "" && o.AccessFile == "":
		return errors.New("no access file: without one, people who sign in have no role")
	case o.Lease < time.Second:
		return fmt.Errorf("lease duration %s is too short: want at least 1s", o.Lease)
	case min(o.Connections, o.PeopleConnections, o.StreamsPerKey, o.Streams) < 0 || o.PeopleTimeout < 0:
		return errors.New("numbers of connections and streams, and the time for queries of people, must be positive")
	case o.embedded() && o.DatabaseReadURL != "":
		return errors.New("a read replica needs PostgreSQL: set a database URL")
	case o.embedded() && o.DataDir == "":
		return errors.New("no database: set a data directory or a database URL")
	}
	for role, key := range map[string]string{"admin": o.BootstrapAdminKey, "worker": o.BootstrapWorkerKey} {
		if key == "" {
			continue
		}
		clean, err := apikey.Clean(key)
		if err == nil {
			_, err = apikey.Parse(clean)
		}
		if err != nil {
			return fmt.Errorf("bootstrap %s key: %w", role, err)
		}
	}
	return nil
}

// embedded reports whether the database is SQLite.
func (o Options) embedded() bool {
	return o.DatabaseURL == "" || strings.HasPrefix(o.DatabaseURL, "sqlite:")
}

func (o Options) databaseURL() (string, error) {
	if o.DatabaseURL != "" {
		return o.DatabaseURL, nil
	}
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return "", fmt.Errorf("data directory %q: %w", o.DataDir, err)
	}
	return "sqlite://" + filepath.ToSlash(filepath.Join(dir, "berth.db")), nil
}

// checkReach refuses to serve without keys on an address that other machines can reach.
func (o Options) checkReach(listener net.Listener) error {
	if o.Auth != AuthNone || o.AllowUnauthenticatedNetwork {
		return nil
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if ok && address.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf(
		"other machines can reach %s, but authentication is off: "+
			"listen on 127.0.0.1, use API keys (--auth keys), or set --allow-unauthenticated-network",
		listener.Addr(),
	)
}

// openDataDir creates the data directory. The store makes sure that only one server uses its SQLite file.
func (o Options) openDataDir() error {
	if !o.embedded() || o.DataDir == "" {
		return nil
	}
	const ownerOnly = 0o700
	if err := os.MkdirAll(o.DataDir, ownerOnly); err != nil {
		return fmt.Errorf("create data directory: %w", err)
	}
	return nil
}
