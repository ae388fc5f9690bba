package server_test

import (
	"net/http"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// made creates a key as another caller.
func (c *company) made(as, name, more string) api.APIKeyCreated {
	c.t.Helper()
	return read[api.APIKeyCreated](c.send(c.request(as, http.MethodPost, "/api/v1/api-keys",
		`{"name":"`+name+`","bindings":[{"role":"admin","pool":"*"}]`+more+`}`)).is(http.StatusCreated))
}

func TestTheKeysOfAPersonWhoLeavesAreRevokedTogether(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	ada := c.device("u-ada").Token
	own := c.made(ada, "laptop", "")
	// A key that a person's key makes is the person's, too; a service account has no owner.
	second := c.made(own.Secret, "laptop-2", "")
	bot := c.made(ada, "bot", `,"service_account":true`)
	ofBot := c.made(bot.Secret, "bot-2", "")
	for _, test := range []struct {
		key   api.APIKey
		kind  api.APIKeyKind
		owner string
	}{
		{own.APIKey, api.KeyPersonal, "ada@example.com"}, {second.APIKey, api.KeyPersonal, "ada@example.com"},
		{bot.APIKey, api.KeyServiceAccount, ""}, {ofBot.APIKey, api.KeyServiceAccount, "bot"},
	} {
		owner := ""
		if test.key.Owner != nil {
			owner = *test.key.Owner
		}
		if test.key.Kind != test.kind || owner != test.owner {
			t.Errorf("%s is %s of %q, want %s of %q", test.key.Name, test.key.Kind, owner, test.kind, test.owner)
		}
	}
	listed := read[api.APIKeyList](c.call(http.MethodGet, "/api/v1/api-keys?owner=ada@example.com", "").is(http.StatusOK))
	if len(listed.Items) != 2 || listed.Items[0].OwnerID == nil || *listed.Items[0].OwnerID != "u-ada" {
		t.Errorf("of ada there are %+v", listed.Items)
	}

	limited := c.makeKeyWith("boss", bindings("admin:local")...)
	const ofAda = `{"owner":"ada@example.com"}`
	c.send(c.request(limited, http.MethodPost, "/api/v1/api-keys/revoke", ofAda)).refused(http.StatusForbidden, "forbidden")
	revoked := read[api.APIKeysRevoked](c.call(http.MethodPost, "/api/v1/api-keys/revoke", ofAda).is(http.StatusOK))
	if revoked.Revoked != 2 {
		t.Errorf("%d keys were revoked, want 2", revoked.Revoked)
	}
	c.call(http.MethodPost, "/api/v1/api-keys/revoke", ofAda).refused(http.StatusNotFound, "not-found")
	for _, key := range []string{own.Secret, second.Secret} {
		c.send(c.request(key, http.MethodGet, "/api/v1/whoami", "")).refused(http.StatusUnauthorized, "unauthenticated")
	}
	for _, key := range []string{bot.Secret, ofBot.Secret} {
		c.send(c.request(key, http.MethodGet, "/api/v1/whoami", "")).is(http.StatusOK)
	}
}

func TestAKeyCannotBeTakenForSomethingElse(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	for _, name := range []string{
		"ada@example.com", "user u-ada", "User u-ada", "0badcafe", "job of run x", "schedule:etl", "system", "Anonymous", "sign-in provider",
	} {
		c.call(http.MethodPost, "/api/v1/api-keys", `{"name":"`+name+`","bindings":[{"role":"viewer","pool":"*"}]}`).
			refused(http.StatusBadRequest, "invalid-body", "/name")
	}
	// The name of a key and that of a person may still be alike; the kind of the actor is not.
	key := c.makeKeyWith("Ada Lovelace", bindings("admin")...)
	worker := c.makeKeyWith("workers", bindings("worker")...)
	write := func(as, name string) {
		c.send(c.request(as, http.MethodPut, "/api/v1/variables/"+name, `{"value":1}`)).is(http.StatusOK)
	}
	write(key, "by_key")
	write(c.device("u-ada").Token, "by_person")
	c.send(c.request(worker, http.MethodPut, "/api/v1/variables/by_worker", `{"value":1}`)).
		refused(http.StatusForbidden, "forbidden")
	for kind, want := range map[api.ActorKind]string{
		api.ActorKey: "by_key", api.ActorPerson: "by_person", api.ActorWorker: "PUT /api/v1/variables/by_worker",
		api.ActorSystem: "bootstrap-admin", api.ActorCI: "",
	} {
		found := want == ""
		for _, e := range read[api.AuditList](c.call(http.MethodGet, "/api/v1/audit?actor_kind="+string(kind),
			"").is(http.StatusOK)).Items {
			if e.ActorKind != kind {
				t.Errorf("the filter for %s finds %+v", kind, e)
			}
			found = found || e.Name == want
		}
		if !found {
			t.Errorf("the audit of %s lacks %s", kind, want)
		}
	}
	c.call(http.MethodGet, "/api/v1/audit?actor_kind=robot", "").refused(http.StatusBadRequest, "invalid-parameter")
}
