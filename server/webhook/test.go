package webhook

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/event"
	"github.com/berth-dev/berth/server/store"
)

// Trial is what became of a test event.
type Trial struct {
	Delivered bool
	ID        string
	Status    int32 // 0: there was no answer
	Error     string
	Took      time.Duration
}

// Test sends a test event at once, and once. It is none of the webhook's deliveries, and is sent to a paused one, too.
func (s *Service) Test(ctx context.Context, h store.Webhook, actor string) (Trial, error) {
	if err := s.off(); err != nil {
		return Trial{}, err
	}
	secrets, err := s.open(h)
	if err != nil {
		return Trial{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Trial{}, err
	}
	e := event.Event{Type: event.Test, At: s.Now().UTC(), Data: event.Data{
		Installation: s.Installation, Summary: "Test of webhook " + h.Name, URL: s.PublicURL,
		Reason: "This event was sent by a test of the webhook. Nothing has happened.",
	}}
	began := s.Now()
	trial := Trial{ID: MessageID(store.WebhookDelivery{ID: id})}
	a := s.post(ctx, h, secrets, trial.ID, e)
	trial.Delivered, trial.Status, trial.Error, trial.Took = a.ok(), a.status, a.text(), s.Now().Sub(began)
	result := "delivered"
	if !trial.Delivered {
		result = trial.Error
	}
	return trial, s.Store.CreateAuditTest(ctx, h, result, actor)
}
