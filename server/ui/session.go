package ui

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// signInView is the page that asks for an API key.
type signInView struct {
	Frame
	Return  string // below the root
	Problem string
	// Provider is where people sign in, and its name; empty without one.
	Provider, ProviderAddress string
}

func (v *visit) signInView(problem string) (page, error) {
	methods, err := value(v.api.GetSignInWithResponse(v.Context()))
	if err != nil {
		return page{}, err
	}
	view := signInView{Frame: v.bareFrame("Sign in"), Return: returnTo(v.FormValue("to")), Problem: problem}
	if methods.Provider != nil && methods.URL != nil {
		view.Provider = *methods.Provider
		view.ProviderAddress = view.Root + strings.TrimPrefix(*methods.URL, "/") + "?" +
			url.Values{"to": {"/" + view.Return}}.Encode()
	}
	status := http.StatusOK
	if problem != "" {
		status = http.StatusUnauthorized
	}
	return page{status: status, template: "session", view: view}, nil
}

func (s *Site) signInPage(v *visit) (page, error) { return v.signInView("") }

// signIn exchanges an API key for a cookie.
func (s *Site) signIn(v *visit) (page, error) {
	if s.Cookies == nil {
		return page{redirect: v.root()}, nil
	}
	text := strings.TrimSpace(v.PostFormValue("key"))
	withKey := func(_ context.Context, r *http.Request) error {
		r.Header.Del("Cookie")
		r.Header.Set("Authorization", "Bearer "+text)
		return nil
	}
	who, err := value(v.api.GetWhoAmIWithResponse(v.Context(), withKey))
	if isStatus(err, http.StatusUnauthorized) || err == nil && who.KeyID == nil {
		return v.signInView("This is no valid API key. Check that it is complete: it begins with berth_.")
	}
	if err != nil {
		return page{}, err
	}
	if err := s.Cookies.Set(v.w, v.Request, *who.KeyID); err != nil {
		return page{}, err
	}
	return page{redirect: v.root() + returnTo(v.PostFormValue("to"))}, nil
}

// leaveView is the page after a sign-out: the provider still has a session.
type leaveView struct {
	Frame
	Provider string // address
}

// signOut ends the session of the browser.
func (s *Site) signOut(v *visit) (page, error) {
	view := leaveView{Frame: v.bareFrame("Signed out")}
	ended, err := value(v.api.SignOutWithResponse(v.Context()))
	if err == nil && ended.ProviderURL != nil {
		view.Provider = *ended.ProviderURL
	} else if err != nil && !isStatus(err, http.StatusNotFound) && !isStatus(err, http.StatusUnauthorized) {
		return page{}, err
	}
	if s.Cookies != nil {
		s.Cookies.Clear(v.w, v.Request)
	}
	return page{template: "leave", view: view}, nil
}

// SignInFailed answers with the page of a sign-in at a provider that failed.
func (s *Site) SignInFailed(w http.ResponseWriter, r *http.Request, status int, message string) {
	v := &visit{Request: r, site: s, w: w}
	view := failureView{
		Frame: v.bareFrame("Sign-in failed"), Status: status, Heading: "Sign-in failed", Detail: message, Back: "session", Label: "Sign in again",
	}
	page{status: status, template: "failure", view: view}.write(v)
}

// returnTo is the place of the site to return to: a path below the root, whatever was asked for.
func returnTo(to string) string {
	const longest = 2000
	to = strings.TrimLeft(to, "/")
	parsed, err := url.Parse(to)
	if err != nil || len(to) > longest || parsed.IsAbs() || parsed.Host != "" || strings.Contains(to, "\\") ||
		strings.HasPrefix(to, "..") || strings.HasPrefix(to, "session") || strings.ContainsFunc(to, isControl) {
		return ""
	}
	return to
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }
