package identity

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/openid"
)

// Defaults of a Config.
const (
	DefaultSessionMaxAge = 12 * time.Hour
	DefaultSessionIdle   = 4 * time.Hour
	DefaultRecheck       = 15 * time.Minute
	DefaultGroupsClaim   = "groups"
	// minimumIdle leaves room for the precision of a session's last use.
	minimumIdle = 5 * time.Minute
)

// DefaultScopes are the scopes that a sign-in asks for. offline_access is for the refresh token.
func DefaultScopes() []string {
	return []string{"openid", "email", "profile", "groups", "offline_access"}
}

// Client is the registration of Berth at the provider.
type Client struct {
	ID     string
	Secret string // empty for a public client
}

// Config says where people sign in and for how long.
type Config struct {
	Issuer string // URL of the provider, exactly as it names itself
	Client Client
	// DeviceClient is the registration for the device flow; an empty ID means Client.
	DeviceClient Client
	Scopes       []string
	// GroupsClaim names the claim with the groups. Dots descend into objects.
	GroupsClaim string
	// TrustEmail takes email addresses as verified that the provider does not say are.
	TrustEmail bool
	// AllowedDomains are the domains of email addresses that may sign in; empty means all.
	AllowedDomains []string
	// PublicURL is where people reach the server, without a path.
	PublicURL string
	// CAFile holds additional certificate authorities for the provider.
	CAFile string
	// SessionMaxAge is how long a session lasts at most; SessionIdle how long without a request.
	SessionMaxAge, SessionIdle time.Duration
	// Recheck is how often the groups are read again.
	Recheck time.Duration
}

// maxGroupsAge is how old confirmed groups may be while the provider is unreachable.
func (c Config) maxGroupsAge() time.Duration { return 4 * c.Recheck }

// WithDefaults applies the defaults and checks the configuration.
func (c Config) WithDefaults() (Config, error) {
	if len(c.Scopes) == 0 {
		c.Scopes = DefaultScopes()
	}
	if c.GroupsClaim == "" {
		c.GroupsClaim = DefaultGroupsClaim
	}
	if c.SessionMaxAge == 0 {
		c.SessionMaxAge = DefaultSessionMaxAge
	}
	if c.SessionIdle == 0 {
		c.SessionIdle = DefaultSessionIdle
	}
	if c.Recheck == 0 {
		c.Recheck = DefaultRecheck
	}
	if c.DeviceClient.ID == "" {
		c.DeviceClient = c.Client
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	for i, domain := range c.AllowedDomains {
		c.AllowedDomains[i] = strings.ToLower(strings.TrimPrefix(domain, "@"))
	}
	return c, c.check()
}

func (c Config) check() error {
	if err := openid.CheckURL(c.Issuer); err != nil {
		return fmt.Errorf("issuer %q: %w", c.Issuer, err)
	}
	if err := openid.CheckURL(c.PublicURL); err != nil {
		return fmt.Errorf("public URL %q: %w", c.PublicURL, err)
	}
	public, err := url.Parse(c.PublicURL)
	switch {
	case err != nil || public.Path != "" || public.RawQuery != "" || public.Fragment != "" || public.User != nil:
		return fmt.Errorf("public URL %q: people sign in only at the root of a host, such as "+
			"https://berth.example.com, because page and cookies are for a whole host; serve Berth at a host "+
			"without a path, or leave out the sign-in provider", c.PublicURL)
	case c.Client.ID == "":
		return errors.New("the client ID is empty: set the ID that the provider gave to Berth")
	case !slices.Contains(c.Scopes, "openid"):
		return errors.New("the scopes lack openid, without which there is no ID token")
	case c.SessionIdle < minimumIdle:
		return fmt.Errorf("idle time of sessions %s: want at least %s", c.SessionIdle, minimumIdle)
	case c.SessionMaxAge < c.SessionIdle:
		return fmt.Errorf("sessions last at most %s, which is less than their idle time %s",
			c.SessionMaxAge, c.SessionIdle)
	case c.Recheck < time.Minute:
		return fmt.Errorf("interval of group checks %s: want at least 1m", c.Recheck)
	}
	return nil
}

// Secure reports whether people reach the server with TLS.
func (c Config) Secure() bool { return strings.HasPrefix(c.PublicURL, "https://") }

// RedirectURL is where the provider sends browsers back to.
func (c Config) RedirectURL() string { return c.PublicURL + "/sign-in/callback" }

// ProviderName is the host of the issuer, for messages.
func (c Config) ProviderName() string {
	if parsed, err := url.Parse(c.Issuer); err == nil && parsed.Host != "" {
		return parsed.Host
	}
	return c.Issuer
}
