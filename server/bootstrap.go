package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/store"
)

// bootstrapActor is who made what was made from the options.
const bootstrapActor = "bootstrap"

// bootstrap makes the keys and pools that the options ask for. Replicas that start together may do it at
// once.
func (s *server) bootstrap(ctx context.Context, templates *catalog.Catalog) error {
	for role, text := range map[api.Role]string{api.RoleAdmin: s.BootstrapAdminKey, api.RoleWorker: s.BootstrapWorkerKey} {
		if err := s.ensureKey(ctx, role, strings.TrimSpace(text)); err != nil {
			return err
		}
	}
	for _, pool := range s.EnsurePools {
		if err := s.ensurePool(ctx, templates, pool); err != nil {
			return fmt.Errorf("ensure work pool %q: %w", pool.Name, err)
		}
	}
	return nil
}

func (s *server) ensureKey(ctx context.Context, role api.Role, text string) error {
	if text == "" {
		return nil
	}
	key, err := apikey.Parse(text)
	if err != nil {
		return fmt.Errorf("the bootstrap %s key: %w", role, err)
	}
	err = s.store.UpsertKey(ctx, store.Key{
		ID: key.ID, Name: "bootstrap-" + string(role), Role: string(role), SecretHash: key.Hash(),
		CreatedAt: s.Now().UTC(), CreatedBy: bootstrapActor,
	})
	if err != nil {
		return fmt.Errorf("ensure the bootstrap %s key: %w", role, err)
	}
	return nil
}

func (s *server) ensurePool(ctx context.Context, templates *catalog.Catalog, wanted PoolSpec) error {
	pool, err := s.store.GetPool(ctx, wanted.Name)
	var known *store.Error
	switch {
	case err == nil && pool.Type != wanted.Type:
		return fmt.Errorf("it is there with type %s, not %s", pool.Type, wanted.Type)
	case err == nil:
		return nil
	case !errors.As(err, &known) || known.Code != store.NotFound:
		return err
	}
	doc, err := templates.Default(wanted.Type)
	if err != nil {
		return err
	}
	_, err = s.store.CreatePool(
		ctx,
		store.NewPool{Name: wanted.Name, Type: wanted.Type, Template: doc},
		bootstrapActor,
	)
	if errors.As(err, &known) && known.Code == store.AlreadyExists {
		return nil // another replica was faster
	}
	return err
}
