package signin

import (
	"net/http"
	"strings"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// Authenticate returns the principal of a request with a session: a bearer token of the command line, or the
// cookie of a browser. handled is false if the request has neither. A token works only the way it was issued,
// so that a token of the command line that was planted as a cookie does not sign the browser in.
func (s *Site) Authenticate(r *http.Request) (who access.Principal, handled bool, err error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, text, _ := strings.Cut(header, " ")
		token, err := apikey.ParseSessionToken(strings.TrimSpace(text))
		if err != nil || !strings.EqualFold(scheme, "Bearer") {
			return who, false, nil
		}
		who, err = s.people.Authenticate(r.Context(), token, store.SessionCLI)
		return who, true, err
	}
	text := value(r, s.cookies.session)
	if text == "" {
		return who, false, nil
	}
	if err := s.checkOrigin(r); err != nil {
		return who, true, err
	}
	token, err := apikey.ParseSessionToken(text)
	if err != nil {
		return who, true, problem.Newf(problem.Unauthenticated, "the session cookie is malformed; sign in again")
	}
	who, err = s.people.Authenticate(r.Context(), token, store.SessionBrowser)
	return who, true, err
}

// checkOrigin refuses a request with the session cookie that another site has caused. Browsers send cookies
// with requests of other sites too; SameSite keeps most of them away, but not those of other hosts of the same
// domain. A write must prove that it comes from Berth's own page.
func (s *Site) checkOrigin(r *http.Request) error {
	const refusal = "a request with a session cookie must come from the page of this server at %s"
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	origin := r.Header.Get("Origin")
	if origin != "" && origin != s.people.Config().PublicURL {
		return problem.Newf(problem.OriginRefused, refusal, s.people.Config().PublicURL)
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); {
	case site == "same-origin", site == "none" && safe, site == "" && (safe || origin != ""):
		return nil
	}
	return problem.Newf(problem.OriginRefused, refusal, s.people.Config().PublicURL)
}

// Refused clears the cookie of a session that is over. Call it before the refusal is written.
func (s *Site) Refused(w http.ResponseWriter, r *http.Request, err error) {
	if problem.From(err).Code == problem.Unauthenticated && r.Header.Get("Authorization") == "" &&
		len(r.CookiesNamed(s.cookies.session)) > 0 {
		s.cookies.ClearSession(w)
	}
}
