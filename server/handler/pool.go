package handler

import (
	"context"
	"strconv"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/approval"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListWorkPools lists the pools that the key is for.
func (h *Handler) ListWorkPools(
	ctx context.Context, r apiserver.ListWorkPoolsRequestObject,
) (apiserver.ListWorkPoolsResponseObject, error) {
	pools, next, err := h.store.ListPools(
		ctx,
		access.From(ctx).PoolsFor("ListWorkPools"),
		page(r.Params.Limit, r.Params.Cursor),
	)
	if err != nil {
		return nil, err
	}
	return apiserver.ListWorkPools200JSONResponse{
		Items:      wire.Each(pools, wire.WorkPool),
		NextCursor: wire.OrNil(next),
	}, nil
}

// CreateWorkPool creates a pool with its first template version, by default the default template of its type.
func (h *Handler) CreateWorkPool(
	ctx context.Context, r apiserver.CreateWorkPoolRequestObject,
) (apiserver.CreateWorkPoolResponseObject, error) {
	template, err := h.firstTemplate(r.Body.Type, catalog.Sent{
		Source: r.Body.BaseJobTemplateSource, Document: r.Body.BaseJobTemplate,
	})
	if err != nil {
		return nil, err
	}
	references, err := catalog.ReadReferences(r.Body.References)
	if err != nil {
		return nil, err
	}
	pool, err := h.store.CreatePool(ctx, store.NewPool{
		Name:             r.Body.Name,
		Type:             string(r.Body.Type),
		Description:      wire.Or(r.Body.Description, ""),
		ConcurrencyLimit: r.Body.ConcurrencyLimit,
		Paused:           wire.Or(r.Body.Paused, false),
		Template:         template,

		RunTokenAudiences: unique(wire.Or(r.Body.RunTokenAudiences, nil)),
		References:        references,
		Approvals:         approval.ReadPolicy(r.Body.Approvals),
	}, actor(ctx))
	if err != nil {
		return nil, err
	}
	h.KeysChanged() // the keys of an earlier pool of this name do not count in it
	return apiserver.CreateWorkPool201JSONResponse(wire.WorkPool(*pool)), nil
}

func (h *Handler) firstTemplate(
	poolType api.PoolType,
	sent catalog.Sent,
) (store.TemplateDocument, error) {
	if sent.IsZero() {
		return h.Templates.Default(string(poolType))
	}
	checked, err := h.Templates.CheckSent(sent)
	if err != nil {
		return store.TemplateDocument{}, finding.ErrorUnder(err, "/base_job_template")
	}
	return checked.Doc, nil
}

// GetWorkPool returns a pool.
func (h *Handler) GetWorkPool(
	ctx context.Context, r apiserver.GetWorkPoolRequestObject,
) (apiserver.GetWorkPoolResponseObject, error) {
	pool, err := h.store.GetPool(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	return apiserver.GetWorkPool200JSONResponse{
		Body:    wire.WorkPool(*pool),
		Headers: apiserver.GetWorkPool200ResponseHeaders{ETag: poolETag(pool)},
	}, nil
}

// poolETag changes with every change of the settings of a pool, not with what runs in it.
func poolETag(p *store.Pool) *string {
	tag := strconv.Quote(strconv.FormatInt(p.UpdatedAt.UnixMicro(), 36))
	return &tag
}

// matchPool refuses a pool with another ETag than If-Match asks for.
func matchPool(ctx context.Context, tx *store.Tx, name string, ifMatch *string) error {
	if ifMatch == nil || *ifMatch == "*" {
		return nil
	}
	pool, err := tx.LockPool(ctx, name)
	if err != nil {
		return err
	}
	if tag := poolETag(pool); *ifMatch != *tag {
		return problem.Newf(problem.PreconditionFailed,
			"work pool %q has changed: its ETag is %s, not %s; read it again", name, *tag, *ifMatch)
	}
	return nil
}

// UpdateWorkPool changes the fields that the body has.
func (h *Handler) UpdateWorkPool(
	ctx context.Context, r apiserver.UpdateWorkPoolRequestObject,
) (apiserver.UpdateWorkPoolResponseObject, error) {
	noLimit := wire.Or(r.Body.NoConcurrencyLimit, false)
	if err := checkLimit(r.Body.ConcurrencyLimit, noLimit); err != nil {
		return nil, err
	}
	references, err := catalog.ReadReferences(r.Body.References)
	if err != nil {
		return nil, err
	}
	pause, err := wire.PauseChange(r.Body.Paused, r.Body.PauseReason)
	if err != nil {
		return nil, err
	}
	update := store.PoolUpdate{
		Description:        r.Body.Description,
		ConcurrencyLimit:   r.Body.ConcurrencyLimit,
		NoConcurrencyLimit: noLimit,
		Pause:              pause,
		RunTokenAudiences:  uniqueOrNil(r.Body.RunTokenAudiences),
		References:         references,
	}
	if r.Body.Approvals != nil {
		policy := approval.ReadPolicy(r.Body.Approvals)
		update.Approvals = &policy
	}
	var pool *store.Pool
	err = h.store.InTx(ctx, func(tx *store.Tx) (err error) {
		if err := matchPool(ctx, tx, r.Pool, r.Params.IfMatch); err != nil {
			return err
		}
		if err := h.admitPool(ctx, tx, r.Pool, update); err != nil {
			return err
		}
		pool, err = tx.UpdatePool(ctx, r.Pool, update, actor(ctx))
		return err
	})
	if err != nil {
		return nil, err
	}
	return apiserver.UpdateWorkPool200JSONResponse{
		Body:    wire.WorkPool(*pool),
		Headers: apiserver.UpdateWorkPool200ResponseHeaders{ETag: poolETag(pool)},
	}, nil
}

// checkLimit refuses a body that both sets and removes a limit.
func checkLimit(limit *int32, noLimit bool) error {
	if !noLimit || limit == nil {
		return nil
	}
	return problem.Newf(problem.InvalidBody, "set concurrency_limit or no_concurrency_limit, not both").
		At("/no_concurrency_limit", "contradicts concurrency_limit")
}

// DeleteWorkPool deletes a pool with everything in it.
func (h *Handler) DeleteWorkPool(
	ctx context.Context, r apiserver.DeleteWorkPoolRequestObject,
) (apiserver.DeleteWorkPoolResponseObject, error) {
	gone, err := h.deletes(ctx, func(tx *store.Tx) error {
		options := deleteOptions(r.Params.Force, r.Params.Permanently)
		if err := h.admitPoolDeletion(ctx, tx, r.Pool, options); err != nil {
			return err
		}
		return tx.DeletePool(ctx, r.Pool, options, actor(ctx))
	})
	if err != nil {
		return nil, err
	}
	h.KeysChanged()
	return apiserver.DeleteWorkPool200JSONResponse(gone), nil
}
