package handler

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/webhook"
	"github.com/berth-dev/berth/server/wire"
)

// ListWebhooks lists the webhooks that are about pools of the caller only.
func (h *Handler) ListWebhooks(
	ctx context.Context, _ apiserver.ListWebhooksRequestObject,
) (apiserver.ListWebhooksResponseObject, error) {
	hooks, err := h.store.ListWebhooks(ctx)
	if err != nil {
		return nil, err
	}
	who, items := access.From(ctx), []api.Webhook{}
	for _, hook := range hooks {
		if mayList(who, hook) {
			items = append(items, wire.Webhook(hook))
		}
	}
	return apiserver.ListWebhooks200JSONResponse{Items: items}, nil
}

func mayList(who access.Principal, hook store.Webhook) bool {
	const operation = "ListWebhooks"
	if who.MayDo(operation, access.AllPools) {
		return true
	}
	pools, all := webhook.Pools(hook.Filter)
	for _, pool := range pools {
		if !who.MayDo(operation, pool) {
			return false
		}
	}
	return !all
}

// GetWebhook returns a webhook.
func (h *Handler) GetWebhook(
	ctx context.Context, r apiserver.GetWebhookRequestObject,
) (apiserver.GetWebhookResponseObject, error) {
	hook, err := h.store.GetWebhook(ctx, r.Webhook)
	if err != nil {
		return nil, err
	}
	return apiserver.GetWebhook200JSONResponse(wire.Webhook(*hook)), nil
}

// SetWebhook creates or replaces a webhook.
func (h *Handler) SetWebhook(
	ctx context.Context, r apiserver.SetWebhookRequestObject,
) (apiserver.SetWebhookResponseObject, error) {
	b := r.Body
	saved, secret, err := h.Webhooks.Set(ctx, webhook.Change{
		Webhook: store.Webhook{
			Name: r.Webhook, Description: wire.Or(b.Description, ""), Format: string(wire.Or(b.Format, "")),
			Events: wire.WebhookEvents(b.Events), Filter: wire.WebhookFilter(b.Filter), Failures: wire.Or(b.Failures, 0),
			Paused: wire.Or(b.Paused, false),
		},
		URL: b.URL, RoutingKey: b.RoutingKey, Secret: b.Secret, Rotate: wire.Or(b.RotateSecret, false),
	}, actor(ctx))
	if err != nil {
		return nil, webhookProblem(err)
	}
	return apiserver.SetWebhook200JSONResponse{Webhook: wire.Webhook(*saved), Secret: wire.OrNil(secret)}, nil
}

// webhookProblem turns an error of package webhook into a problem document.
func webhookProblem(err error) error {
	var (
		invalid *webhook.InvalidError
		off     *webhook.OffError
	)
	switch {
	case errors.As(err, &invalid):
		return problem.Newf(problem.WebhookInvalid, "%s: %s", invalid.Field, invalid.Reason).
			At("/"+invalid.Field, "%s", invalid.Reason)
	case errors.As(err, &off):
		return problem.Newf(problem.WebhooksOff, "%s", off.Reason)
	}
	return err
}

// UpdateWebhook pauses or resumes a webhook.
func (h *Handler) UpdateWebhook(
	ctx context.Context, r apiserver.UpdateWebhookRequestObject,
) (apiserver.UpdateWebhookResponseObject, error) {
	hook, err := h.store.UpdateWebhookPaused(ctx, r.Webhook, r.Body.Paused, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.UpdateWebhook200JSONResponse(wire.Webhook(*hook)), h.Webhooks.Refresh(ctx)
}

// DeleteWebhook deletes a webhook with its deliveries.
func (h *Handler) DeleteWebhook(
	ctx context.Context, r apiserver.DeleteWebhookRequestObject,
) (apiserver.DeleteWebhookResponseObject, error) {
	if err := h.store.DeleteWebhook(ctx, r.Webhook, actor(ctx)); err != nil {
		return nil, err
	}
	return apiserver.DeleteWebhook204Response{}, h.Webhooks.Refresh(ctx)
}

// TestWebhook sends a test event.
func (h *Handler) TestWebhook(
	ctx context.Context, r apiserver.TestWebhookRequestObject,
) (apiserver.TestWebhookResponseObject, error) {
	hook, err := h.store.GetWebhook(ctx, r.Webhook)
	if err != nil {
		return nil, err
	}
	trial, err := h.Webhooks.Test(ctx, *hook, actor(ctx))
	if err != nil {
		return nil, webhookProblem(err)
	}
	return apiserver.TestWebhook200JSONResponse{
		Delivered: trial.Delivered, ID: trial.ID, Status: wire.OrNil(trial.Status), Error: wire.OrNil(trial.Error),
		TookSeconds: trial.Took.Seconds(),
	}, nil
}

// ListWebhookDeliveries lists the deliveries of a webhook.
func (h *Handler) ListWebhookDeliveries(
	ctx context.Context, r apiserver.ListWebhookDeliveriesRequestObject,
) (apiserver.ListWebhookDeliveriesResponseObject, error) {
	hook, err := h.store.GetWebhook(ctx, r.Webhook)
	if err != nil {
		return nil, err
	}
	p := r.Params
	list, next, err := h.store.ListWebhookDeliveries(ctx, hook.ID, store.DeliveryState(wire.Or(p.State, "")),
		page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return apiserver.ListWebhookDeliveries200JSONResponse{
		Items: wire.Each(list, func(d store.WebhookDelivery) api.WebhookDelivery {
			return wire.WebhookDelivery(d, webhook.MessageID(d))
		}),
		NextCursor: wire.OrNil(next),
	}, nil
}

// ResendWebhookDeliveries sends deliveries of a webhook again.
func (h *Handler) ResendWebhookDeliveries(
	ctx context.Context, r apiserver.ResendWebhookDeliveriesRequestObject,
) (apiserver.ResendWebhookDeliveriesResponseObject, error) {
	var ids []uuid.UUID
	if r.Body.Deliveries != nil {
		ids = append([]uuid.UUID{}, *r.Body.Deliveries...)
	}
	n, err := h.store.ResendWebhookDeliveries(ctx, r.Webhook, ids, actor(ctx))
	return apiserver.ResendWebhookDeliveries200JSONResponse{Resent: n}, err
}
