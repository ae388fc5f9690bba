package handler

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// protocolVersion is the version of the worker protocol that this server speaks.
const protocolVersion = 1

// Bounds of one call of a worker. The protocol is not checked against the specification, which would refuse
// the fields that a newer worker adds, so that these are checked here.
const (
	maxClaims     = 1000
	maxReports    = 1000
	maxLeases     = 20_000
	maxChunks     = 1000
	maxLost       = 1000
	maxObjects    = 10
	maxUID        = 200     // bytes
	maxPosition   = 1000    // bytes
	maxWorkerName = 300     // bytes
	maxNamespace  = 63      // bytes
	maxOffset     = 1 << 50 // of output, in bytes: readers add to it
)

// invalidField refuses a body for the value at a place.
func invalidField(at, format string, args ...any) error {
	refusal := problem.Newf(problem.InvalidBody, format, args...)
	return refusal.At(at, "%s", refusal.Detail)
}

// checkWorker checks who calls.
func checkWorker(pool, worker string) error {
	switch {
	case pool == "":
		return invalidField("/pool", "the work pool is missing")
	case worker == "" || len(worker) > maxWorkerName:
		return invalidField("/worker", "the name of the worker must have 1 to %d bytes", maxWorkerName)
	}
	return nil
}

// checkSession checks that a worker names its session.
func checkSession(id uuid.UUID) error {
	if id == uuid.Nil {
		return invalidField("/session_id", "the id of the worker's session is missing")
	}
	return nil
}

func checkLength(at string, n, limit int) error {
	if n > limit {
		return invalidField(at, "%d items; at most %d are allowed in one call", n, limit)
	}
	return nil
}

// GetPoolForWorker returns what a worker has to know of its pool before it can say hello: a key of role worker may
// call the worker protocol only.
func (h *Handler) GetPoolForWorker(
	ctx context.Context, r apiserver.GetPoolForWorkerRequestObject,
) (apiserver.GetPoolForWorkerResponseObject, error) {
	kind, err := h.store.GetPoolTypeForWorker(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	return apiserver.GetPoolForWorker200JSONResponse{Name: r.Pool, Type: api.PoolType(kind)}, nil
}

// WorkerHello registers a worker of a pool and tells it the settings of this server.
func (h *Handler) WorkerHello(
	ctx context.Context, r apiserver.WorkerHelloRequestObject,
) (apiserver.WorkerHelloResponseObject, error) {
	b := r.Body
	if err := checkWorker(b.Pool, b.Worker); err != nil {
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
		return nil, invalidField("/cluster_id", "the id of the worker's cluster is missing")
	}
	if err := checkSession(b.SessionID); err != nil {
		return nil, err
	}
	namespace := wire.Or(b.DefaultNamespace, "")
	if len(namespace) > maxNamespace {
		return nil, invalidField("/default_namespace", "must have at most %d bytes", maxNamespace)
	}
	objects := wire.Or(b.ClusterObjects, nil)
	if err := checkObjects(objects); err != nil {
		return nil, err
	}
	poolType, err := h.store.GetPoolTypeForWorker(ctx, b.Pool)
	if err != nil {
		return nil, err
	}
	if poolType != string(b.Type) {
		return nil, problem.Newf(problem.Code(store.Conflict),
			"work pool %q has type %s, the worker has type %q", b.Pool, poolType, b.Type).
			At("/type", "work pool %q has type %s", b.Pool, poolType)
	}

	err = h.store.UpsertWorker(ctx, store.Worker{
		Name:       b.Worker,
		Pool:       b.Pool,
		Type:       string(b.Type),
		ClusterID:  b.ClusterID,
		Version:    b.Version,
		Namespaces: wire.Or(b.Namespaces, nil),
		LastSeenAt: h.Now().UTC(),

		DefaultNamespace: namespace,
		ClusterObjects:   objects,
	}, b.SessionID)
	if err != nil {
		return nil, err
	}
	h.Logger.Info("worker said hello",
		"worker", b.Worker, "pool", b.Pool, "type", b.Type, "cluster", b.ClusterID, "version", b.Version)
	return apiserver.WorkerHello200JSONResponse{
		InstallationID: h.Installation,
		LeaseSeconds:   wire.LeaseSeconds(h.Lease),
		ServerVersion:  h.Version,
	}, nil
}

// checkObjects checks what a worker says of its cluster.
func checkObjects(objects map[string]string) error {
	if err := checkLength("/cluster_objects", len(objects), maxObjects); err != nil {
		return err
	}
	for name, uid := range objects {
		if len(name) > maxUID || len(uid) > maxUID {
			return invalidField("/cluster_objects", "names and UIDs must have at most %d bytes", maxUID)
		}
	}
	return nil
}

// RenewLeases extends the leases of a worker, releases the ones that it lists for release, and returns the
// ones it has lost.
func (h *Handler) RenewLeases(
	ctx context.Context, r apiserver.RenewLeasesRequestObject,
) (apiserver.RenewLeasesResponseObject, error) {
	b := r.Body
	if err := checkWorker(b.Pool, b.Worker); err != nil {
		return nil, err
	}
	if err := checkSession(b.SessionID); err != nil {
		return nil, err
	}
	renewed := wire.Each(b.Leases, wire.ReadLease)
	released := wire.Each(wire.Or(b.Release, nil), wire.ReadLease)
	if err := checkLength("/leases", len(renewed), maxLeases); err != nil {
		return nil, err
	}
	if err := checkLength("/release", len(released), maxLeases); err != nil {
		return nil, err
	}

	var lost, cancels []uuid.UUID
	stops := wire.Or(b.Goodbye, false)
	if len(renewed) > 0 || len(released) == 0 && !stops { // a call may only release, or only say goodbye
		var err error
		lost, cancels, err = h.store.RenewLeases(ctx, store.Renewal{
			Session: store.SessionRef{ID: b.SessionID, Pool: b.Pool, Worker: b.Worker},
			Leases:  renewed, Partial: wire.Or(b.Partial, false), Lease: h.Lease,
		})
		if err != nil {
			return nil, err
		}
	}
	// After the renewal, so that a lease in both lists is released.
	if err := h.store.ReleaseLeases(ctx, b.Worker, released); err != nil {
		return nil, err
	}
	if stops {
		ref := store.SessionRef{ID: b.SessionID, Pool: b.Pool, Worker: b.Worker}
		if err := h.store.StopWorker(ctx, ref); err != nil {
			return nil, err
		}
	}
	return apiserver.RenewLeases200JSONResponse{
		Lost:         wire.NonNil(lost),
		Cancels:      wire.NonNil(cancels),
		LeaseSeconds: wire.LeaseSeconds(h.Lease),
	}, nil
}

// ReportAttempts records what a worker observed of attempts, and answers each report by itself, in order.
func (h *Handler) ReportAttempts(
	ctx context.Context, r apiserver.ReportAttemptsRequestObject,
) (apiserver.ReportAttemptsResponseObject, error) {
	b := r.Body
	if err := checkWorker(b.Pool, b.Worker); err != nil {
		return nil, err
	}
	if err := checkLength("/reports", len(b.Reports), maxReports); err != nil {
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

// AppendLogs stores output of attempts.
func (h *Handler) AppendLogs(
	ctx context.Context, r apiserver.AppendLogsRequestObject,
) (apiserver.AppendLogsResponseObject, error) {
	if err := checkLength("/chunks", len(r.Body.Chunks), maxChunks); err != nil {
		return nil, err
	}
	chunks := wire.Each(r.Body.Chunks, wire.ReadLogChunk)
	var bytes int
	for i, chunk := range chunks {
		if chunk.Offset < 0 || chunk.Offset > maxOffset {
			return nil, invalidField(
				"/chunks/"+strconv.Itoa(i)+"/offset",
				"must be from 0 to %d",
				int64(maxOffset),
			)
		}
		if len(chunk.Position) > maxPosition {
			return nil, invalidField("/chunks/"+strconv.Itoa(i)+"/position", "must have at most %d bytes", maxPosition)
		}
		bytes += len(chunk.Text)
	}
	if err := h.store.AppendLogs(ctx, chunks); err != nil {
		return nil, err
	}
	h.Metrics.AddLogBytes(bytes)
	return apiserver.AppendLogs204Response{}, nil
}

// LookUpAttempts returns what the server knows of Jobs that a worker found in its cluster.
func (h *Handler) LookUpAttempts(
	ctx context.Context, r apiserver.LookUpAttemptsRequestObject,
) (apiserver.LookUpAttemptsResponseObject, error) {
	b := r.Body
	if err := checkLength("/jobs", len(b.Jobs), maxLeases); err != nil {
		return nil, err
	}
	refs := wire.Each(b.Jobs, func(ref api.AttemptRef) store.AttemptRef {
		return store.AttemptRef{RunID: ref.RunID, Attempt: ref.Attempt, JobUID: wire.Or(ref.JobUID, "")}
	})
	statuses, err := h.store.ListAttemptStatuses(ctx, refs)
	if err != nil {
		return nil, err
	}
	return apiserver.LookUpAttempts200JSONResponse{
		Jobs: wire.Each(statuses, func(s store.AttemptStatus) api.AttemptStatus {
			return api.AttemptStatus{
				Status:    api.AttemptStatusStatus(s.Status),
				AttemptID: wire.OrNil(s.AttemptID),
				Epoch:     wire.OrNil(s.Epoch),
			}
		}),
	}, nil
}

// GetTemplateForWorker returns a template version. It never changes, so that workers may keep it.
func (h *Handler) GetTemplateForWorker(
	ctx context.Context, r apiserver.GetTemplateForWorkerRequestObject,
) (apiserver.GetTemplateForWorkerResponseObject, error) {
	version, err := h.store.GetTemplateVersionByID(ctx, r.Version)
	if err != nil {
		return nil, err
	}
	return apiserver.GetTemplateForWorker200JSONResponse(wire.TemplateVersion(*version)), nil
}
