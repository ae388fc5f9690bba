package flagset

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/identity"
)

// SignIn holds the flags of the sign-in of people.
type SignIn struct {
	issuer, accessFile                string
	clientID, clientSecretFile        string
	deviceID, deviceSecretFile        string
	scopes, domains                   []string
	groupsClaim, caFile               string
	trustEmail                        bool
	sessionMaxAge, sessionIdle, check time.Duration
}

// Add adds the flags.
func (s *SignIn) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.issuer, "oidc-issuer", "",
		"URL of the OpenID Connect provider where people sign in (default: only API keys work)")
	flags.StringVar(&s.accessFile, "access-file", "",
		"with --oidc-issuer: YAML file with the roles of groups and people; reloaded when it changes")
	flags.StringVar(&s.clientID, "oidc-client-id", "", "client ID of Berth at the provider")
	flags.StringVar(&s.clientSecretFile, "oidc-client-secret-file", "",
		"file with the client secret; alternatively set BERTH_OIDC_CLIENT_SECRET")
	flags.StringVar(&s.deviceID, "oidc-device-client-id", "",
		"client ID for berth login, for providers that want another one (default: --oidc-client-id)")
	flags.StringVar(&s.deviceSecretFile, "oidc-device-client-secret-file", "",
		"file with the client secret of --oidc-device-client-id")
	flags.StringSliceVar(&s.scopes, "oidc-scopes", identity.DefaultScopes(), "scopes to ask for")
	flags.StringVar(&s.groupsClaim, "oidc-groups-claim", identity.DefaultGroupsClaim,
		"claim with the groups of a person; dots descend, as in realm_access.roles")
	flags.StringSliceVar(&s.domains, "oidc-allowed-domain", nil,
		"domain of email addresses that may sign in (repeatable; default: all)")
	flags.BoolVar(&s.trustEmail, "oidc-trust-email", false,
		"treat email addresses as verified although the provider does not say so")
	flags.StringVar(&s.caFile, "oidc-ca-file", "",
		"PEM file with additional certificate authorities for the provider")
	cli.PeriodVar(flags, &s.sessionMaxAge, "session-max-age", identity.DefaultSessionMaxAge,
		"time after which people must sign in again")
	cli.PeriodVar(flags, &s.sessionIdle, "session-idle", identity.DefaultSessionIdle,
		"time without a request after which a session expires")
	cli.PeriodVar(flags, &s.check, "oidc-recheck", identity.DefaultRecheck,
		"interval at which the provider is asked again for the groups of a session")
}

// Config returns the configuration for a server with a public URL, checked; an empty one without a provider.
func (s *SignIn) Config(app *cli.App, publicURL string) (identity.Config, string, error) {
	if s.issuer == "" {
		return identity.Config{}, "", nil
	}
	if s.accessFile == "" {
		return identity.Config{}, "", cli.Usagef("--oidc-issuer needs --access-file, which gives roles to groups")
	}
	if publicURL == "" {
		return identity.Config{}, "", cli.Usagef("--oidc-issuer needs --public-url, where browsers reach the server")
	}
	secret, err := secretFrom(app, s.clientSecretFile, "BERTH_OIDC_CLIENT_SECRET")
	if err != nil {
		return identity.Config{}, "", err
	}
	deviceSecret, err := secretFrom(app, s.deviceSecretFile, "BERTH_OIDC_DEVICE_CLIENT_SECRET")
	if err != nil {
		return identity.Config{}, "", err
	}
	config, err := identity.Config{
		Issuer: s.issuer, PublicURL: publicURL, Client: identity.Client{ID: s.clientID, Secret: secret},
		DeviceClient: identity.Client{ID: s.deviceID, Secret: deviceSecret}, Scopes: s.scopes,
		GroupsClaim: s.groupsClaim, TrustEmail: s.trustEmail, AllowedDomains: s.domains, CAFile: s.caFile,
		SessionMaxAge: s.sessionMaxAge, SessionIdle: s.sessionIdle, Recheck: s.check,
	}.WithDefaults()
	if err != nil {
		return config, "", cli.Usagef("sign-in: %v", err)
	}
	return config, s.accessFile, nil
}

// secretFrom reads a secret from a file or the environment: never from the command line, which every user of
// the machine can see.
func secretFrom(app *cli.App, file, variable string) (string, error) {
	if file == "" {
		return strings.TrimSpace(app.Env[variable]), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", cli.Usagef("read client secret: %v", err)
	}
	return strings.TrimSpace(string(data)), nil
}
