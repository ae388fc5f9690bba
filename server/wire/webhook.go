package wire

import (
	"encoding/json"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// Webhook converts a webhook. Its address and its secrets stay here.
func Webhook(h store.Webhook) api.Webhook {
	return api.Webhook{
		Name: h.Name, Description: OrNil(h.Description), Format: api.WebhookFormat(h.Format),
		Events: texts[api.WebhookEvent](h.Events), Filter: webhookFilter(h.Filter), Failures: h.Failures, Target: h.Target,
		SecretRotatedUntil: TimePtr(h.RotatedUntil), Paused: h.Paused, PausedReason: OrNil(h.PausedReason),
		Unanswered: OrNil(h.Unanswered), RetryAt: TimePtr(h.RestUntil), Pending: h.Pending, Failed: h.Failed,
		Dropped: h.Dropped, DroppedAt: TimePtr(h.DroppedAt), UpdatedAt: Time(h.UpdatedAt), UpdatedBy: h.UpdatedBy,
	}
}

func texts[T ~string](list []string) []T { return Each(list, func(text string) T { return T(text) }) }

func textsOrNil[T ~string](list []string) *[]T {
	if len(list) == 0 {
		return nil
	}
	converted := texts[T](list)
	return &converted
}

func webhookFilter(f store.WebhookFilter) api.WebhookFilter {
	return api.WebhookFilter{
		Pools: textsOrNil[api.WebhookPattern](f.Pools), Deployments: textsOrNil[api.WebhookPattern](f.Deployments),
		Tags: textsOrNil[api.WebhookPattern](f.Tags), States: textsOrNil[api.WebhookRunState](f.States),
		Causes: textsOrNil[api.Category](f.Causes),
	}
}

// WebhookFilter reads the filter of a webhook; nil narrows nothing.
func WebhookFilter(f *api.WebhookFilter) store.WebhookFilter {
	if f == nil {
		return store.WebhookFilter{}
	}
	return store.WebhookFilter{
		Pools: plain(f.Pools), Deployments: plain(f.Deployments), Tags: plain(f.Tags), States: plain(f.States),
		Causes: plain(f.Causes),
	}
}

func plain[T ~string](list *[]T) []string {
	if list == nil {
		return nil
	}
	return Each(*list, func(text T) string { return string(text) })
}

// WebhookEvents reads the events of a webhook.
func WebhookEvents(list *[]api.WebhookEvent) []string { return plain(list) }

// WebhookDelivery converts a delivery, whose requests have a message ID.
func WebhookDelivery(d store.WebhookDelivery, message string) api.WebhookDelivery {
	converted := api.WebhookDelivery{
		ID: d.ID, MessageID: message, Type: d.Type, Subject: d.Subject, State: api.WebhookDeliveryState(d.State),
		Attempts: d.Attempts, Status: d.LastStatus, Error: OrNil(d.LastError), CreatedAt: Time(d.CreatedAt),
		TriedAt: TimePtr(d.TriedAt), EndedAt: TimePtr(d.EndedAt), Event: json.RawMessage(d.Event),
	}
	if d.State == store.DeliveryPending {
		next := Time(d.NextAt)
		converted.NextAt = &next
	}
	return converted
}
