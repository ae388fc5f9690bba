package signin

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/identity"
)

// Cookies has the names and attributes of the cookies of one server. Their values are secret.
type Cookies struct {
	secure        bool
	session, flow string
	lifetime      time.Duration
}

// NewCookies returns the cookies of a server. With TLS the prefix __Host- makes browsers refuse a cookie that
// another host of the same domain has set. Without TLS, which is for loopback only, the name has the port,
// because cookies of all ports of a host are shared.
func NewCookies(c identity.Config) Cookies {
	if c.Secure() {
		return Cookies{
			secure: true, session: "__Host-berth-session", flow: "__Host-berth-sign-in", lifetime: c.SessionMaxAge,
		}
	}
	suffix := ""
	if public, err := url.Parse(c.PublicURL); err == nil && public.Port() != "" {
		suffix = "-" + public.Port()
	}
	return Cookies{session: "berth-session" + suffix, flow: "berth-sign-in" + suffix, lifetime: c.SessionMaxAge}
}

func (c Cookies) set(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	cookie := &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: c.secure, HttpOnly: true,
		// Lax, not Strict: the browser comes back from the provider with a cross-site navigation.
		SameSite: http.SameSiteLaxMode, MaxAge: int(lifetime.Seconds()),
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// value returns a cookie. Of several with one name, which only another host of the domain can cause, none
// counts.
func value(r *http.Request, name string) string {
	found := r.CookiesNamed(name)
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// ClearSession makes the browser forget its session.
func (c Cookies) ClearSession(w http.ResponseWriter) { c.set(w, c.session, "", 0) }

// encodeFlow is the value of the cookie of a sign-in. It needs no signature: a browser that forges it deceives
// itself.
func encodeFlow(flow identity.CodeFlow, to string) string {
	return strings.Join([]string{flow.State, flow.Nonce, flow.Verifier, url.QueryEscape(to)}, ".")
}

func decodeFlow(text string) (flow identity.CodeFlow, to string, ok bool) {
	parts := strings.SplitN(text, ".", 4)
	if len(parts) != 4 {
		return flow, "", false
	}
	to, err := url.QueryUnescape(parts[3])
	return identity.CodeFlow{State: parts[0], Nonce: parts[1], Verifier: parts[2]}, to, err == nil
}
