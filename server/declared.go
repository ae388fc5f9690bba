package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

const (
	// declaredPoll is how often the declared files are read. Kubernetes itself takes up to a minute to update them.
	declaredPoll = 5 * time.Second
	// declaredRetry is how often a file that has not changed is planned again: what a refused one needs may come from
	// elsewhere, and someone else may change what an applied one declares.
	declaredRetry = time.Minute
	// declaredDrift is how often in a row a plan of an applied file must change something before it is applied again. By then
	// Kubernetes has brought a newer version of the file, if another server has applied that.
	declaredDrift = 3
	// declaredActor is the name of the key that applies declared files, in the audit log and for rules.
	declaredActor = "declared-files"
)

// DeclaredFile is a file that the server applies by itself, as `berth deploy` does.
type DeclaredFile struct {
	Name string
	// Digest is that of the file and of the files that it may refer to.
	Digest string
	// Err is why it cannot be read.
	Err error
	// Request is the body of a request to apply it.
	Request func(dryRun bool, plan string) (json.RawMessage, error)
	// Locate says where in the file something is that a problem refers to by a JSON pointer.
	Locate func(pointer string) string
}

// declarations applies the declared files. Each file is one transaction, so that one that is refused changes nothing:
// what it declared before still counts. It calls the API like any client, with a key named declaredActor, so that rules
// and approvals count and the audit log has it.
type declarations struct {
	read   func() []DeclaredFile
	routes http.Handler
	key    string
	now    func() time.Time
	logger *slog.Logger
	metric *metric.Declared
	files  map[string]declaredState
}

// declaredState is how a file stands.
type declaredState struct {
	digest string
	failed string // why it is refused; empty if it is applied
	next   time.Time
	drift  int // plans in a row that change something although the file is applied
}

func (s *server) newDeclarations(routes http.Handler) (*declarations, error) {
	d := &declarations{
		read: s.Declared, routes: routes, now: s.Now, logger: s.Logger, metric: metric.NewDeclared(s.registry),
		files: map[string]declaredState{},
	}
	if s.Auth == AuthNone {
		return d, nil
	}
	text, err := apikey.Clean(s.BootstrapAdminKey)
	if err != nil || text == "" {
		return nil, errors.Join(errors.New("declared files are applied with a key that is derived from the bootstrap admin key: set it"), err)
	}
	admin, err := apikey.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("bootstrap admin key: %w", err)
	}
	key, err := apikey.Derive(admin, declaredActor)
	if err != nil {
		return nil, err
	}
	d.key = key.Text
	return d, s.ensureDeclaredKey(key)
}

func (s *server) ensureDeclaredKey(key apikey.Key) error {
	ctx, cancel := context.WithTimeout(context.Background(), declaredRetry)
	defer cancel()
	err := s.store.UpsertKey(ctx, store.Key{
		ID: key.ID, Name: declaredActor, SecretHash: key.Hash(),
		Bindings:  []store.Binding{{Role: string(api.RoleAdmin), Pool: store.AllPools}},
		CreatedAt: s.Now().UTC(), CreatedBy: bootstrapActor,
	}, keyOverlap)
	if store.IsCode(err, store.Conflict) {
		s.Logger.Warn("the key that applies declared files is not valid", "reason", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("create the key that applies declared files: %w", err)
	}
	return nil
}

func (d *declarations) run(ctx context.Context) error {
	ticker := time.NewTicker(declaredPoll)
	defer ticker.Stop()
	for {
		d.bringAll(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// bringAll brings every file. What was refused is tried again as long as others change something: it may need what they declare.
func (d *declarations) bringAll(ctx context.Context) {
	files := d.read()
	for changed, again := true, false; changed; again = true {
		changed = false
		for _, file := range files {
			changed = d.bring(ctx, file, again) || changed
		}
	}
	for name := range d.files {
		if !slices.ContainsFunc(files, func(f DeclaredFile) bool { return f.Name == name }) {
			delete(d.files, name)
			d.metric.Delete(name)
		}
	}
}

// bring applies a file that is new, changed, or was planned a while ago, or, if it was refused and again, now. It is true if
// that changed something.
func (d *declarations) bring(ctx context.Context, file DeclaredFile, again bool) bool {
	before, known := d.files[file.Name]
	if known && before.digest == file.Digest && d.now().Before(before.next) && (before.failed == "" || !again) {
		return false
	}
	applied := known && before.digest == file.Digest && before.failed == ""
	changes, drift, err := 0, 0, error(nil)
	if applied {
		drift, err = d.drift(ctx, file, before.drift)
	}
	if err == nil && (!applied || drift == declaredDrift) {
		drift = 0
		changes, err = d.apply(ctx, file)
	}
	if ctx.Err() != nil {
		return false
	}
	state := declaredState{digest: file.Digest, next: d.now().Add(declaredRetry), drift: drift}
	if err != nil {
		state.failed = err.Error()
		d.metric.Failed(file.Name)
		if state.failed != before.failed || state.digest != before.digest {
			d.logger.Error("declared file is refused; what it declared before still counts", "file", file.Name, "reason", err)
		}
	} else {
		d.metric.Applied(file.Name, d.now())
		if !applied || changes > 0 {
			d.logger.Info("declared file is applied", "file", file.Name, "changes", changes)
		}
	}
	d.files[file.Name] = state
	return err == nil && changes > 0
}

// drift counts the plans of an applied file that change something, this one included.
func (d *declarations) drift(ctx context.Context, file DeclaredFile, before int) (int, error) {
	if file.Err != nil {
		return 0, file.Err
	}
	plan, refused := d.call(ctx, file, true, "")
	if refused != nil {
		return 0, refused.in(file)
	}
	if changesOf(plan) == 0 {
		return 0, nil
	}
	return before + 1, nil
}

func changesOf(plan *api.ApplyResult) int {
	changes := 0
	for _, c := range plan.Changes {
		if c.Action != api.Unchanged {
			changes++
		}
	}
	return changes
}

// declaredTries bounds how often a plan is made again after a change by someone else, such as another server.
const declaredTries = 5

// apply makes a plan, refuses it where it would break a deployment, and applies exactly that plan.
func (d *declarations) apply(ctx context.Context, file DeclaredFile) (changes int, err error) {
	if file.Err != nil {
		return 0, file.Err
	}
	for range declaredTries {
		plan, refused := d.call(ctx, file, true, "")
		if refused != nil {
			return 0, refused.in(file)
		}
		if plan.Broken != nil {
			return 0, brokenError(file, plan)
		}
		if changes = changesOf(plan); changes == 0 {
			return 0, nil
		}
		if _, refused = d.call(ctx, file, false, plan.Plan); refused == nil {
			return changes, nil
		}
		if refused.Code != string(problem.PlanChanged) {
			return 0, refused.in(file)
		}
	}
	return 0, errors.New("the plan changed each time that it was made; it is tried again")
}

func brokenError(file DeclaredFile, plan *api.ApplyResult) error {
	lines := []string{"runs of " + strings.Join(*plan.Broken, ", ") + " would be refused"}
	for _, w := range plan.Warnings {
		lines = append(lines, findingIn(file, w))
	}
	return errors.New(strings.Join(lines, "; "))
}

// declaredRefusal is the answer to a call.
type declaredRefusal struct{ api.Problem }

func (r *declaredRefusal) in(file DeclaredFile) error {
	lines := []string{r.Title}
	if r.Detail != nil {
		lines[0] = *r.Detail
	}
	if r.Errors != nil {
		for _, f := range *r.Errors {
			lines = append(lines, findingIn(file, f))
		}
	}
	if r.Approvals != nil {
		for _, need := range *r.Approvals {
			if need.ID != nil {
				lines = append(lines, fmt.Sprintf("it is applied once approval %s is given", need.ID))
			}
		}
	}
	return errors.New(strings.Join(slices.Compact(lines), "; "))
}

func findingIn(file DeclaredFile, f api.Finding) string {
	where := ""
	if f.Pointer != "" {
		where = f.Pointer
		if file.Locate != nil {
			if located := file.Locate(where); located != "" {
				where = located
			}
		}
		where += ": "
	}
	return where + f.Message
}

// call asks this server itself.
func (d *declarations) call(ctx context.Context, file DeclaredFile, dryRun bool, plan string) (*api.ApplyResult, *declaredRefusal) {
	failed := func(err error) (*api.ApplyResult, *declaredRefusal) {
		return nil, &declaredRefusal{api.Problem{Title: err.Error()}}
	}
	body, err := file.Request(dryRun, plan)
	if err != nil {
		return failed(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/api/v1/apply", bytes.NewReader(body))
	if err != nil {
		return failed(err)
	}
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	r.Header.Set("Content-Type", "application/json")
	if d.key != "" {
		r.Header.Set("Authorization", "Bearer "+d.key)
	}
	answer := &answerRecorder{status: http.StatusOK, header: http.Header{}}
	d.routes.ServeHTTP(answer, r)
	if answer.status != http.StatusOK {
		refusal := &declaredRefusal{}
		if err := json.Unmarshal(answer.body.Bytes(), &refusal.Problem); err != nil {
			return failed(fmt.Errorf("the server answers with status %d", answer.status))
		}
		return nil, refusal
	}
	result := &api.ApplyResult{}
	if err := json.Unmarshal(answer.body.Bytes(), result); err != nil {
		return failed(fmt.Errorf("read the answer: %w", err))
	}
	return result, nil
}

// answerRecorder is the answer of a handler within this process.
type answerRecorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answerRecorder) Header() http.Header            { return a.header }
func (a *answerRecorder) WriteHeader(status int)         { a.status = status }
func (a *answerRecorder) Write(text []byte) (int, error) { return a.body.Write(text) }

// SetReadDeadline and SetWriteDeadline have no connection to bound.
func (a *answerRecorder) SetReadDeadline(time.Time) error  { return nil }
func (a *answerRecorder) SetWriteDeadline(time.Time) error { return nil }
