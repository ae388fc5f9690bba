// Package ui serves the pages for people: HTML that is made here from the answers of the API, so that links, filters,
// Back and Reload are the browser's own, and everything but the editor, the log and the graph works without a script.
//
//	ui.go       routes
//	call.go     the API, called in process as the person who looks
//	frame.go    what all pages share: navigation, templates, addresses
//	asset.go    scripts and styles
//	page/       templates: layout.html is around all, part.html is what they share
//	web/        TypeScript of what HTML cannot do; `make` bundles it into dist/
//
// Each other file is a page: it reads the query, calls the API, fills a struct, and runs its template.
package ui

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"
)

// Options of the pages.
type Options struct {
	// API answers requests to /api/…
	API http.Handler
	// Cookies sign browsers in with API keys; nil where no keys are asked for.
	Cookies Cookies
	Now     func() time.Time
	Logger  *slog.Logger
}

// Cookies sign browsers in.
type Cookies interface {
	Set(w http.ResponseWriter, r *http.Request, keyID string) error
	Clear(w http.ResponseWriter, r *http.Request)
}

// Site is the pages of one server.
type Site struct {
	Options

	assets    *assets
	templates *templates
	crossSite *http.CrossOriginProtection
}

// New returns the pages.
func New(o Options) *Site {
	return &Site{Options: o, assets: loadAssets(), templates: loadTemplates(), crossSite: http.NewCrossOriginProtection()}
}

// Route is an address of the site.
type Route struct {
	Method, Path string
	Handler      http.Handler
}

// Routes returns all addresses. Of two that match, the one comes first that has fewer variables.
func (s *Site) Routes() []Route {
	routes := []Route{{http.MethodGet, "/assets/{name}", http.HandlerFunc(s.assets.serve)}}
	get := func(path string, page pageFunc) {
		routes = append(routes, Route{http.MethodGet, path, s.handler(page)})
	}
	post := func(path string, action pageFunc) {
		routes = append(routes, Route{http.MethodPost, path, s.handler(action)})
	}
	get("/session", s.signInPage)
	post("/session", s.signIn)
	post("/session/end", s.signOut)
	get("/", s.overviewPage)
	get("/runs", s.runsPage)
	get("/runs/bulk", s.bulkPage)
	post("/runs/bulk", s.changeRuns)
	get("/runs/{run}", s.runPage)
	get("/runs/{run}/events", s.eventsPage)
	get("/runs/{run}/attempts/{attempt}/manifest", s.manifestPage)
	for name := range runActions {
		get("/runs/{run}/"+name, s.askRun(name))
		post("/runs/{run}/"+name, s.askRun(name))
	}
	get("/search", s.searchPage)
	get("/about", s.aboutPage)
	get("/audit", s.auditPage)
	get("/webhooks", s.webhooksPage)
	get("/approvals", s.approvalsPage)
	get("/approvals/{approval}", s.approvalPage)
	post("/approvals/{approval}", s.decide)
	get("/rules", s.rulesPage)
	get("/rules/edit", s.rulePage)
	post("/rules/edit", s.changeRule)
	get("/keys", s.keysPage)
	get("/keys/new", s.newKeyPage)
	post("/keys/new", s.newKey)
	get("/variables", s.variablesPage)
	for path, question := range map[string]struct {
		ask    func(*visit) (questionView, error)
		answer pageFunc
	}{
		"/keys/revoke": {revokeKeyQuestion, s.revokeKey}, "/rules/delete": {deleteRuleQuestion, s.deleteRule},
		"/variables/set": {setVariableQuestion, s.setVariable}, "/variables/delete": {deleteVariableQuestion, s.deleteVariable},
	} {
		get(path, func(v *visit) (page, error) {
			q, err := question.ask(v)
			return q.ask(), err
		})
		post(path, question.answer)
	}
	s.poolRoutes(get, post)
	s.deploymentRoutes(get, post)
	s.templateRoutes(get, post)
	s.scheduleRoutes(get, post)
	return routes
}

// pageFunc answers one request with a page, or with a redirect.
type pageFunc func(v *visit) (page, error)

// visit is a request for a page.
type visit struct {
	*http.Request
	site *Site
	w    http.ResponseWriter
	api  *client
	// query is that of the address, which a page reads and writes for its links.
	query url.Values
}

// path returns a part of the address.
func (v *visit) path(name string) string {
	text, err := url.PathUnescape(mux.Vars(v.Request)[name])
	if err != nil { // net/http has decoded it before
		return ""
	}
	return text
}

// comesFromElsewhere reports whether a link of another site has led here. Its browser keeps cookies back that are for this
// site alone, and the API refuses what other sites ask; so the page is asked for once more, from here.
func (v *visit) comesFromElsewhere() bool {
	from := v.Header.Get("Sec-Fetch-Site")
	return v.Method == http.MethodGet && (from == "cross-site" || from == "same-site")
}

// handler answers with what a page function returns.
func (s *Site) handler(answer pageFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Request: r, site: s, w: w, query: r.URL.Query()}
		calls := &inProcess{handler: s.API, from: r, answer: w.Header()}
		v.api = calls.client()
		if v.comesFromElsewhere() {
			page{template: "again", view: v.bareFrame("Berth")}.write(v)
			return
		}
		if err := s.crossSite.Check(r); err != nil {
			s.fail(v, refusedOrigin(err))
			return
		}
		const formMax = 4 << 20
		r.Body = http.MaxBytesReader(w, r.Body, formMax)
		if err := r.ParseForm(); err != nil {
			s.fail(v, badParameter("the form cannot be read: %v", err))
			return
		}
		calls.breakGlass = strings.TrimSpace(r.PostForm.Get(breakGlassField))
		made, err := answer(v)
		if calls.refused != nil && r.Method == http.MethodPost {
			made, err = v.approvalNeeded(calls.refused)
		}
		if err != nil {
			s.fail(v, err)
			return
		}
		made.write(v)
	})
}
