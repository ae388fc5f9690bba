package handler

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// protocolVersion is the version of the worker protocol that this server speaks.
const protocolVersion = 1

// Bounds on what one call of a worker may hold. The protocol is not checked against the specification, which
// would refuse what a newer worker adds.
const (
	maxClaims  = 1000
	maxReports = 1000
	maxLeases  = 20_000
	maxChunks  = 1000
	maxOffset  = 1 << 50 // of output: who follows it adds to it
)

func invalidCall(at, format string, args ...any) error {
	refusal := problem.Newf(problem.InvalidBody, format, args...)
	return refusal.At(at, "%s", refusal.Detail)
}

// checkWorker checks what every call of a worker carries.
func checkWorker(ctx context.Context, pool, worker string) error {
	const longest = 300
	switch {
	case pool == "":
		return invalidCall("/pool", "name the work pool")
	case worker == "" || len(worker) > longest:
		return invalidCall("/worker", "the worker's name must have 1 to %d bytes", longest)
	}
	return access.From(ctx).CheckPool(pool)
}

// checkAttempts refuses attempts of pools that the key is not for: the pool that a call names says nothing
// about them.
func (h *Handler) checkAttempts(ctx context.Context, ids []uuid.UUID) error {
	who := access.From(ctx)
	if !who.Limited() || len(ids) == 0 {
		return nil
	}
	pools, err := h.store.PoolsOfAttempts(ctx, ids)
	if err != nil {
		return err
	}
	for _, pool := range pools {
		if err := who.CheckPoolOf(pool, "one of these attempts"); err != nil {
			return err
		}
	}
	return nil
}

func attemptsOf(leases []store.Lease) []uuid.UUID {
	return wire.Each(leases, func(l store.Lease) uuid.UUID { return l.AttemptID })
}

func atMost(at string, n, limit int) error {
	if n > limit {
		return invalidCall(at, "%d items, at most %d are allowed in one call", n, limit)
	}
	return nil
}

// WorkerHello welcomes a worker of a pool and tells it what it needs to know.
func (h *Handler) WorkerHello(
	ctx context.Context,
	r apiserver.WorkerHelloRequestObject,
) (apiserver.WorkerHelloResponseObject, error) {
	b := r.Body
	if err := checkWorker(ctx, b.Pool, b.Worker); err != nil {
		return nil, err
	}
	if b.Protocol != protocolVersion {
		return nil, problem.Newf(
			problem.ProtocolUnsupported,
			"the worker speaks version %d of the protocol, this server (%s) version %d; upgrade the older of the two",
			b.Protocol,
			h.Version,
			protocolVersion,
		)
	}
	if b.ClusterID == "" {
		return nil, invalidCall("/cluster_id", "say which cluster the worker serves")
	}
	kind, err := h.store.PoolTypeForWorker(ctx, b.Pool)
	if err != nil {
		return nil, err
	}
	if kind != string(b.Type) {
		return nil, problem.Newf(problem.Code(store.Conflict), "work pool %q has type %s, the worker serves %q", b.Pool, kind, b.Type).
			At("/type", "work pool %q has type %s", b.Pool, kind)
	}
	err = h.store.UpsertWorker(ctx, store.Worker{
		Name: b.Worker, Pool: b.Pool, Type: string(b.Type), ClusterID: b.ClusterID, Version: b.Version,
		Namespaces: wire.Or(b.Namespaces, nil), LastSeenAt: h.Now().UTC(),
	})
	if err != nil {
		return nil, err
	}
	h.Logger.Info(
		"worker said hello",
		"worker",
		b.Worker,
		"pool",
		b.Pool,
		"type",
		b.Type,
		"cluster",
		b.ClusterID,
		"version",
		b.Version,
	)
	return apiserver.WorkerHello200JSONResponse{
		InstallationID: h.Installation, LeaseSeconds: wire.LeaseSeconds(h.Lease), ServerVersion: h.Version,
	}, nil
}

// RenewLeases renews what a worker holds and says what it has lost.
func (h *Handler) RenewLeases(
	ctx context.Context,
	r apiserver.RenewLeasesRequestObject,
) (apiserver.RenewLeasesResponseObject, error) {
	b := r.Body
	if err := checkWorker(ctx, b.Pool, b.Worker); err != nil {
		return nil, err
	}
	if err := atMost("/leases", len(b.Leases), maxLeases); err != nil {
		return nil, err
	}
	leases, release := wire.Each(b.Leases, wire.ReadLease), wire.Each(wire.Or(b.Release, nil), wire.ReadLease)
	if err := atMost("/release", len(release), maxLeases); err != nil {
		return nil, err
	}
	if err := h.checkAttempts(ctx, append(attemptsOf(leases), attemptsOf(release)...)); err != nil {
		return nil, err
	}
	lost, cancels, err := h.store.Renew(ctx, b.Worker, leases, h.Lease)
	if err != nil {
		return nil, err
	}
	if err := h.store.Release(ctx, b.Worker, release); err != nil { // last, so that what is in both lists is released
		return nil, err
	}
	return apiserver.RenewLeases200JSONResponse{
		Lost:         wire.NonNil(lost),
		Cancels:      wire.NonNil(cancels),
		LeaseSeconds: wire.LeaseSeconds(h.Lease),
	}, nil
}

// ReportAttempts records what became of attempts. Each report is answered by itself, in order.
func (h *Handler) ReportAttempts(
	ctx context.Context,
	r apiserver.ReportAttemptsRequestObject,
) (apiserver.ReportAttemptsResponseObject, error) {
	b := r.Body
	if err := checkWorker(ctx, b.Pool, b.Worker); err != nil {
		return nil, err
	}
	if err := atMost("/reports", len(b.Reports), maxReports); err != nil {
		return nil, err
	}
	err := h.checkAttempts(ctx, wire.Each(b.Reports, func(r api.Report) uuid.UUID { return r.AttemptID }))
	if err != nil {
		return nil, err
	}
	results, err := h.store.Report(ctx, b.Worker, wire.Each(b.Reports, wire.ReadReport))
	if err != nil {
		return nil, err
	}
	h.Metrics.ObserveReports(results)
	return apiserver.ReportAttempts200JSONResponse{
		Results: wire.Each(results, func(r store.ReportResult) api.ReportResult {
			return api.ReportResult{Status: api.ReportResultStatus(r.Status), Message: wire.OrNil(r.Message)}
		}),
	}, nil
}

// AppendLogs stores output.
func (h *Handler) AppendLogs(
	ctx context.Context,
	r apiserver.AppendLogsRequestObject,
) (apiserver.AppendLogsResponseObject, error) {
	if err := atMost("/chunks", len(r.Body.Chunks), maxChunks); err != nil {
		return nil, err
	}
	chunks := wire.Each(r.Body.Chunks, wire.ReadLogChunk)
	var bytes int
	for i, chunk := range chunks {
		if chunk.Offset < 0 || chunk.Offset > maxOffset {
			return nil, invalidCall(
				"/chunks/"+strconv.Itoa(i)+"/offset",
				"must be from 0 to %d",
				int64(maxOffset),
			)
		}
		bytes += len(chunk.Text)
	}
	err := h.checkAttempts(ctx, wire.Each(chunks, func(c store.LogChunk) uuid.UUID { return c.AttemptID }))
	if err != nil {
		return nil, err
	}
	if err := h.store.AppendLogs(ctx, chunks); err != nil {
		return nil, err
	}
	h.Metrics.AddLogBytes(bytes)
	return apiserver.AppendLogs204Response{}, nil
}

// LookUpAttempts says what is known of Jobs that were found in a cluster.
func (h *Handler) LookUpAttempts(
	ctx context.Context,
	r apiserver.LookUpAttemptsRequestObject,
) (apiserver.LookUpAttemptsResponseObject, error) {
	b := r.Body
	if err := access.From(ctx).CheckPool(b.Pool); err != nil {
		return nil, err
	}
	if err := atMost("/jobs", len(b.Jobs), maxLeases); err != nil {
		return nil, err
	}
	refs := wire.Each(b.Jobs, func(ref api.AttemptRef) store.AttemptRef {
		return store.AttemptRef{RunID: ref.RunID, Attempt: ref.Attempt, JobUID: wire.Or(ref.JobUID, "")}
	})
	statuses, err := h.store.LookUpAttempts(ctx, b.Pool, b.ClusterID, refs)
	if err != nil {
		return nil, err
	}
	return apiserver.LookUpAttempts200JSONResponse{
		Jobs: wire.Each(statuses, func(s store.AttemptStatus) api.AttemptStatus {
			return api.AttemptStatus{
				Status:    api.AttemptStatusStatus(s.Status),
				AttemptID: wire.OrNil(s.AttemptID),
			}
		}),
	}, nil
}

// GetTemplateForWorker returns a template version. It never changes, so workers keep it.
func (h *Handler) GetTemplateForWorker(
	ctx context.Context,
	r apiserver.GetTemplateForWorkerRequestObject,
) (apiserver.GetTemplateForWorkerResponseObject, error) {
	version, err := h.store.GetTemplateByID(ctx, r.Version)
	if err != nil {
		return nil, err
	}
	if err := access.From(ctx).CheckPoolOf(version.Pool, "this template version"); err != nil {
		return nil, err
	}
	return apiserver.GetTemplateForWorker200JSONResponse(wire.TemplateVersion(*version)), nil
}
