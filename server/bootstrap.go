package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/store"
)

const (
	// keyOverlap is for how long a bootstrap key stays valid after another one has replaced it.
	keyOverlap = 24 * time.Hour
	// ensureKeysEvery is how often a server makes sure of its bootstrap keys. While a rollout replaces them, servers
	// disagree about which one replaces which; in the end the servers that are left decide.
	ensureKeysEvery = 10 * time.Minute
)

// bootstrapActor is the actor of the objects created from the options.
const bootstrapActor = "bootstrap"

// bootstrap creates the keys and pools of the options. Replicas that start together may do so concurrently.
func (s *server) bootstrap(ctx context.Context, templates *catalog.Catalog) error {
	if err := s.ensureKeys(ctx); err != nil {
		return err
	}
	for _, pool := range s.EnsurePools {
		if err := s.ensurePool(ctx, templates, pool); err != nil {
			return fmt.Errorf("create work pool %q: %w", pool.Name, err)
		}
	}
	return nil
}

// ensureKeys makes sure of the bootstrap keys. One that was revoked stays revoked.
func (s *server) ensureKeys(ctx context.Context) error {
	if err := s.ensureKey(ctx, api.RoleAdmin, s.BootstrapAdminKey, nil); err != nil {
		return err
	}
	return s.ensureKey(ctx, api.RoleWorker, s.BootstrapWorkerKey, s.BootstrapWorkerPools)
}

// ensureKey creates a key with a role in some pools, or in all if there are none.
func (s *server) ensureKey(ctx context.Context, role api.Role, text string, pools []string) error {
	text, err := apikey.Clean(text)
	if err != nil {
		return fmt.Errorf("bootstrap %s key: %w", role, err)
	}
	if text == "" {
		return nil
	}
	if len(pools) == 0 {
		pools = []string{store.AllPools}
	}
	bindings := make([]store.Binding, len(pools))
	for i, pool := range pools {
		bindings[i] = store.Binding{Role: string(role), Pool: pool}
	}
	key, err := apikey.Parse(text)
	if err != nil {
		return fmt.Errorf("bootstrap %s key: %w", role, err)
	}
	err = s.store.UpsertKey(ctx, store.Key{
		ID: key.ID, Name: "bootstrap-" + string(role), SecretHash: key.Hash(),
		Bindings:  bindings,
		CreatedAt: s.Now().UTC(), CreatedBy: bootstrapActor,
	}, keyOverlap)
	if store.IsCode(err, store.Conflict) {
		s.Logger.Warn("bootstrap key is not valid", "role", string(role), "reason", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("create bootstrap %s key: %w", role, err)
	}
	return nil
}

func (s *server) ensurePool(ctx context.Context, templates *catalog.Catalog, spec PoolSpec) error {
	pool, err := s.store.GetPool(ctx, spec.Name)
	var storeError *store.Error
	switch {
	case err == nil && pool.Type != spec.Type:
		return fmt.Errorf("it already exists with type %s, not %s", pool.Type, spec.Type)
	case err == nil:
		return nil
	case !errors.As(err, &storeError) || storeError.Code != store.NotFound:
		return err
	}
	doc, err := templates.Default(spec.Type)
	if err != nil {
		return err
	}
	create := store.NewPool{Name: spec.Name, Type: spec.Type, Template: doc}
	_, err = s.store.CreatePool(ctx, create, bootstrapActor)
	if errors.As(err, &storeError) && storeError.Code == store.AlreadyExists {
		return nil // created by another replica
	}
	return err
}
