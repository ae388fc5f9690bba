package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
)

// leaseSeconds of the protocol server; no test waits for one to run out.
const testLease = 30

// fakeServer answers the worker protocol from a small model, so that a test can lose answers, be away, or
// contradict.
type fakeServer struct {
	apiserver.StrictServerInterface // what a worker never asks for

	http         *httptest.Server
	installation uuid.UUID
	template     json.RawMessage

	mu       sync.Mutex
	changed  *sync.Cond
	waiting  []*servedAttempt             // not claimed yet
	served   map[uuid.UUID]*servedAttempt // by attempt id
	answers  map[uuid.UUID][]api.Claim    // by request id
	away     bool                         // no answers at all
	loseNext string                       // the path whose next answer is lost
	slowLogs time.Duration                // how long the server takes over output
	denied   bool                         // the key is refused
	dropped  int                          // chunks of output
	foreign  foreignAnswer                // what answers in its place
	keyless  bool                         // an older server, which gives no keys to jobs
	released []api.AttemptLease           // by the worker
	renewed  []api.AttemptLease           // by the worker
	onRenew  func()
	rules    map[uuid.UUID]api.RuleSet
	asked    []api.ClaimRequest
	grants   map[uuid.UUID]api.AttemptStatusStatus // what a look-up says of a run

	questions []api.DryRunQuestion // not taken yet
	dryRuns   map[uuid.UUID]api.DryRunAnswer
}

// servedAttempt is an attempt as the server has it.
type servedAttempt struct {
	claim  api.Claim
	holder string
	epoch  int64
	cancel bool

	cancelledAt time.Time
	manifest    json.RawMessage
	uid         string
	ledger      string // the UID of another Job that was reported first
	reports     []api.Report
	ended       *api.Report
	back        bool
	output      []byte
	unknown     bool
}

func newFakeServer(t *testing.T, template string) *fakeServer {
	t.Helper()
	p := &fakeServer{
		installation: uuid.New(), template: json.RawMessage(template),
		served: map[uuid.UUID]*servedAttempt{}, answers: map[uuid.UUID][]api.Claim{},
		grants: map[uuid.UUID]api.AttemptStatusStatus{},
	}
	p.changed = sync.NewCond(&p.mu)
	handler := apiserver.Handler(apiserver.NewStrictHandler(p, nil))
	p.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.isAway(r.URL.Path) {
			panic(http.ErrAbortHandler)
		}
		if p.isDenied() {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			// The client reads it or not.
			_ = json.NewEncoder(w).
				Encode(api.Problem{Code: "unauthenticated", Title: "no such key", Status: 401, Type: "about:blank"})
			return
		}
		if status := p.foreignStatus(r.URL.Path); status != 0 {
			http.Error(w, "<h1>Something else</h1>", status)
			return
		}
		recorded := httptest.NewRecorder()
		handler.ServeHTTP(recorded, r)
		if p.lost(r.URL.Path) {
			panic(http.ErrAbortHandler)
		}
		for name, values := range recorded.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorded.Code)
		// The client reads it or not.
		_, _ = w.Write(recorded.Body.Bytes())
	}))
	p.http.Config.ErrorLog = nil
	t.Cleanup(p.http.Close)
	return p
}

func (p *fakeServer) isAway(string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.away
}

// foreignAnswer is something between worker and server that answers by itself for so many calls of one path.
type foreignAnswer struct {
	path         string
	status, left int
}

func (p *fakeServer) foreignStatus(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.foreign.left == 0 || p.foreign.path != path {
		return 0
	}
	p.foreign.left--
	p.changed.Broadcast()
	return p.foreign.status
}

func (p *fakeServer) isDenied() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.denied
}

func (p *fakeServer) lost(path string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away || p.loseNext == path {
		p.loseNext = ""
		p.changed.Broadcast()
		return true
	}
	return false
}

// change alters the model and wakes all who wait.
func (p *fakeServer) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.changed.Broadcast()
}

// wait blocks until the condition holds, and fails the test when it does not come to hold.
func (p *fakeServer) wait(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if !p.until(ctx, condition) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, s := range p.served {
			for _, r := range s.reports {
				t.Logf("report %s category %s message %s diagnosis %s", r.Kind, categoryOf(r),
					value(r.Message), value(r.Diagnosis))
			}
		}
		t.Fatalf("never came to be: %s", what)
	}
}

func (p *fakeServer) until(ctx context.Context, condition func() bool) bool {
	defer context.AfterFunc(ctx, func() { p.change(func() {}) })()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !condition() {
		if ctx.Err() != nil {
			return false
		}
		p.changed.Wait()
	}
	return true
}

// offer queues an attempt of a new run and returns it; read it inside wait or change only.
// manifestFirst asks for the manifest before the Job is created.
func manifestFirst(s *servedAttempt) { s.claim.ManifestFirst = new(true) }

func (p *fakeServer) offer(variables string, edit ...func(*servedAttempt)) *servedAttempt {
	s := &servedAttempt{
		claim: api.Claim{
			AttemptID:         uuid.New(),
			Attempt:           1,
			RunID:             uuid.New(),
			RunName:           "quiet-heron",
			Deployment:        "hello",
			DeploymentID:      uuid.New(),
			Pool:              "local",
			Queue:             "default",
			ScheduledTime:     time.Now(),
			Tags:              []string{},
			Parameters:        json.RawMessage(`{"name":"world"}`),
			TemplateVersionID: uuid.NewSHA1(uuid.Nil, p.template),
			TemplateVersion:   1,
			LeaseSeconds:      testLease,
			RenderInput: api.RenderInput{Deployment: json.RawMessage(`{}`), Run: json.RawMessage(variables),
				Stored: json.RawMessage(`{}`)},
		},
	}
	for _, f := range edit {
		f(s)
	}
	p.change(func() {
		p.waiting = append(p.waiting, s)
		p.served[s.claim.AttemptID] = s
	})
	return s
}

// text is nil for an empty string.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// value is empty for nil.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *servedAttempt) kinds() []api.ReportKind {
	var kinds []api.ReportKind
	for _, r := range s.reports {
		kinds = append(kinds, r.Kind)
	}
	return kinds
}

func (p *fakeServer) WorkerHello(
	context.Context, apiserver.WorkerHelloRequestObject,
) (apiserver.WorkerHelloResponseObject, error) {
	return apiserver.WorkerHello200JSONResponse{
		InstallationID: p.installation, LeaseSeconds: testLease, ServerVersion: "test",
	}, nil
}

func (p *fakeServer) ClaimRuns(
	ctx context.Context, r apiserver.ClaimRunsRequestObject,
) (apiserver.ClaimRunsResponseObject, error) {
	p.change(func() { p.asked = append(p.asked, *r.Body) })
	response := apiserver.ClaimRuns200JSONResponse{Claims: []api.Claim{}, Cancels: []uuid.UUID{}}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.Body.WaitSeconds)*time.Second)
	defer cancel()
	if r.Body.WaitSeconds == 0 {
		cancel()
	}
	p.until(ctx, func() bool {
		if claims, ok := p.answers[r.Body.RequestID]; ok {
			response.Claims = claims
			return true
		}
		response.Claims = p.claim(r.Body)
		response.Cancels, response.CancelsAt = p.newCancels(r.Body.CancelsAfter)
		if r.Body.DryRuns != nil && *r.Body.DryRuns && len(p.questions) > 0 {
			questions := p.questions
			response.DryRuns, p.questions = &questions, nil
			return true
		}
		return len(response.Claims)+len(response.Cancels) > 0
	})
	return response, nil
}

func (p *fakeServer) claim(r *api.ClaimRequest) []api.Claim {
	claims := []api.Claim{}
	for len(claims) < int(r.Max) && len(p.waiting) > 0 {
		s := p.waiting[0]
		p.waiting = p.waiting[1:]
		s.epoch++
		s.holder, s.back = r.Worker, false
		c := s.claim
		c.Epoch, c.Takeover, c.Manifest, c.JobUID = s.epoch, s.epoch > 1, s.manifest, text(s.uid)
		if size := int64(len(s.output)); size > 0 {
			c.OutputSize = &size
		}
		if r.JobKeys != nil && *r.JobKeys && !p.keyless {
			key := fmt.Sprintf("key-of-epoch-%d", s.epoch)
			c.JobKey = &key
		}
		claims = append(claims, c)
	}
	if len(claims) > 0 {
		p.answers[r.RequestID] = claims
	}
	return claims
}

// newCancels lists all cancels if one is newer than what the worker knows.
func (p *fakeServer) newCancels(after *time.Time) ([]uuid.UUID, *time.Time) {
	ids, newest := []uuid.UUID{}, time.Time{}
	for id, s := range p.served {
		if s.cancel && s.ended == nil && s.epoch > 0 {
			if s.cancelledAt.IsZero() {
				s.cancelledAt = time.Now()
			}
			ids = append(ids, id)
			if s.cancelledAt.After(newest) {
				newest = s.cancelledAt
			}
		}
	}
	if len(ids) == 0 || after != nil && !newest.After(*after) {
		return []uuid.UUID{}, nil
	}
	return ids, &newest
}

func (p *fakeServer) cancels(held *[]api.AttemptLease) []uuid.UUID {
	ids := []uuid.UUID{}
	if held != nil {
		for _, lease := range *held {
			if s := p.served[lease.AttemptID]; s != nil && s.cancel && s.ended == nil {
				ids = append(ids, lease.AttemptID)
			}
		}
	}
	return ids
}

func (p *fakeServer) RenewLeases(
	_ context.Context, r apiserver.RenewLeasesRequestObject,
) (apiserver.RenewLeasesResponseObject, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	response := apiserver.RenewLeases200JSONResponse{
		Lost: []uuid.UUID{}, Cancels: p.cancels(&r.Body.Leases), LeaseSeconds: testLease,
	}
	if p.onRenew != nil && len(r.Body.Leases) > 0 {
		p.onRenew()
	}
	p.renewed = append(p.renewed, r.Body.Leases...)
	p.changed.Broadcast()
	for _, lease := range r.Body.Leases {
		if s := p.served[lease.AttemptID]; s == nil || s.epoch != lease.Epoch || s.ended != nil {
			response.Lost = append(response.Lost, lease.AttemptID)
		}
	}
	if r.Body.Release != nil {
		p.released = append(p.released, *r.Body.Release...)
		p.changed.Broadcast()
	}
	return response, nil
}

func (p *fakeServer) ReportAttempts(
	_ context.Context, r apiserver.ReportAttemptsRequestObject,
) (apiserver.ReportAttemptsResponseObject, error) {
	var response apiserver.ReportAttempts200JSONResponse
	p.change(func() {
		for _, report := range r.Body.Reports {
			response.Results = append(response.Results, api.ReportResult{Status: p.report(report)})
		}
	})
	return response, nil
}

func (p *fakeServer) report(r api.Report) api.ReportResultStatus {
	s := p.served[r.AttemptID]
	switch {
	case s == nil || s.unknown:
		return api.ReportResultStatusUnknown
	case s.epoch != r.Epoch:
		return api.ReportResultStatusStale
	case s.ended != nil && r.Kind == api.ReportKindEnded:
		return api.ReportResultStatusAccepted
	case s.ended != nil:
		return api.ReportResultStatusEnded
	}
	s.reports = append(s.reports, r)
	if s.manifest == nil {
		s.manifest = r.Manifest
	}
	switch r.Kind {
	case api.ReportKindSubmitted:
		if s.ledger != "" {
			return api.ReportResultStatusDuplicateJob
		}
		s.uid = *r.JobUID
	case api.ReportKindEnded:
		s.ended = &r
	case api.ReportKindHandedBack:
		s.back = true
	}
	return api.ReportResultStatusAccepted
}

func (p *fakeServer) AppendLogs(
	_ context.Context, r apiserver.AppendLogsRequestObject,
) (apiserver.AppendLogsResponseObject, error) {
	if p.slowLogs > 0 {
		<-time.After(p.slowLogs)
	}
	p.change(func() {
		for _, c := range r.Body.Chunks {
			s := p.served[c.AttemptID]
			if s == nil || s.epoch != c.Epoch || c.Offset > int64(len(s.output)) {
				p.dropped++
				continue
			}
			if fresh := int64(len(s.output)) - c.Offset; fresh < int64(len(c.Text)) {
				s.output = append(s.output, c.Text[fresh:]...)
			}
		}
	})
	return apiserver.AppendLogs204Response{}, nil
}

func (p *fakeServer) LookUpAttempts(
	_ context.Context, r apiserver.LookUpAttemptsRequestObject,
) (apiserver.LookUpAttemptsResponseObject, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	response := apiserver.LookUpAttempts200JSONResponse{Jobs: []api.AttemptStatus{}}
	for _, ref := range r.Body.Jobs {
		status := api.AttemptStatus{Status: p.status(ref)}
		for id, s := range p.served {
			if s.claim.RunID == ref.RunID {
				status.AttemptID, status.Epoch = &id, &s.epoch
			}
		}
		response.Jobs = append(response.Jobs, status)
	}
	return response, nil
}

func (p *fakeServer) status(ref api.AttemptRef) api.AttemptStatusStatus {
	if status, ok := p.grants[ref.RunID]; ok {
		return status
	}
	for _, s := range p.served {
		switch {
		case s.claim.RunID != ref.RunID || s.unknown:
		case s.ledger != "" && s.ledger != value(ref.JobUID):
			return api.AttemptStatusStatusDuplicate
		case s.ended != nil:
			return api.AttemptStatusStatusEnded
		default:
			return api.AttemptStatusStatusActive
		}
	}
	return api.AttemptStatusStatusUnknown
}

func (p *fakeServer) GetTemplateForWorker(
	_ context.Context, r apiserver.GetTemplateForWorkerRequestObject,
) (apiserver.GetTemplateForWorkerResponseObject, error) {
	if r.Version != uuid.NewSHA1(uuid.Nil, p.template) {
		return apiserver.GetTemplateForWorkerdefaultApplicationProblemPlusJSONResponse{
			StatusCode: http.StatusNotFound,
			Body: api.Problem{
				Code: "not-found", Title: "no such template version", Status: http.StatusNotFound,
				Type: "about:blank",
			},
		}, nil
	}
	return apiserver.GetTemplateForWorker200JSONResponse{
		ID: r.Version, Pool: "local", Version: 1, Document: p.template,
	}, nil
}
