package handler

import (
	"context"
	"sync"

	"github.com/berth-dev/berth/server/store"
)

const (
	// maxClaimAnswer bounds the claims of one answer, in bytes of their documents.
	maxClaimAnswer = 8 << 20
	// claimOverhead is about what a claim takes beside its documents.
	claimOverhead = 1 << 10
)

// claimSizes remembers how large the claims of each pool are, so that no more are claimed than one answer
// holds. It is safe for concurrent use.
type claimSizes struct {
	mu      sync.Mutex
	largest map[string]int // in bytes, by pool
}

func newClaimSizes() *claimSizes { return &claimSizes{largest: map[string]int{}} }

// most is how many of wanted claims of a pool an answer holds, by the largest that were seen lately.
func (s *claimSizes) most(pool string, wanted int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	largest := s.largest[pool]
	if wanted <= 1 || largest == 0 {
		return wanted
	}
	return min(wanted, max(1, maxClaimAnswer/largest))
}

// fit returns how many of the claims, in order, an answer holds: at least one. It remembers their sizes. What
// was seen before counts half as much each time, so that a pool recovers from large claims.
func (s *claimSizes) fit(pool string, claims []store.Claim) int {
	sizes := make([]int, len(claims))
	largest := 0
	for i, c := range claims {
		sizes[i] = claimSize(c)
		largest = max(largest, sizes[i])
	}
	if len(claims) > 0 {
		s.mu.Lock()
		s.largest[pool] = max(largest, s.largest[pool]/2)
		s.mu.Unlock()
	}
	return store.FitBytes(sizes, maxClaimAnswer)
}

func claimSize(c store.Claim) int {
	return claimOverhead + len(c.Parameters) + len(c.DeploymentVariables) + len(c.RunVariables) + len(c.Frozen) +
		len(c.Stored) + len(c.Manifest)
}

// claims claims as many attempts as one answer holds. The leases of what is too much end at once, so that the
// next claim takes it over.
func (p *claimPoll) claims(ctx context.Context) ([]store.Claim, error) {
	request := p.claim
	request.Max = p.h.claimSizes.most(request.Pool, request.Max)
	claims, err := p.h.store.Claim(ctx, request)
	if err != nil {
		return nil, err
	}
	p.full = request.Max > 0 && len(claims) >= request.Max
	n := p.h.claimSizes.fit(request.Pool, claims)
	if n == len(claims) {
		return claims, nil
	}
	excess := make([]store.Lease, 0, len(claims)-n)
	for _, c := range claims[n:] {
		excess = append(excess, store.Lease{AttemptID: c.AttemptID, Epoch: c.Epoch})
	}
	return claims[:n], p.h.store.ReleaseLeases(ctx, request.Worker, excess)
}
