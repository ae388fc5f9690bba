package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"
	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/api/apispec"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/handler"
	"github.com/berth-dev/berth/server/keycookie"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/request"
	"github.com/berth-dev/berth/server/requestid"
	"github.com/berth-dev/berth/server/signin"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/traceparent"
	"github.com/berth-dev/berth/server/ui"
)

func (s *server) metricsHandler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{Registry: s.registry, EnableOpenMetrics: true})
}

// routes serves the API, the UI and the metrics.
func (s *server) routes(
	operations *handler.Handler, checks []apiserver.StrictMiddlewareFunc, keys *access.Authenticator,
) (http.Handler, error) {
	front := s.newFront(keys)
	if operations.People != nil {
		front.site = signin.New(operations.People, s.Now)
	}
	// Paths are not cleaned: the redirect to a cleaned path would turn a POST into a GET. They are matched as they
	// are encoded: an encoded slash belongs to a name, and names no other resource.
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	generated := mux.NewRouter()
	apiserver.HandlerWithOptions(
		apiserver.NewStrictHandlerWithOptions(operations, checks, apiserver.StrictHTTPServerOptions{
			RequestErrorHandlerFunc:  front.refuseBody,
			ResponseErrorHandlerFunc: front.fail,
		}),
		apiserver.GorillaServerOptions{BaseRouter: generated, ErrorHandlerFunc: front.refuseParameter},
	)
	if err := front.addOperations(router, generated); err != nil {
		return nil, err
	}
	if s.MetricsListen == "" {
		router.Handle("/metrics", named("/metrics", front.metrics(s.metricsHandler()))).
			Methods(http.MethodGet, http.MethodHead)
	}
	site := s.newSite(front.guarded(router))
	if front.site != nil {
		front.site.Failed = site.SignInFailed
	}
	front.addSignIn(router)
	addPages(router, site)
	router.NotFoundHandler = front.notFound(site)
	router.MethodNotAllowedHandler = front.methodNotAllowed()
	answer := metric.NewHTTP(s.registry, s.Logger).Wrap(front.guarded(router), front.responder.Error)
	return compressed(requestid.Wrap(answer)), nil
}

// newSite returns the pages for people, which call the API in process.
func (s *server) newSite(routes http.Handler) *ui.Site {
	o := ui.Options{API: routes, Now: s.Now, Logger: s.Logger}
	if s.cookies != nil { // a nil *keycookie.Cookies must not become Cookies
		o.Cookies = s.cookies
	}
	return ui.New(o)
}

// addPages adds the pages to the router. mux takes the first route that matches, so /runs/cancel must come before
// /runs/{run}; a brace sorts after all characters of the literal segments.
func addPages(router *mux.Router, site *ui.Site) {
	routes := site.Routes()
	slices.SortStableFunc(routes, func(a, b ui.Route) int { return strings.Compare(a.Path, b.Path) })
	for _, route := range routes {
		methods := []string{route.Method}
		if route.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		router.Handle(route.Path, named("ui", route.Handler)).Methods(methods...)
	}
}

// compressed compresses answers that are worth it, but for streams.
func compressed(next http.Handler) http.Handler {
	const worth = 1 << 10
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(worth), gzhttp.ExceptContentTypes([]string{"text/event-stream"}))
	if err != nil {
		panic("server: " + err.Error()) // the options are ours
	}
	return wrap(next)
}

// named sets the route label of the request metrics, and bounds the time.
func named(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		metric.SetRoute(w, route)
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// metrics serves the metrics on the address of the API. They name work pools, so they take a role in all of them.
func (f *front) metrics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := f.authenticateCaller(r)
		if err == nil {
			err = f.checkRate(who)
		}
		if err == nil && who.IsLimited() {
			err = problem.Newf(problem.Forbidden, "%s may not read the metrics: they name all work pools, and take "+
				"a role in all of them; --metrics-listen serves them on another address without a key", who)
		}
		if err != nil {
			f.responder.Error(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// front checks requests before their handlers and answers the ones it refuses.
type front struct {
	responder problem.Responder
	guard     *access.OriginGuard   // nil where keys are asked for
	keys      *access.Authenticator // nil where no keys are asked for
	cookies   *keycookie.Cookies    // nil where no keys are asked for
	site      *signin.Site          // nil where people cannot sign in
	strangers *access.Limiter       // of each address without a key
	requests  *access.Limiter       // of each key
	refused   *access.Limiter       // what is written down of them
	streams   *access.OpenLimit
	bodies    *request.Budget
	store     *store.Store
	callers   bool // the spans of callers become links

	streamsPerKey, streamsInAll int // as in streams, for the refusals
}

func (s *server) newFront(keys *access.Authenticator) *front {
	f := &front{
		responder: problem.Responder{Logger: s.Logger}, store: s.store,
		strangers: access.NewLimiter(strangersRate(s.RateLimit), s.Now),
		requests:  access.NewLimiter(s.RateLimit, s.Now), refused: access.NewLimiter(refusalsPerSecond, s.Now),
		callers:       s.traces != nil && s.traces.Links(),
		streams:       access.NewOpenLimit(s.StreamsPerKey, s.Streams),
		streamsPerKey: s.StreamsPerKey, streamsInAll: s.Streams,
		bodies: request.NewBudget(s.bodyMemory()),
	}
	if s.Auth == AuthNone {
		f.guard = access.NewOriginGuard(s.AllowedHosts)
	} else {
		f.keys, f.cookies = keys, s.cookies
	}
	return f
}

// guarded sets the headers of every response, brings names into their composed form, and keeps web pages of other sites away from a server without
// keys. Requests use the connections for people, unless their operation is one of workers.
func (f *front) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(store.ForPeople(r.Context()))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.HasPrefix(r.URL.Path, "/api/") {
			w.Header().Set("Cache-Control", "no-store")
		}
		if f.guard != nil {
			page := !strings.HasPrefix(r.URL.Path, "/api/") && r.URL.Path != "/metrics"
			if err := f.guard.Check(r, page); err != nil {
				f.responder.Error(w, r, err)
				return
			}
		}
		next.ServeHTTP(w, request.Composed(r))
	})
}

// specification is read once in a process: it is large. Nothing changes it.
var specification = sync.OnceValues(apispec.GetSpec)

// addOperations adds the generated routes to the router, each behind the checks that all operations share.
// The checks are attached once per route: mux rebuilds a router's own middleware for every request.
func (f *front) addOperations(router, generated *mux.Router) error {
	spec, err := specification()
	if err != nil {
		return fmt.Errorf("read the API specification: %w", err)
	}
	operations := request.Operations(spec)
	paths := map[string]resource{}
	err = generated.Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := r.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := r.GetMethods()
		if err != nil {
			return err
		}
		operation, ok := operations[methods[0]+" "+path]
		if !ok {
			return fmt.Errorf("route %s %s is not in the API specification", methods[0], path)
		}
		if paths[path] == nil {
			paths[path] = resource{}
		}
		paths[path][methods[0]] = f.operation(operation, path, r.GetHandler())
		return nil
	})
	if err != nil {
		return err
	}

	// mux takes the first route that matches, so /runs/count must come before /runs/{run}. A brace sorts
	// after all characters of the literal segments.
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		router.Handle(path, f.resource(paths[path]))
	}
	return nil
}

// resource holds the operations of one path by their methods.
type resource map[string]http.Handler

// resource serves one path. Another method is not allowed there, even if the path is also a value of a
// parameter of another path: GET /runs/cancel does not get the run "cancel".
func (f *front) resource(operations resource) http.Handler {
	allowed := strings.Join(slices.Sorted(maps.Keys(operations)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation, ok := operations[r.Method]
		if !ok {
			f.refuseMethod(w, r, allowed)
			return
		}
		values := mux.Vars(r)
		for name, value := range values {
			decoded, err := url.PathUnescape(value)
			if err != nil { // net/http has decoded the path before
				f.responder.Error(w, r, problem.Newf(problem.InvalidParameter, "path parameter %q: %v", name, err))
				return
			}
			values[name] = decoded
		}
		operation.ServeHTTP(w, mux.SetURLVars(r, values))
	})
}

// operation lets the requests through that admit accepts.
func (f *front) operation(o *request.Operation, path string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		metric.SetRoute(w, path)
		if access.OfWorkers(o.ID) {
			r = r.WithContext(store.ForWork(r.Context()))
		}
		if text := r.Header.Get(traceparent.Header); text != "" && f.callers {
			r = r.WithContext(traceparent.With(r.Context(), text))
		}
		r, cancel := bounded(r, o)
		defer cancel()
		r, err := f.admit(o, w, r)
		if err != nil {
			f.auditRefusal(r, err)
			if f.site != nil {
				f.site.Refused(w, r, err)
			}
			f.responder.Error(w, r, err)
			return
		}
		defer request.Release(r.Context())
		if o.TakesLong() {
			leave, err := f.enterStream(r)
			if err != nil {
				f.responder.Error(w, r, err)
				return
			}
			defer leave()
		}
		next.ServeHTTP(w, r)
	})
}

// Bounds of requests. What takes longer than a poll is a stream, whose reader connects again.
const (
	requestTimeout = writeTimeout
	streamTimeout  = 12 * time.Hour
)

// bounded returns the request with the time that its operation has.
func bounded(r *http.Request, o *request.Operation) (*http.Request, context.CancelFunc) {
	timeout := requestTimeout
	if o.TakesLong() {
		timeout = streamTimeout
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	return r.WithContext(ctx), cancel
}

// admit authenticates a request, checks its rate and its role, and then checks it against the specification:
// a caller without a key learns nothing about the form of requests. The pools are checked later, by the pool
// guard, which needs the decoded request.
//
// The request that it returns names the caller once that is known, also when it is refused.
func (f *front) admit(o *request.Operation, w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	who, err := f.authenticate(r, o)
	if err != nil {
		return r, err
	}
	received := r
	r = withIdentity(r, who, func() error { return f.stillAllowed(received, o, who) })
	if err := f.checkRate(who); err != nil {
		return r, err
	}
	if err := f.checkStranger(r, o); err != nil {
		return r, err
	}
	if !access.Public(o.ID) {
		if err := who.CheckCall(o.ID); err != nil {
			return r, err
		}
	}
	if r, err = f.named(r, o, who); err != nil {
		return r, err
	}
	if err := who.CheckRun(mux.Vars(r)["run"]); err != nil {
		return r, err
	}
	if r, err = o.Reserve(f.bodies, r); err != nil {
		return r, err
	}
	checked, err := o.Check(w, r)
	if err != nil {
		request.Release(r.Context())
		return r, err
	}
	return checked, nil
}

func (f *front) authenticate(r *http.Request, o *request.Operation) (access.Principal, error) {
	if access.Public(o.ID) {
		return access.Principal{}, nil
	}
	return f.authenticateCaller(r)
}

func (f *front) authenticateCaller(r *http.Request) (access.Principal, error) {
	if f.keys == nil {
		return access.Anonymous(), nil
	}
	if who, handled, err := f.authenticatePerson(r); handled {
		return who, err
	}
	if r.Header.Get("Authorization") == "" {
		id, found, err := f.cookies.KeyID(r)
		if err != nil {
			return access.Principal{}, err
		}
		if found {
			return f.keys.AuthenticateID(r.Context(), id)
		}
	}
	return f.keys.Authenticate(r)
}

// stillAllowed returns why a long request would be refused by now, because its key has expired, was
// revoked, or has other roles now. An unreachable database is no reason to end it.
func (f *front) stillAllowed(r *http.Request, o *request.Operation, before access.Principal) error {
	now, err := f.authenticate(r, o)
	var refused *problem.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case err == nil && !slices.Equal(now.Bindings, before.Bindings):
		return problem.Newf(problem.Unauthenticated, "the roles of %s have changed: connect again", now)
	}
	return nil
}

// fail answers with the error of an operation, unless the answer has begun.
func (f *front) fail(w http.ResponseWriter, r *http.Request, err error) {
	if recorder, ok := w.(*metric.Recorder); ok && recorder.HeaderWritten() {
		f.responder.Logger.Debug("response not written", "path", apikey.Mask(r.URL.Path), "error", err)
		return
	}
	f.auditRefusal(r, err)
	f.responder.Error(w, r, err)
}

func (f *front) refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	f.fail(w, r, request.DecodeError(err))
}

func (f *front) refuseParameter(w http.ResponseWriter, r *http.Request, err error) {
	detail := err.Error()
	var format *apiserver.InvalidParamFormatError
	if errors.As(err, &format) {
		detail = fmt.Sprintf("parameter %q does not have the right form", format.ParamName)
	}
	f.fail(w, r, &problem.Error{Code: problem.InvalidParameter, Detail: detail, Err: err})
}

func (f *front) notFound(site *ui.Site) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/api/") {
			site.Missing(w, r)
			return
		}
		f.responder.Error(w, r, problem.Newf(problem.NotFound, "path %s does not exist", problem.Clip(r.URL.Path)))
	})
}

// methodNotAllowed answers for the pages and the metrics, which are read only.
func (f *front) methodNotAllowed() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.refuseMethod(w, r, "GET, HEAD") })
}

func (f *front) refuseMethod(w http.ResponseWriter, r *http.Request, allowed string) {
	w.Header().Set("Allow", allowed)
	f.responder.Error(w, r, problem.Newf(problem.MethodNotAllowed,
		"method %s is not allowed here; use %s", problem.Clip(r.Method), allowed))
}
