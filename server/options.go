package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/templating"
)

// Auth says who may use the server.
type Auth string

// What Auth can be.
const (
	AuthKeys Auth = "keys" // who has an API key
	AuthNone Auth = "none" // who can reach it: on loopback, unless told otherwise
)

// Migrate says what to do about a database whose schema is older than this binary needs.
type Migrate string

// What Migrate can be. Empty is auto for SQLite and check for PostgreSQL.
const (
	MigrateAuto  Migrate = "auto"
	MigrateCheck Migrate = "check"
)

// Defaults of options.
const (
	DefaultListen = "127.0.0.1:4200"
	DefaultLease  = 30 * time.Second
	// DefaultRateLimit is more than a person, a page or a script one after the other comes to.
	DefaultRateLimit = 300
)

// Options are what a server is started with. The zero value of a field is its default.
type Options struct {
	Listen        string // host:port of the API and the UI; port 0 takes a free one
	MetricsListen string // where /metrics is served instead of on Listen; empty: on Listen

	// TLSCertFile, with its chain, and TLSKeyFile are PEM; with them Listen speaks TLS. Changed files are
	// taken up.
	TLSCertFile, TLSKeyFile string
	TLSReloadEvery          time.Duration // how often they are looked at; 0 is every ten seconds

	DataDir           string // for the SQLite database; needed where DatabaseURL is empty
	DatabaseURL       string // postgres://…; empty: berth.db in DataDir
	DatabaseDirectURL string // PostgreSQL without a pooler in between; empty: DatabaseURL
	Migrate           Migrate

	Auth                        Auth
	AllowUnauthenticatedNetwork bool     // AuthNone although others than this machine can reach the server
	AllowedHosts                []string // host names that a server without keys answers to, besides the loopback ones
	BootstrapAdminKey           string   // an API key that must be valid, with role admin
	BootstrapWorkerKey          string   // the same, with role worker

	EnsurePools []PoolSpec
	Engines     *templating.Registry // of templates; nil: those that Berth comes with
	// KeepRuns, KeepLogs and KeepAudit are for how long runs are kept after their end, output after it was
	// written, and the audit. 0 is the default of each, ForEver what it says.
	KeepRuns, KeepLogs, KeepAudit time.Duration
	// RetainEvery is how often what was kept for long enough is removed; 0 is every minute.
	RetainEvery time.Duration
	// RateLimit is how many requests a second one API key may send, on average, with two seconds' worth at
	// once; keys of workers ten times as many. 0 is DefaultRateLimit, below it there is no limit.
	RateLimit float64
	Lease     time.Duration // how long a claim or a renewal holds; whole seconds

	Version string
	Logger  *slog.Logger
	// Ready is called once, when requests are served.
	Ready func(Address)
	// Now tells the time; nil: the clock.
	Now func() time.Time
}

// Address is where a server can be reached.
type Address struct {
	URL        string // of the API and the UI
	MetricsURL string // of the metrics
}

// PoolSpec is a work pool to make at the start where it is missing, with the default template of its type.
type PoolSpec struct{ Name, Type string }

// ParsePoolSpec reads NAME=TYPE.
func ParsePoolSpec(text string) (PoolSpec, error) {
	name, kind, ok := strings.Cut(text, "=")
	if !ok || name == "" || !api.PoolType(kind).Valid() {
		return PoolSpec{}, fmt.Errorf(
			"%q is not NAME=TYPE with TYPE %s or %s",
			text,
			api.Kubernetes,
			api.Process,
		)
	}
	return PoolSpec{Name: name, Type: kind}, nil
}

// withDefaults fills in what was not given and refuses what can not be meant.
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
		o.RetainEvery = defaultRetainEach
	}
	if o.RateLimit == 0 {
		o.RateLimit = DefaultRateLimit
	}
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
		return fmt.Errorf("authentication %q is neither %s nor %s", o.Auth, AuthKeys, AuthNone)
	case o.Migrate != MigrateAuto && o.Migrate != MigrateCheck:
		return fmt.Errorf("migrate %q is neither %s nor %s", o.Migrate, MigrateAuto, MigrateCheck)
	case (o.TLSCertFile == "") != (o.TLSKeyFile == ""):
		return errors.New(
			"TLS is half given: name the file of the certificate and that of its key, or neither",
		)
	case o.Lease < time.Second:
		return fmt.Errorf("a lease of %s is too short, it must last a second at least", o.Lease)
	case o.embedded() && o.DataDir == "":
		return errors.New("give a data directory or the URL of a database")
	}
	for what, key := range map[string]string{"admin": o.BootstrapAdminKey, "worker": o.BootstrapWorkerKey} {
		if key == "" {
			continue
		}
		if _, err := apikey.Parse(strings.TrimSpace(key)); err != nil {
			return fmt.Errorf("the bootstrap %s key: %w", what, err)
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

// checkReach refuses to serve the network without keys.
func (o Options) checkReach(listener net.Listener) error {
	if o.Auth != AuthNone || o.AllowUnauthenticatedNetwork {
		return nil
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if ok && address.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf(
		"without authentication only this machine may reach the server, %s can be reached by others: "+
			"listen on 127.0.0.1, use API keys (--auth keys), or allow it in so many words (--allow-unauthenticated-network)",
		listener.Addr(),
	)
}
