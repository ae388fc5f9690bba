package approval

import (
	"testing"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

func TestOnlyPeopleReview(t *testing.T) {
	request := &store.Approval{Pool: "p", Approver: "editor", Asker: store.ApprovalActor{Name: "ada", KeyID: "k"}}
	for kind, want := range map[api.CallerKind]bool{
		api.CallerUser: true, api.CallerAPIKey: true, api.CallerJobKey: false, "ci": false, "": false,
	} {
		err := New(Options{}).mayReview(t.Context(), knownKeys{}, access.Principal{
			Name: "bob", KeyID: "b", Kind: kind, Authenticated: true,
			Bindings: []access.Binding{{Role: api.RoleAdmin, Pool: access.AllPools}},
		}, request)
		if (err == nil) != want || err != nil && problem.From(err).Code != problem.Forbidden {
			t.Errorf("kind %q: %v", kind, err)
		}
	}
}
