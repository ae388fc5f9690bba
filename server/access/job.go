package access

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// authenticateJob returns the principal of a job key. It is never cached: the key is valid exactly as long as
// its attempt is active.
func (a *Authenticator) authenticateJob(ctx context.Context, sent apikey.Key, attempt uuid.UUID) (Principal,
	error) {
	stored, err := a.keys.GetJobKey(ctx, attempt)
	var storeError *store.Error
	if errors.As(err, &storeError) && storeError.Code == store.NotFound {
		stored, err = &store.JobKey{}, nil
	}
	if err != nil {
		return Principal{}, err
	}

	// Compare with every hash, so that the time does not depend on which one matches.
	valid := false
	for _, hash := range stored.Hashes {
		valid = sent.Matches(hash) || valid
	}
	switch {
	case !valid:
		return Principal{}, problem.Newf(problem.Unauthenticated, "the API key is not valid")
	case !stored.Active:
		return Principal{}, problem.Newf(problem.Unauthenticated, "the attempt of this job key has ended")
	}
	return Principal{
		Name: "job of run " + stored.RunName, KeyID: sent.ID, Kind: api.CallerJobKey, Bindings: []Binding{{RoleJob, stored.Pool}},
		Run: stored.RunID, Attempt: attempt, Authenticated: true,
	}, nil
}
