package approval

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

func TestTwoActorsAreOnePersonIfTheyMayBe(t *testing.T) {
	keys := knownKeys{
		{Name: "ci", CreatedBy: "admin"}, {Name: "dev", CreatedBy: "admin"}, {Name: "helper", CreatedBy: "dev"},
		{Name: "grandchild", CreatedBy: "helper"}, {Name: "loop", CreatedBy: "loop"}, {Name: "ada-key", CreatedBy: "ada@x"},
	}
	key := func(name, by string) store.ApprovalActor {
		return store.ApprovalActor{Name: name, KeyID: "id-" + name, CreatedBy: by}
	}
	person := func(name, issuer, subject string) store.ApprovalActor {
		return store.ApprovalActor{Name: name, KeyID: "session of " + name, Issuer: issuer, Subject: subject}
	}
	for _, test := range []struct {
		name string
		a, b store.ApprovalActor
		same bool
	}{
		{"one key", key("ci", "admin"), key("ci", "admin"), true},
		{"two keys of one name", key("ci", "admin"), store.ApprovalActor{Name: "CI", KeyID: "new"}, true},
		{"two keys that an admin made", key("ci", "admin"), key("dev", "admin"), false},
		{"a key and who made it", key("helper", "dev"), key("dev", "admin"), true},
		{"a key and who made its maker", key("grandchild", "helper"), key("dev", "admin"), true},
		{"a key and the admin of all", key("grandchild", "helper"), key("admin", "bootstrap"), true},
		{"a key that made itself", key("loop", "loop"), key("dev", "admin"), false},
		{"two sessions of a person", person("ada@x", "i", "1"), person("ada@new", "i", "1"), true},
		{"the same subject of another provider", person("ada@x", "i", "1"), person("ada@y", "j", "1"), false},
		{"a person and a key of that name", person("ada@x", "i", "1"), key("Ada@X", "admin"), true},
		{"a person and a key that the person made", person("ada@x", "i", "1"), key("ada-key", "ada@x"), true},
		{"two persons", person("ada@x", "i", "1"), person("bob@x", "i", "2"), false},
	} {
		for _, pair := range [][2]store.ApprovalActor{{test.a, test.b}, {test.b, test.a}} {
			same, err := samePerson(t.Context(), keys, pair[0], pair[1])
			if err != nil || same != test.same {
				t.Errorf("%s: got %t, %v; want %t", test.name, same, err, test.same)
			}
		}
	}
}

// rolesNow is what people may do by now.
type rolesNow []access.Binding

func (r rolesNow) BindingsOf(store.Person) []access.Binding { return r }

func TestAnApproverNeedsTheRoleStill(t *testing.T) {
	s := storetest.SQLite(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := s.Now()
	soon := now.Add(time.Minute)
	check(s.CreateSession(t.Context(), store.Session{
		ID: "s", Kind: store.SessionCLI, Person: store.Person{Issuer: "i", Subject: "1", Actor: "ada"},
		CreatedAt: now, ExpiresAt: now.Add(time.Hour), CheckFrom: now,
	}, ""))
	for id, k := range map[string]store.Key{
		"editor": {Bindings: []store.Binding{{Role: "editor", Pool: "p"}}},
		"viewer": {Bindings: []store.Binding{{Role: "viewer", Pool: "p"}}},
		"other":  {Bindings: []store.Binding{{Role: "editor", Pool: "q"}}},
		"short":  {Bindings: []store.Binding{{Role: "editor", Pool: "p"}}, ExpiresAt: &soon},
		"worker": {Bindings: []store.Binding{{Role: "worker", Pool: "p"}}},
	} {
		k.ID, k.Name, k.SecretHash = id, id, id
		check(s.CreateKey(t.Context(), k))
	}
	ada := store.ApprovalActor{Name: "ada", KeyID: "s", Issuer: "i", Subject: "1"}
	editor := rolesNow{{Role: api.RoleEditor, Pool: "p"}}
	for _, test := range []struct {
		name   string
		by     store.ApprovalActor
		people People
		want   string // part of the reason; empty: the role is there
	}{
		{"a key", store.ApprovalActor{Name: "editor", KeyID: "editor"}, nil, ""},
		{"a key with a lower role", store.ApprovalActor{Name: "viewer", KeyID: "viewer"}, nil, "does not have the role"},
		{"a key of another pool", store.ApprovalActor{Name: "other", KeyID: "other"}, nil, "does not have the role"},
		{"a key of a worker", store.ApprovalActor{Name: "worker", KeyID: "worker"}, nil, "does not have the role"},
		{"a key that has expired", store.ApprovalActor{Name: "short", KeyID: "short"}, nil, "has expired"},
		{"a key that is gone", store.ApprovalActor{Name: "x", KeyID: "gone"}, nil, "does not exist"},
		{"a person", ada, editor, ""},
		{"a person with a lower role", ada, rolesNow{{Role: api.RoleViewer, Pool: "p"}}, "does not have the role"},
		{"a person without a role", ada, rolesNow{}, "does not have the role"},
		{"a person where nobody can sign in", ada, nil, "cannot sign in"},
		{"a person without a session", store.ApprovalActor{Name: "bob", Issuer: "i", Subject: "2"}, editor, "cannot sign in"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := New(Options{Store: s.Store, People: test.people, Now: func() time.Time { return now.Add(2 * time.Minute) }})
			var why string
			check(s.InTx(t.Context(), func(tx *store.Tx) (err error) {
				why, err = g.lostRole(t.Context(), tx, &store.Approval{Pool: "p", Approver: "editor", Decider: &test.by})
				return err
			}))
			if (why == "") != (test.want == "") || !strings.Contains(why, test.want) {
				t.Errorf("got %q, want %q", why, test.want)
			}
		})
	}
}

var _ keyReader = (*store.Store)(nil)

func TestCreatorsEnd(t *testing.T) {
	keys := knownKeys{{Name: "a", CreatedBy: "b"}, {Name: "b", CreatedBy: "a"}}
	same, err := samePerson(context.Background(), keys, store.ApprovalActor{Name: "a", CreatedBy: "b"},
		store.ApprovalActor{Name: "c"})
	if err != nil || same {
		t.Errorf("got %t, %v", same, err)
	}
}
