package issuer

import (
	"context"
	"slices"
	"time"

	"github.com/berth-dev/berth/server/store"
)

const (
	defaultRotateEvery = 30 * 24 * time.Hour

	// publishBefore is how long a key is in the key set before it signs, and keepAfter how long it stays after
	// the last of its tokens has expired: recipients cache the key set, and clocks differ.
	publishBefore = 24 * time.Hour
	keepAfter     = 10 * time.Minute

	// rotator is the actor of changes that the server makes by itself.
	rotator = "server"
)

// steps are what has to change with the keys.
type steps struct {
	create *time.Time // a key that signs from then on; nil: none
	remove []store.SigningKey
}

// plan decides what has to change. keys are ordered by SignsFrom, the latest first.
func plan(keys []store.SigningKey, every time.Duration, now time.Time) steps {
	var s steps
	switch {
	case len(keys) == 0:
		s.create = &now
	case !keys[0].SignsFrom.After(now):
		// The newest key signs. Its successor begins when its time is up, and is published before.
		next := keys[0].SignsFrom.Add(every)
		if lead := min(publishBefore, every/2); !now.Before(next.Add(-lead)) {
			// After a long pause the time is up already: the successor is still published first.
			if early := now.Add(lead); next.Before(early) {
				next = early
			}
			s.create = &next
		}
	}
	for i := 1; i < len(keys); i++ {
		if !now.Before(removal(keys[i-1])) {
			s.remove = append(s.remove, keys[i])
		}
	}
	return s
}

// removal is when the predecessor of a key leaves the key set.
func removal(successor store.SigningKey) time.Time {
	return successor.SignsFrom.Add(MaxLifetime + keepAfter)
}

// Rotate creates the next key and removes old ones when it is time. Every server calls it from time to time.
func (i *Issuer) Rotate(ctx context.Context) error {
	keys, err := i.store.ListSigningKeys(ctx)
	if err != nil {
		return err
	}
	if s := i.plan(keys); s.create == nil && len(s.remove) == 0 {
		return nil // as nearly always, without a lock
	}
	defer i.forgetKeys()
	return i.store.InTx(ctx, func(tx *store.Tx) error {
		keys, err := tx.LockSigningKeys(ctx)
		if err != nil {
			return err
		}
		s := i.plan(keys)
		for _, k := range s.remove {
			if err := tx.DeleteSigningKey(ctx, k.ID, "all its tokens have expired", rotator); err != nil {
				return err
			}
		}
		if s.create == nil {
			return nil
		}
		return i.create(ctx, tx, *s.create, rotator)
	})
}

// plan is the pure plan, except that a key that cannot be decrypted needs a successor at once: the servers
// were given another encryption key.
func (i *Issuer) plan(keys []store.SigningKey) steps {
	now := i.Now().UTC()
	s := plan(keys, i.RotateEvery, now)
	signing := slices.IndexFunc(keys, func(k store.SigningKey) bool { return !k.SignsFrom.After(now) })
	if signing < 0 {
		s.create = &now
		return s
	}
	if _, err := i.open(keys[signing]); err != nil {
		s.create = &now
	}
	return s
}

func (i *Issuer) create(ctx context.Context, tx *store.Tx, signsFrom time.Time, actor string) error {
	key, err := newKey(i.Seal, i.Now().UTC(), signsFrom)
	if err != nil {
		return err
	}
	i.Logger.Info("created a signing key", "key", key.ID, "signs_from", key.SignsFrom)
	return tx.CreateSigningKey(ctx, key, actor)
}

// RotateNow makes a new key sign at once. With revoke the earlier keys are removed, and with them the
// validity of every token that they signed.
func (i *Issuer) RotateNow(ctx context.Context, revoke bool, actor string) ([]Key, error) {
	err := i.store.InTx(ctx, func(tx *store.Tx) error {
		keys, err := tx.LockSigningKeys(ctx)
		if err != nil {
			return err
		}
		now := i.Now().UTC()
		for _, k := range keys {
			// A key that has not signed yet would come after the new one and take over too early.
			if !revoke && !k.SignsFrom.After(now) {
				continue
			}
			reason := "replaced before it signed"
			if revoke {
				reason = "revoked"
			}
			if err := tx.DeleteSigningKey(ctx, k.ID, reason, actor); err != nil {
				return err
			}
		}
		return i.create(ctx, tx, now, actor)
	})
	i.forgetKeys()
	if err != nil {
		return nil, err
	}
	return i.ListKeys(ctx)
}

// State of a signing key.
type State string

// States, in the order of a key's life.
const (
	Next    State = "next"    // published, not used yet
	Signing State = "signing" // signs new tokens
	Retired State = "retired" // verifies tokens that were issued before
)

// Key describes a signing key.
type Key struct {
	ID, Algorithm        string
	State                State
	CreatedAt, SignsFrom time.Time
	RemovedAt            *time.Time // of a retired key
}

// ListKeys lists the signing keys, newest first.
func (i *Issuer) ListKeys(ctx context.Context) ([]Key, error) {
	stored, err := i.store.ListSigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	now := i.Now()
	keys := make([]Key, len(stored))
	state := Next
	for n, k := range stored {
		var removed *time.Time
		switch {
		case k.SignsFrom.After(now):
		case state == Next:
			state = Signing
		default:
			state = Retired
			at := removal(stored[n-1])
			removed = &at
		}
		keys[n] = Key{k.ID, k.Algorithm, state, k.CreatedAt, k.SignsFrom, removed}
	}
	return keys, nil
}
