package ui

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/requestid"
)

// failureView is the page of what cannot be shown.
type failureView struct {
	Frame
	Status  int
	Heading string
	Detail  string
	Users   []api.InUse
	Back    string // segments of the list that leads on
	Label   string
}

func refusedOrigin(err error) error {
	document := problem.Document(problem.Newf(problem.OriginRefused, "the form comes from another site: %v", err))
	return &apiError{Problem: document, status: http.StatusForbidden}
}

// fail answers with an error: a page for browsers, the problem document for others. Who is not signed in comes to the
// sign-in, and from there back.
func (s *Site) fail(v *visit, err error) {
	if v.Context().Err() != nil {
		return // the browser has disconnected
	}
	answered := &apiError{}
	if !errors.As(err, &answered) {
		s.Logger.Error("page failed", "path", v.URL.Path, "request", requestid.Of(v.Context()), "error", err)
		document := problem.Document(problem.From(err))
		answered = &apiError{Problem: document, status: int(document.Status)}
	}
	if !strings.Contains(v.Header.Get("Accept"), "text/html") {
		v.w.Header().Set("Content-Type", "application/problem+json")
		v.w.WriteHeader(answered.status)
		_ = json.NewEncoder(v.w).Encode(answered.Problem) // the client has disconnected
		return
	}
	if answered.status == http.StatusUnauthorized {
		s.askToSignIn(v)
		return
	}
	view := failureView{
		Frame: v.bareFrame(answered.Title), Status: answered.status, Heading: answered.Title, Detail: answered.Error(),
	}
	view.Users = usersOf(err)
	view.Back, view.Label = listOf(v.URL.Path)
	if view.Back != "" {
		view.Here = view.Label
	}
	if who, err := value(v.api.GetWhoAmIWithResponse(v.Context())); err == nil {
		view.Who = &who
	}
	page{status: answered.status, template: "failure", view: view}.write(v)
}

// usersOf are what keeps an object from being deleted.
func usersOf(err error) []api.InUse {
	answered := &apiError{}
	if !errors.As(err, &answered) {
		return nil
	}
	return valueOf(answered.Users)
}

// askToSignIn leads to the sign-in.
func (s *Site) askToSignIn(v *visit) {
	to := "session"
	if here := v.bareFrame("").Path; v.Method == http.MethodGet && here != "" {
		to += "?" + url.Values{"to": {here}}.Encode()
	}
	page{redirect: v.root() + to}.write(v)
}

// listOf returns the list that a page belongs to, and what it is called.
func listOf(path string) (address, label string) {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	for _, entry := range slices.Concat(navigation, menu) {
		if entry.Path == first && first != "" {
			return entry.Path, entry.Label
		}
	}
	return "", "Overview"
}

// Missing answers for a path that does not exist.
func (s *Site) Missing(w http.ResponseWriter, r *http.Request) {
	v := &visit{Request: r, site: s, w: w, api: newClient(s.API, r, w.Header())}
	s.fail(v, &apiError{
		Problem: problem.Document(problem.Newf(problem.NotFound, "path %s does not exist", problem.Clip(r.URL.Path))),
		status:  http.StatusNotFound,
	})
}

// refusal is an answer of a page itself.
func refusal(status int, format string, args ...any) error {
	code := problem.InvalidParameter
	if status == http.StatusNotFound {
		code = problem.NotFound
	}
	return &apiError{Problem: problem.Document(problem.Newf(code, format, args...)), status: status}
}
