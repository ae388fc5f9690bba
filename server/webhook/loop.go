package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/event"
	"github.com/berth-dev/berth/server/store"
)

const (
	// every is how often it is looked for something to send; hints come sooner.
	every = time.Second
	// together is the least time between two looks.
	together = 200 * time.Millisecond
	// troubleEvery is how often schedules and pools are looked at; waitGrace is how long a run may wait without a worker,
	// as when workers are rolled over.
	troubleEvery = 5 * time.Second
	waitGrace    = time.Minute
	// eventBatch bounds a transaction.
	eventBatch = 200
	// perWebhook and parallel bound what is sent at the same time: to one receiver from all servers, and from this one.
	perWebhook, parallel = 8, 32
)

// Run tells webhooks what happened until ctx ends. Every server runs it.
func (s *Service) Run(ctx context.Context) error {
	defer s.http.CloseIdleConnections()
	loops, ctx := errgroup.WithContext(ctx)
	loops.Go(func() error { return s.repeat(ctx, "decide what to tell", s.decider()) })
	loops.Go(func() error {
		sending := newSending(s)
		defer sending.wait()
		return s.repeat(ctx, "send", sending.start)
	})
	return loops.Wait()
}

// repeat does something once a second, and on hints.
func (s *Service) repeat(ctx context.Context, what string, do func(context.Context) error) error {
	hints := s.Store.Subscribe(store.WebhooksTopic())
	defer hints.Close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := false
	for {
		began := time.Now()
		err := do(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			s.Logger.Warn("webhooks fail, retrying", "what", what, "error", err)
		case err == nil && failing:
			s.Logger.Info("webhooks work again", "what", what)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-hints.C():
			// Where many runs end, they are told together.
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(together - time.Since(began)):
			}
		}
	}
}

// decider returns a step that decides what to tell.
func (s *Service) decider() func(context.Context) error {
	var looked time.Time
	return func(ctx context.Context) error {
		err := errors.Join(s.Refresh(ctx), s.Tell(ctx))
		if time.Since(looked) < troubleEvery {
			return err
		}
		looked = time.Now()
		return errors.Join(err, s.Look(ctx))
	}
}

// Tell decides what to tell of runs that have ended.
func (s *Service) Tell(ctx context.Context) error {
	for {
		some, err := s.Store.HasEndedRuns(ctx)
		if err != nil || !some {
			return err
		}
		took, err := s.inTurn(ctx, func(tx *store.Tx, d *decider) (int, error) {
			runs, err := tx.TakeEndedRuns(ctx, eventBatch)
			for _, r := range runs {
				d.runEnded(r)
			}
			return len(runs), err
		})
		if err != nil || took < eventBatch {
			return err
		}
	}
}

// Look decides what to tell of schedules and pools.
func (s *Service) Look(ctx context.Context) error {
	hooks, err := s.Store.ListActiveWebhooks(ctx)
	if err != nil || len(hooks) == 0 {
		return err
	}
	_, err = s.inTurn(ctx, func(tx *store.Tx, d *decider) (int, error) {
		var deployments []string
		for key := range d.known {
			if key.kind == string(event.DeploymentFailing) {
				deployments = append(deployments, key.subject)
			}
		}
		trouble, err := tx.GetTrouble(ctx, waitGrace, deployments)
		if err == nil {
			d.trouble(*trouble)
		}
		return 0, err
	})
	return err
}

// inTurn decides in a transaction that no other server has at the same time, and stores the decision. It returns what
// decide returns, 0 where another server has its turn.
func (s *Service) inTurn(ctx context.Context, decide func(*store.Tx, *decider) (int, error)) (n int, err error) {
	dropped := 0
	err = s.Store.InTx(ctx, func(tx *store.Tx) error {
		n, dropped = 0, 0
		if mine, err := tx.LockWebhookEvents(ctx); err != nil || !mine {
			return err
		}
		hooks, err := tx.ListActiveWebhooks(ctx)
		if err != nil {
			return err
		}
		known, err := tx.ListWebhookConditions(ctx)
		if err != nil {
			return err
		}
		d := newDecider(hooks, known, s.Installation, event.Pages{PublicURL: s.PublicURL})
		if n, err = decide(tx, d); err != nil {
			return err
		}
		decision, err := d.decision()
		if err != nil {
			return err
		}
		if err := tx.UpdateWebhookConditions(ctx, decision.Conditions); err != nil {
			return err
		}
		dropped, err = tx.CreateWebhookDeliveries(ctx, decision.Deliveries)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("decide what to tell webhooks: %w", err)
	}
	if dropped > 0 {
		s.Counter.Delivery("dropped", dropped)
		s.Logger.Warn("webhooks have too many deliveries that wait; events were dropped", "events", dropped)
	}
	return n, nil
}

// Send sends what is due, and waits for it.
func (s *Service) Send(ctx context.Context) error {
	sending := newSending(s)
	err := sending.start(ctx)
	return errors.Join(err, sending.wait())
}

// sending sends to each webhook on its own, so that a receiver that is slow keeps no other one waiting.
type sending struct {
	service *Service
	group   errgroup.Group

	mu     sync.Mutex
	busy   map[uuid.UUID]bool
	failed []error // since the last start
}

func newSending(s *Service) *sending {
	o := &sending{service: s, busy: map[uuid.UUID]bool{}}
	o.group.SetLimit(parallel)
	return o
}

// start begins to send what is due to webhooks that nothing is being sent to, and returns the errors of earlier starts.
func (o *sending) start(ctx context.Context) error {
	if o.service.Seal == nil {
		return nil // another server has the key
	}
	ids, err := o.service.Store.ListDueWebhooks(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	failed := append(o.failed, err)
	o.failed = nil
	for _, id := range ids {
		if !o.busy[id] {
			o.busy[id] = o.group.TryGo(func() error { return o.send(ctx, id) })
		}
	}
	return errors.Join(failed...)
}

func (o *sending) send(ctx context.Context, id uuid.UUID) error {
	err := o.service.sendTo(ctx, id)
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.busy, id)
	if err != nil {
		o.failed = append(o.failed, err)
	}
	return nil
}

// wait waits until nothing is being sent.
func (o *sending) wait() error {
	_ = o.group.Wait() // always nil: each error is in failed
	return errors.Join(o.failed...)
}

// roundsMax bounds what one webhook gets before others get their turn.
const roundsMax = 25

// sendTo sends what one webhook has to get.
func (s *Service) sendTo(ctx context.Context, id uuid.UUID) error {
	for range roundsMax {
		h, list, now, err := s.Store.AcquireWebhookDeliveries(ctx, id, perWebhook, holdFor)
		if err != nil || len(list) == 0 {
			return err
		}
		secrets, err := s.open(*h)
		if err != nil {
			return errors.Join(err, s.recordAll(ctx, *h, list, answer{err: errSecrets}, now))
		}
		var batch errgroup.Group
		for _, d := range list {
			batch.Go(func() error {
				return s.record(ctx, *h, d, s.attempt(ctx, *h, secrets, d), now)
			})
		}
		if err := batch.Wait(); err != nil {
			return err
		}
	}
	return nil
}

var errSecrets = errors.New("the secrets cannot be decrypted")

func (s *Service) recordAll(
	ctx context.Context, h store.Webhook, list []store.WebhookDelivery, a answer, now time.Time,
) error {
	var all []error
	for _, d := range list {
		all = append(all, s.record(ctx, h, d, a, now))
	}
	return errors.Join(all...)
}

// record stores what became of an attempt. A server that stops meanwhile must not forget it, or the receiver gets the
// event twice.
func (s *Service) record(
	ctx context.Context, h store.Webhook, d store.WebhookDelivery, a answer, now time.Time,
) error {
	if ctx.Err() != nil && a.err != nil {
		return nil // the attempt was cut short: another server, or this one when it is back, tries again
	}
	result := resultOf(a, h, d, now, rand.Float64())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := s.Store.UpdateWebhookDelivery(ctx, d, result); err != nil {
		return err
	}
	outcome := map[store.DeliveryState]string{
		store.DeliveryDelivered: "delivered", store.DeliveryPending: "retried", store.DeliveryFailed: "failed",
	}[result.State]
	s.Counter.Delivery(outcome, 1)
	return nil
}

const recordTimeout = 5 * time.Second

// attempt sends a delivery once.
func (s *Service) attempt(ctx context.Context, h store.Webhook, secrets Secrets, d store.WebhookDelivery) answer {
	var e event.Event
	if err := json.Unmarshal([]byte(d.Event), &e); err != nil {
		return answer{err: fmt.Errorf("read the event of delivery %s: %w", d.ID, err)}
	}
	return s.post(ctx, h, secrets, MessageID(d), e)
}

// MessageID is the ID that a receiver sees, in each attempt.
func MessageID(d store.WebhookDelivery) string { return "msg_" + d.ID.String() }

// post sends an event.
func (s *Service) post(ctx context.Context, h store.Webhook, secrets Secrets, id string, e event.Event) answer {
	source := s.PublicURL
	if source == "" {
		source = "/berth/" + s.Installation.String()
	}
	body, err := event.Render(event.Format(h.Format), e, event.Envelope{
		ID: id, Source: source, RoutingKey: secrets.RoutingKey,
	})
	if err != nil {
		return answer{err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, secrets.URL, bytes.NewReader(body.Text))
	if err != nil {
		return answer{err: err}
	}
	request.Header.Set("Content-Type", body.ContentType)
	request.Header.Set("User-Agent", "Berth-Webhooks/1")
	keys := []string{secrets.Secret}
	if secrets.Previous != "" && h.RotatedUntil != nil && s.Now().Before(*h.RotatedUntil) {
		keys = append(keys, secrets.Previous)
	}
	if err := sign(request.Header, id, s.Now(), body.Text, keys...); err != nil {
		return answer{err: err}
	}
	response, err := s.http.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	return answer{status: int32(response.StatusCode), retryAfter: retryAfter(response.Header, s.Now())}
}
