// Package keycookie keeps a browser signed in whose person has entered an API key: a cookie that only this installation can
// make and read holds the ID of the key, never the key. What the key may do, and whether it still is one, is looked up at
// each request, as for the key itself.
package keycookie

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/seal"
)

const (
	// lifetime is how long a browser stays signed in.
	lifetime = 7 * 24 * time.Hour
	// sealedFor separates these texts from others that are sealed with the same key.
	sealedFor = "berth browser session of an API key"
)

// Cookies makes and reads the cookies of one installation.
type Cookies struct {
	seal      seal.Key
	now       func() time.Time
	crossSite *http.CrossOriginProtection
}

// New returns Cookies. All servers of an installation have the same key.
func New(key seal.Key, now func() time.Time) *Cookies {
	return &Cookies{seal: key, now: now, crossSite: http.NewCrossOriginProtection()}
}

// content is what is sealed in a cookie.
type content struct {
	KeyID string    `json:"key"`
	Since time.Time `json:"since"`
}

// Set signs a browser in with the key of that ID.
func (c *Cookies) Set(w http.ResponseWriter, r *http.Request, keyID string) error {
	plain, err := json.Marshal(content{KeyID: keyID, Since: c.now()})
	if err != nil {
		return fmt.Errorf("encode the session: %w", err)
	}
	sealed, err := c.seal.Seal(plain, sealedFor)
	if err != nil {
		return err
	}
	set(w, r, sealed, int(lifetime.Seconds()))
	return nil
}

// Clear signs a browser out.
func (c *Cookies) Clear(w http.ResponseWriter, r *http.Request) { set(w, r, "", -1) }

// KeyID returns the ID of the key that the browser of a request has signed in with; found is false where it has not, or
// where the cookie is not one of this installation any more. A write must come from a page of this server.
func (c *Cookies) KeyID(r *http.Request) (id string, found bool, err error) {
	cookies := r.CookiesNamed(name(r))
	if len(cookies) != 1 { // of several, which only another host of the domain can cause, none counts
		return "", false, nil
	}
	plain, err := c.seal.Open(cookies[0].Value, sealedFor)
	if err != nil {
		return "", false, nil //nolint:nilerr // whoever cannot be known is not signed in
	}
	var in content
	if err := json.Unmarshal(plain, &in); err != nil {
		return "", false, fmt.Errorf("read the session: %w", err)
	}
	if age := c.now().Sub(in.Since); age >= lifetime || age < -time.Minute {
		return "", false, nil
	}
	if err := c.crossSite.Check(r); err != nil {
		return "", true, problem.Newf(problem.OriginRefused, "a request with a session cookie must come from a page of this server")
	}
	return in.KeyID, true, nil
}

func set(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name(r), Value: value, Path: "/", Secure: secure(r), HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: maxAge,
	})
}

// name is the name of the cookie. With TLS its prefix makes browsers refuse one that another host of the same domain has
// set. Without TLS it has the port, because all ports of a host share their cookies.
func name(r *http.Request) string {
	if secure(r) {
		return "__Host-berth-key"
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		return "berth-key-" + port
	}
	return "berth-key"
}

// secure reports whether the browser speaks TLS, with this server or with a proxy in front of it.
func secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}
