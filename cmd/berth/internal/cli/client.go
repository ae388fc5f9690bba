package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/server/apikey"
)

// apiPaths are how the URL of an API may end, here and on other servers; the client adds the path itself.
var apiPaths = []string{"/api/v1", "/api"}

// DefaultAPIURL is where `berth dev` serves.
const DefaultAPIURL = "http://127.0.0.1:4200"

// ClientFlags adds the flags that say which server to talk to, for the command and all below it.
func ClientFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.String("api-url", "", "URL of the server (default "+DefaultAPIURL+")")
	flags.String("api-key-file", "", "file with the API key; alternatively set BERTH_API_KEY")
	flags.String("ca-file", "", "PEM file with additional certificate authorities to trust")
	flags.String("config", "",
		"configuration file with api_url, api_key and ca_file (default ~/.config/berth/config.yaml)")
	identityFlags(cmd)
}

// Connection is where the server is and the key for it.
type Connection struct {
	URL string
	Key string
	// Identity gets a key where Key is empty; nil: there is neither.
	Identity *Identity
	// Authorities are whom to trust; nil: the system's.
	Authorities *x509.CertPool
}

// Connection works out flag > environment > file.
func (a *App) Connection(cmd *cobra.Command) (Connection, error) {
	flag := func(name string) string {
		// The flag is there on every command that got ClientFlags; elsewhere the empty value is right.
		value, _ := cmd.Flags().GetString(name)
		return value
	}
	config, err := a.ReadConfig(flag("config"))
	if err != nil {
		return Connection{}, err
	}
	sessions, err := a.Sessions(cmd)
	if err != nil {
		return Connection{}, err
	}
	c := Connection{URL: cmp.Or(flag("api-url"), config.APIURL, sessions.Current, DefaultAPIURL)}
	c.URL = strings.TrimRight(strings.TrimSpace(c.URL), "/")
	for _, path := range apiPaths {
		c.URL = strings.TrimSuffix(c.URL, path)
	}
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return Connection{}, Usagef("%q is not a server URL; expected a URL such as %s", c.URL, DefaultAPIURL)
	}
	if c.Authorities, err = authorities(cmp.Or(flag("ca-file"), config.CAFile)); err != nil {
		return c, err
	}
	return c, a.credentials(&c, flag, sessions.Find(c.URL).Token, config)
}

// credentials are the key of the flag, else of the environment, else an ID token that was named, else the session,
// else the key of the file, else the ID token that GitHub Actions or Kubernetes offer.
func (a *App) credentials(c *Connection, flag func(string) string, session string, config Config) error {
	file, tokenFile := flag("api-key-file"), flag("id-token-file")
	if file != "" && tokenFile != "" {
		return Usagef("--api-key-file and --id-token-file exclude each other")
	}
	var err error
	if file == "" && a.Env["BERTH_API_KEY"] == "" {
		if c.Identity = a.identity(tokenFile, flag("id-token-rule")); c.Identity != nil {
			return nil
		}
	}
	if c.Key, err = a.apiKey(file, session, config); err != nil || c.Key != "" {
		return err
	}
	audience := cmp.Or(flag("id-token-audience"), strings.TrimRight(c.URL, "/"))
	c.Identity = a.automaticIdentity(audience, flag("id-token-rule"))
	return nil
}

// authorities are the system's and those of a file; nil without one.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, Usagef("read certificate authorities: %v", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without any
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, Usagef("%s holds no certificate in PEM", file)
	}
	return pool, nil
}

// apiKey is the key of the flag, else of the environment, else of the session, else of the file.
func (a *App) apiKey(file, session string, config Config) (string, error) {
	source, text := "--api-key-file "+file, ""
	switch {
	case file != "":
		return ReadKeyFile(source, file)
	case a.Env["BERTH_API_KEY"] != "":
		source, text = "BERTH_API_KEY", a.Env["BERTH_API_KEY"]
	case session != "":
		return session, nil
	default:
		source, text = "api_key of the configuration file", config.APIKey
	}
	return CleanKey(source, text)
}

// ReadKeyFile returns the key in a file; source names the file in errors.
func ReadKeyFile(source, file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", Usagef("%s: read key: %v", source, err)
	}
	key, err := CleanKey(source, string(data))
	if err == nil && key == "" {
		return "", Usagef("%s: the file is empty, want a key", source)
	}
	return key, err
}

// CleanKey takes white space off a key. Its errors name the source and never the key.
func CleanKey(source, text string) (string, error) {
	key, err := apikey.Clean(text)
	if err != nil {
		return "", Usagef("%s: the key is not usable: %v", source, err)
	}
	return key, nil
}

// Client makes the client for the server that flags, environment and file name.
func (a *App) Client(cmd *cobra.Command) (*apiclient.ClientWithResponses, error) {
	connection, err := a.Connection(cmd)
	if err != nil {
		return nil, err
	}
	return a.NewClient(connection)
}

// NewClient makes a client for a server.
func (a *App) NewClient(c Connection) (*apiclient.ClientWithResponses, error) {
	var transport http.RoundTripper = &serverTransport{next: rateLimitRetry{a.transport(c)}, url: c.URL}
	if c.Key == "" && c.Identity != nil {
		var err error
		if transport, err = a.newExchanging(c, transport); err != nil {
			return nil, err
		}
	}
	doer := apiclient.NewHTTPClient(transport)
	client, err := apiclient.NewClientWithResponses(c.URL, apiclient.WithHTTPClient(doer),
		apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			if c.Key != "" {
				r.Header.Set("Authorization", "Bearer "+c.Key)
			}
			if caller := a.Env["TRACEPARENT"]; caller != "" { // of a CI job, or of a job of Berth
				r.Header.Set("traceparent", caller)
			}
			return nil
		}))
	if err != nil {
		return nil, fmt.Errorf("make client for %s: %w", c.URL, err)
	}
	return client, nil
}

func (a *App) transport(c Connection) http.RoundTripper {
	switch {
	case a.Transport != nil:
		return a.Transport
	case a.defaultTransport == nil:
		a.defaultTransport = apiclient.NewTransport(c.Authorities)
	}
	return a.defaultTransport
}

// closeConnections closes idle connections at the end of the command.
func (a *App) closeConnections() {
	if a.defaultTransport != nil {
		a.defaultTransport.CloseIdleConnections()
	}
}

// serverTransport tells a server that is down, and something else that listens in its place, from a Berth
// server.
type serverTransport struct {
	next http.RoundTripper
	url  string
}

func (t *serverTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		return nil, &UnreachableError{URL: t.url, Err: rootCause(err)}
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated {
		kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if kind == "text/html" || kind == "" {
			resp.Body.Close()
			return nil, &UnreachableError{
				URL: t.url,
				Err: errors.New("the response is not from a Berth server"),
			}
		}
	}
	return resp, nil
}

// rootCause leaves out the layers that only repeat the address.
func rootCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		var sys *os.SyscallError
		if errors.As(op.Err, &sys) {
			return sys.Err
		}
		return op.Err
	}
	return err
}

// TransportError is the error of a request that got no answer. It takes off what net/http puts around errors:
// method and URL say nothing to the user.
func TransportError(err error) error {
	var unreachable *UnreachableError
	if errors.As(err, &unreachable) {
		return unreachable
	}
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		return urlErr.Err
	}
	return err
}
