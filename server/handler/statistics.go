package handler

import (
	"context"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

const (
	aDay = 24 * time.Hour
	// hourlyUpTo is up to which range a histogram is by hour, unless its bucket is set.
	hourlyUpTo = 3 * aDay
	// maxBuckets bounds a histogram, and maxStatistics other ranges.
	maxBuckets    = 1000
	maxStatistics = maxBuckets * aDay
)

// GetRunHistogram counts ended runs by hour or day.
func (h *Handler) GetRunHistogram(
	ctx context.Context, r apiserver.GetRunHistogramRequestObject,
) (apiserver.GetRunHistogramResponseObject, error) {
	p := r.Params
	from, to, err := h.statisticsRange(p.From, p.To)
	if err != nil {
		return nil, err
	}
	query := store.HistogramQuery{
		Filter: runFilter(ctx, runQuery{
			Pool: p.Pool, Queue: p.Queue, Deployment: p.Deployment, State: p.State, operation: "GetRunHistogram",
		}),
		From: from, To: to, Bucket: bucketOf(p.Bucket, to.Sub(from)),
	}
	if to.Sub(from) > (maxBuckets-1)*query.Bucket {
		return nil, problem.Newf(problem.InvalidParameter,
			"query parameter \"from\": a histogram has up to %d buckets; set bucket to 1d, or ask for a shorter range", maxBuckets)
	}
	histogram, err := fromHistory(func(ctx context.Context) (store.RunHistogram, error) {
		return h.store.GetRunHistogram(ctx, query)
	})(ctx)
	if err != nil {
		return nil, err
	}
	return apiserver.GetRunHistogram200JSONResponse(wire.RunHistogram(histogram)), nil
}

// bucketOf is the size of the buckets of a range.
func bucketOf(size *api.HistogramBucketSize, span time.Duration) time.Duration {
	if wire.Or(size, "") == api.N1D || size == nil && span > hourlyUpTo {
		return aDay
	}
	return time.Hour
}

// GetDeploymentStatistics says how the runs of a deployment went.
func (h *Handler) GetDeploymentStatistics(
	ctx context.Context, r apiserver.GetDeploymentStatisticsRequestObject,
) (apiserver.GetDeploymentStatisticsResponseObject, error) {
	from, to, err := h.statisticsRange(r.Params.From, r.Params.To)
	if err != nil {
		return nil, err
	}
	stats, err := fromHistory(func(ctx context.Context) (store.DeploymentStatistics, error) {
		return h.store.GetDeploymentStatistics(ctx, r.Deployment, from, to)
	})(ctx)
	if err != nil {
		return nil, err
	}
	return apiserver.GetDeploymentStatistics200JSONResponse(wire.DeploymentStatistics(stats)), nil
}

// statisticsRange is a range of time with its defaults: the last 24 hours, the current hour among them.
func (h *Handler) statisticsRange(from, to *time.Time) (time.Time, time.Time, error) {
	end := wire.Or(to, h.Now().UTC().Truncate(time.Hour).Add(time.Hour))
	begin := wire.Or(from, end.Add(-aDay))
	switch span := end.Sub(begin); {
	case span <= 0:
		return begin, end, problem.Newf(problem.InvalidParameter, `query parameter "from": must be before "to"`)
	case span > maxStatistics:
		return begin, end, problem.Newf(problem.InvalidParameter,
			`query parameter "from": must be at most %d days before "to"`, maxStatistics/aDay)
	}
	return begin, end, nil
}
