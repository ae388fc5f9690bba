package handler

import (
	"context"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

const (
	// maxWait bounds a long poll; proxies and load balancers cut longer ones.
	maxWait = 30 * time.Second
	// claimAgain is how often a waiting claim looks without having been told to: hints may be lost.
	claimAgain = 5 * time.Second
)

// ClaimRuns hands out due runs of a pool, waiting for some while there are none. It answers at once when
// something that the worker holds is to be cancelled.
func (h *Handler) ClaimRuns(
	ctx context.Context,
	r apiserver.ClaimRunsRequestObject,
) (apiserver.ClaimRunsResponseObject, error) {
	b := r.Body
	if err := checkWorker(ctx, b.Pool, b.Worker); err != nil {
		return nil, err
	}
	if b.Max < 0 || b.Max > maxClaims {
		return nil, invalidCall("/max", "must be from 0 to %d", maxClaims)
	}
	held := wire.Or(b.Held, nil)
	if err := atMost("/held", len(held), maxLeases); err != nil {
		return nil, err
	}
	leases := wire.Each(held, wire.ReadLease)
	if err := h.checkAttempts(ctx, attemptsOf(leases)); err != nil {
		return nil, err
	}
	poll := &poll{
		h: h, held: leases,
		claim: store.ClaimRequest{
			RequestID: b.RequestID, Pool: b.Pool, Worker: b.Worker, ClusterID: b.ClusterID, Max: int(b.Max), Lease: h.Lease, Held: leases,
			JobKeys: wire.Or(b.JobKeys, false),
		},
	}
	wait := min(max(time.Duration(b.WaitSeconds)*time.Second, 0), maxWait)
	answer, err := poll.await(ctx, wait)
	if err != nil {
		return nil, err
	}
	return apiserver.ClaimRuns200JSONResponse(*answer), nil
}

// poll is one waiting claim.
type poll struct {
	h     *Handler
	claim store.ClaimRequest
	held  []store.Lease
}

// await looks until there is something, or until the wait is over or the server stops, which is an empty
// answer.
func (p *poll) await(ctx context.Context, wait time.Duration) (*api.ClaimResponse, error) {
	// Subscribed before the first look, so that nothing is missed in between.
	topic := p.h.store.Subscribe(store.PoolTopic(p.claim.Pool))
	defer topic.Close()
	over := time.NewTimer(wait)
	defer over.Stop()
	again := time.NewTicker(claimAgain)
	defer again.Stop()
	for {
		answer, err := p.look(ctx)
		if err != nil {
			return nil, err
		}
		if len(answer.Claims) > 0 || len(answer.Cancels) > 0 {
			return answer, nil
		}
		select {
		case <-topic.C():
		case <-again.C:
		case <-over.C:
			return answer, nil
		case <-p.h.Stopping:
			return answer, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (p *poll) look(ctx context.Context) (*api.ClaimResponse, error) {
	claims, err := p.h.store.Claim(ctx, p.claim)
	if err != nil {
		return nil, err
	}
	cancels, err := p.h.store.Cancels(ctx, p.claim.Pool, p.claim.Worker, p.held)
	if err != nil {
		return nil, err
	}
	p.h.Metrics.ObserveClaims(claims)
	return &api.ClaimResponse{Claims: wire.Each(claims, func(c store.Claim) api.Claim { return wire.Claim(c, p.claim.Lease) }), Cancels: wire.NonNil(cancels)}, nil
}
