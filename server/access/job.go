package access

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// job tells whose job's key it is. The database is asked each time: a key is good for as long as its attempt
// lasts.
func (a *Authenticator) job(ctx context.Context, sent apikey.Key, attempt uuid.UUID) (Principal, error) {
	known, err := a.keys.JobKeyOf(ctx, attempt)
	var refused *store.Error
	if errors.As(err, &refused) && refused.Code == store.NotFound {
		known, err = &store.JobKey{}, nil
	}
	if err != nil {
		return Principal{}, err
	}
	good := false
	for _, hash := range known.Hashes {
		good = sent.Matches(hash) || good
	}
	switch {
	case !good:
		return Principal{}, problem.Newf(problem.Unauthenticated, "this API key is not valid")
	case !known.Active:
		return Principal{}, problem.Newf(
			problem.Unauthenticated,
			"this is the key of a job whose attempt has ended",
		)
	}
	return Principal{
		Name: "job of run " + known.RunName, KeyID: sent.ID, Role: RoleJob, Pools: []string{known.Pool},
		Run: known.RunID, Attempt: attempt, Authenticated: true,
	}, nil
}
