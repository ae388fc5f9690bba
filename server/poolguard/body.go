package poolguard

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
)

// errUnknownBody means that the table names a place in a body that this package does not read. A test calls
// every operation and would find it.
var errUnknownBody = errors.New("the pool guard cannot read the pools of this request")

// checkBody checks the pools that the body names.
func (c call) checkBody() error {
	pools, err := poolsOf(c.request)
	if err != nil {
		return err
	}
	for _, pool := range pools {
		if err := c.checkNamed(pool); err != nil {
			return err
		}
	}
	return nil
}

// poolsOf returns the pools that a body names. A key that is to be revoked is looked up by the handler.
func poolsOf(request any) ([]string, error) {
	switch r := request.(type) {
	case apiserver.WorkerHelloRequestObject:
		return []string{r.Body.Pool}, nil
	case apiserver.LookUpAttemptsRequestObject:
		return []string{r.Body.Pool}, nil
	case apiserver.ClaimRunsRequestObject:
		return []string{r.Body.Pool}, nil
	case apiserver.AnswerDryRunRequestObject:
		return []string{r.Body.Pool}, nil
	case apiserver.RenewLeasesRequestObject:
		return []string{r.Body.Pool}, nil
	case apiserver.ReportAttemptsRequestObject:
		return []string{r.Body.Pool}, nil
	case apiserver.CancelRunsRequestObject:
		return selectedPools(r.Body), nil
	case apiserver.RetryRunsRequestObject:
		return selectedPools(r.Body), nil
	case apiserver.CreateAPIKeyRequestObject:
		var pools []string
		for _, b := range r.Body.Bindings {
			pools = append(pools, b.Pool)
		}
		return pools, nil
	case apiserver.RevokeAPIKeyRequestObject:
		return nil, nil
	}
	return nil, errUnknownBody
}

// selectedPools returns the pool by which runs are selected, if any.
func selectedPools(s *api.RunSelection) []string {
	if s.Filter == nil || s.Filter.Pool == nil {
		return nil
	}
	return []string{*s.Filter.Pool}
}

// attemptsOf returns the attempts that the body of a worker names.
func attemptsOf(request any) ([]uuid.UUID, error) {
	switch r := request.(type) {
	case apiserver.RenewLeasesRequestObject:
		return append(leased(&r.Body.Leases), leased(r.Body.Release)...), nil
	case apiserver.ReportAttemptsRequestObject:
		return attemptIDs(r.Body.Reports, func(r api.Report) uuid.UUID { return r.AttemptID }), nil
	case apiserver.AppendLogsRequestObject:
		return attemptIDs(r.Body.Chunks, func(c api.LogAppendChunk) uuid.UUID { return c.AttemptID }), nil
	}
	return nil, errUnknownBody
}

// checkBodyDeployment checks the deployment that a preview takes values from, or a rule is tried on, if any.
func (c call) checkBodyDeployment(ctx context.Context) error {
	var name *string
	switch r := c.request.(type) {
	case apiserver.PreviewTemplateRequestObject:
		name = r.Body.Deployment
	case apiserver.DryRunTemplateRequestObject:
		name = r.Body.Deployment
	case apiserver.CheckTemplateRequestObject:
		name = &r.Body.Deployment
	case apiserver.TestPoolRuleRequestObject:
		name = r.Body.Deployment
	default:
		return errUnknownBody
	}
	if name == nil || *name == "" {
		return nil
	}
	return c.checkDeployment(ctx, *name)
}

func leased(leases *[]api.AttemptLease) []uuid.UUID {
	if leases == nil {
		return nil
	}
	return attemptIDs(*leases, func(l api.AttemptLease) uuid.UUID { return l.AttemptID })
}

func attemptIDs[T any](items []T, id func(T) uuid.UUID) []uuid.UUID {
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		ids[i] = id(item)
	}
	return ids
}
