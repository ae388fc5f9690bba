package worker

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/worker/job"
)

// instantRuntime is a runtime whose Jobs have ended as soon as they are launched.
type instantRuntime struct{ *waitingRuntime }

func (i instantRuntime) Launch(_ context.Context, a job.Attempt) (job.Launched, error) {
	at := time.Now()
	uid := uuid.NewString()
	i.handler.Observed(a.Ref,
		job.Observation{Phase: job.Ended, UID: uid, Succeeded: true, RunningSince: &at, EndedAt: &at})
	return job.Launched{Namespace: "jobs", Name: a.Manifest.Name, UID: uid}, nil
}

// benchServer is a server that always has work, and accepts everything.
type benchServer struct {
	apiserver.StrictServerInterface
	template json.RawMessage
	left     atomic.Int64
	ended    atomic.Int64
	want     int64
	done     chan struct{}
}

func (p *benchServer) WorkerHello(
	context.Context, apiserver.WorkerHelloRequestObject,
) (apiserver.WorkerHelloResponseObject, error) {
	return apiserver.WorkerHello200JSONResponse{InstallationID: uuid.New(), LeaseSeconds: 30}, nil
}

func (p *benchServer) ClaimRuns(
	ctx context.Context, r apiserver.ClaimRunsRequestObject,
) (apiserver.ClaimRunsResponseObject, error) {
	response := apiserver.ClaimRuns200JSONResponse{Cancels: []uuid.UUID{}, Claims: []api.Claim{}}
	for range r.Body.Max {
		if p.left.Add(-1) < 0 {
			break
		}
		response.Claims = append(
			response.Claims,
			api.Claim{AttemptID: uuid.New(), RunID: uuid.New(), Attempt: 1, Epoch: 1, LeaseSeconds: 30,
				RunName: "run", Deployment: "d", Pool: "local", Queue: "default", Parameters: json.RawMessage(`{}`), Tags: []string{},
				RenderInput: api.RenderInput{
					Deployment: json.RawMessage(`{}`), Run: json.RawMessage(`{"script":"true"}`),
					Stored: json.RawMessage(`{}`),
				}},
		)
	}
	if len(response.Claims) == 0 {
		<-ctx.Done()
	}
	return response, nil
}

func (p *benchServer) RenewLeases(
	context.Context, apiserver.RenewLeasesRequestObject,
) (apiserver.RenewLeasesResponseObject, error) {
	return apiserver.RenewLeases200JSONResponse{
		Lost: []uuid.UUID{}, Cancels: []uuid.UUID{}, LeaseSeconds: 30,
	}, nil
}

func (p *benchServer) ReportAttempts(
	_ context.Context, r apiserver.ReportAttemptsRequestObject,
) (apiserver.ReportAttemptsResponseObject, error) {
	var response apiserver.ReportAttempts200JSONResponse
	for _, report := range r.Body.Reports {
		response.Results = append(response.Results, api.ReportResult{Status: api.ReportResultStatusAccepted})
		if report.Kind == api.ReportKindEnded && p.ended.Add(1) == p.want {
			close(p.done)
		}
	}
	return response, nil
}

func (p *benchServer) GetTemplateForWorker(
	_ context.Context, r apiserver.GetTemplateForWorkerRequestObject,
) (apiserver.GetTemplateForWorkerResponseObject, error) {
	return apiserver.GetTemplateForWorker200JSONResponse{ID: r.Version, Document: p.template}, nil
}

// BenchmarkRuns is one worker from claim to recorded end, with a server and a runtime that cost next to
// nothing.
func BenchmarkRuns(b *testing.B) {
	p := &benchServer{template: json.RawMessage(shellTemplate), want: int64(b.N), done: make(chan struct{})}
	p.left.Store(int64(b.N))
	server := httptest.NewServer(
		http.HandlerFunc(apiserver.Handler(apiserver.NewStrictHandler(p, nil)).ServeHTTP))
	ctx, cancel := context.WithCancel(b.Context())
	stopped := make(chan error, 1)
	go func() {
		stopped <- Run(ctx, Options{ServerURL: server.URL, Pool: "local", Name: "w", Runtime: instantRuntime{newWaitingRuntime()},
			Logger: slog.New(slog.DiscardHandler)})
	}()
	<-p.done
	b.StopTimer()
	cancel()
	server.CloseClientConnections()
	if err := <-stopped; err != nil {
		b.Fatal(err)
	}
	server.Close()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}
