package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/request"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

const (
	// maxWait bounds a long poll; proxies and load balancers end longer ones.
	maxWait = 30 * time.Second
	// claimRetry is how often a waiting claim tries again without a hint: hints may be lost.
	claimRetry = 5 * time.Second
	// maxClaimBytes bounds the documents of one answer.
	maxClaimBytes = 8 << 20
)

// ClaimRuns gives a worker due runs of its pool. While there are none it waits for a time; it answers at once
// when an attempt that the worker holds is to be cancelled.
func (h *Handler) ClaimRuns(
	ctx context.Context, r apiserver.ClaimRunsRequestObject,
) (apiserver.ClaimRunsResponseObject, error) {
	b := r.Body
	if err := checkWorker(b.Pool, b.Worker); err != nil {
		return nil, err
	}
	if b.Max < 0 || b.Max > maxClaims {
		return nil, invalidField("/max", "must be from 0 to %d", maxClaims)
	}
	if err := checkSession(b.SessionID); err != nil {
		return nil, err
	}
	lost := wire.Each(wire.Or(b.LostNamespaces, nil), wire.ReadLost)
	if err := checkLength("/lost_namespaces", len(lost), maxLost); err != nil {
		return nil, err
	}

	poll := &claimPoll{h: h, claim: store.ClaimRequest{
		RequestID: b.RequestID,
		Pool:      b.Pool,
		Worker:    b.Worker,
		ClusterID: b.ClusterID,
		Max:       int(b.Max),
		MaxBytes:  maxClaimBytes,
		Lease:     h.Lease,
		Session:   b.SessionID,
		JobKeys:   wire.Or(b.JobKeys, false),
		Lost:      lost,
	}, cancelsAfter: b.CancelsAfter, dryRuns: wire.Or(b.DryRuns, false)}
	wait := min(max(time.Duration(b.WaitSeconds)*time.Second, 0), maxWait)
	answer, err := poll.await(ctx, wait)
	if err != nil {
		return nil, err
	}
	return apiserver.ClaimRuns200JSONResponse(*answer), nil
}

// claimPoll is one waiting claim.
type claimPoll struct {
	h     *Handler
	claim store.ClaimRequest
	// cancelsAfter is when the newest cancel was requested that the worker knows.
	cancelsAfter *time.Time
	full         bool // the last claim may have left something that another can take
	// emptyAt is when the last claim that got nothing began, or when the hint came that ended the wait after it: what
	// there is now, the worker could not get before.
	emptyAt time.Time
	dryRuns bool // the worker answers dry runs
}

// subscribe returns a subscription to what the claim waits for. One that takes no runs waits for cancels, which are
// hinted to all.
func (p *claimPoll) subscribe() *store.Subscription {
	if p.claim.Max == 0 {
		return p.h.store.Subscribe(store.PoolTopic(p.claim.Pool))
	}
	return p.h.store.SubscribeClaims(p.claim.Pool)
}

// await claims until there is something to answer. The answer is empty when the wait is over or the server
// stops.
func (p *claimPoll) await(ctx context.Context, wait time.Duration) (*api.ClaimResponse, error) {
	// A waiting claim does not keep other requests out: its body has been read.
	request.Release(ctx)
	// Subscribed before the first claim, so that no hint is missed in between.
	hints := p.subscribe()
	defer hints.Close()
	asked := p.h.store.Subscribe(store.DryRunsTopic(p.claim.Pool))
	defer asked.Close()
	p.emptyAt = time.Now()
	look := p.dryRuns // for dry runs, of which claims are not hinted
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	retry := time.NewTicker(claimRetry)
	defer retry.Stop()

	for {
		answer, err := p.try(ctx)
		if p.full || ctx.Err() != nil {
			hints.PassOn() // more may be due, or the worker does not get what was claimed
		}
		if err == nil && look {
			err = p.addDryRuns(ctx, answer)
		}
		if err != nil {
			return nil, err
		}
		if len(answer.Claims) > 0 || len(answer.Cancels) > 0 || answer.DryRuns != nil {
			return answer, nil
		}
		look = false
		select {
		case <-hints.C():
			hints.Next()
			p.emptyAt = time.Now()
		case <-asked.C():
			asked.Next()
			look = p.dryRuns
		case <-retry.C:
			look = p.dryRuns
		case <-timeout.C:
			return answer, nil
		case <-p.h.Stopping:
			return answer, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (p *claimPoll) try(ctx context.Context) (*api.ClaimResponse, error) {
	began := time.Now()
	claims, err := p.h.store.Claim(ctx, p.claim)
	if err != nil {
		return nil, err
	}
	possible := time.Since(p.emptyAt)
	if len(claims) == 0 {
		p.emptyAt = began
	}
	size := 0
	for _, c := range claims {
		size += c.Size()
	}
	p.full = p.claim.Max > 0 && (len(claims) >= p.claim.Max || size > maxClaimBytes/2)
	cancels, cancelsAt, err := p.h.store.ListCancels(ctx, p.claim.Session, p.cancelsAfter)
	if err != nil {
		return nil, err
	}
	p.h.Metrics.ObserveClaims(claims, possible)
	references, err := p.references(ctx, len(claims))
	if err != nil {
		return nil, err
	}
	answer := &api.ClaimResponse{
		Claims: wire.Each(claims, func(c store.Claim) api.Claim {
			claim := wire.Claim(c, p.claim.Lease)
			claim.References = references
			return claim
		}),
		Cancels:   wire.NonNil(cancels),
		CancelsAt: wire.TimePtr(cancelsAt),
	}
	return answer, p.addRules(ctx, answer.Claims)
}

// addDryRuns gives the worker questions about its cluster, whatever free slots it has and whether the pool is paused.
func (p *claimPoll) addDryRuns(ctx context.Context, answer *api.ClaimResponse) error {
	taken, err := p.h.store.TakeDryRuns(ctx, store.DryRunTaker{
		Pool: p.claim.Pool, Worker: p.claim.Worker, ClusterID: p.claim.ClusterID, Max: maxDryRuns,
	})
	if err != nil || len(taken) == 0 {
		return err
	}
	questions := make([]api.DryRunQuestion, len(taken))
	for i, raw := range taken {
		if err := json.Unmarshal(raw, &questions[i]); err != nil {
			return fmt.Errorf("read a dry run: %w", err)
		}
	}
	answer.DryRuns = &questions
	return nil
}

// addRules tells the worker which rules count in the pool now, and what they need to know of each run.
func (p *claimPoll) addRules(ctx context.Context, claims []api.Claim) error {
	if len(claims) == 0 {
		return nil
	}
	sets, err := p.h.store.ListCurrentRuleSets(ctx, p.claim.Pool)
	if err != nil || len(sets) == 0 {
		return err
	}
	runs := make([]uuid.UUID, len(claims))
	for i, c := range claims {
		runs[i] = c.RunID
	}
	facts, err := p.h.store.ListRuleFacts(ctx, runs)
	if err != nil {
		return err
	}
	for i := range claims {
		f := facts[claims[i].RunID]
		claims[i].Rules = &api.ClaimRules{
			Sets:    sets,
			Caller:  api.RuleCaller{Name: f.CallerName, Kind: f.CallerKind, Role: f.CallerRole},
			Retries: int32(f.Retries),
		}
	}
	return nil
}

// references are what job variables of the pool may refer to now: an attempt is judged by the list of today,
// also where its run is older.
func (p *claimPoll) references(ctx context.Context, claims int) (*api.AllowedReferences, error) {
	if claims == 0 {
		return nil, nil
	}
	raw, err := p.h.store.GetAllowedReferences(ctx, p.claim.Pool)
	if err != nil {
		return nil, err
	}
	list := wire.AllowedReferences(raw)
	return &list, nil
}
