package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
)

// caller is a key with one role, and where it has it.
type caller struct {
	role  api.Role
	where string // "here" is the pool of the call, "elsewhere" is another pool, "everywhere" is all pools
	key   string
}

func (c caller) String() string { return fmt.Sprintf("%s %s", c.role, c.where) }

// callers makes a key for every role that can be granted, in every place.
func (w *contractWorld) callers() []caller {
	w.t.Helper()
	pools := map[string]string{"here": contractPool, "elsewhere": "local", "everywhere": access.AllPools}
	var all []caller
	for _, role := range access.Roles() {
		for where, pool := range pools {
			key := w.makeKeyWith(string(role)+" "+where, api.Binding{Role: role, Pool: pool})
			all = append(all, caller{role, where, key})
		}
	}
	return append(all, caller{access.RoleJob, "here", *w.attempt.JobKey})
}

// allows says what the table of package access says of a call in the contract's pool.
func (c caller) allows(o access.Operation) bool {
	if !o.Allows(c.role) {
		return false
	}
	switch c.where {
	case "here":
		return !o.NeedsAllPools()
	case "elsewhere":
		// Lists are empty, and so is what is done to each selected run. The rule set of this world is that of
		// the installation, which every worker reads.
		anywhere := []access.Place{access.NoPool, access.Listed, access.Selected, access.PathRuleSet}
		return !slices.ContainsFunc(o.Pools, func(p access.Place) bool { return !slices.Contains(anywhere, p) })
	}
	return true
}

// TestEveryOperationObeysTheTableForEveryRole calls every operation of openapi.yaml with every role: in the
// pool that the call is about, in another pool, and in all pools. An operation without a row fails it.
func TestEveryOperationObeysTheTableForEveryRole(t *testing.T) {
	t.Parallel()
	// What is refused, and what only reads, leaves the world as it is.
	shared := newContractWorld(t)
	callers := shared.callers()
	for _, o := range operations(t) {
		row, ok := access.Find(o.OperationID)
		if !ok {
			t.Errorf("%s has no row in the table of package access", o.OperationID)
			continue
		}
		var change []caller
		for _, c := range callers {
			switch {
			case !c.allows(row):
				shared.refuses(o, c)
			case o.method == http.MethodGet:
				shared.lets(o, c)
			default:
				change = append(change, c)
			}
		}
		if len(change) > 0 {
			t.Run(o.OperationID, func(t *testing.T) {
				t.Parallel()
				w := newContractWorld(t)
				for _, c := range w.callers() {
					if c.allows(row) {
						w.lets(o, c)
					}
				}
			})
		}
	}
}

// roleCall is the example of an operation, about the contract's pool alone.
func (w *contractWorld) roleCall(o operation, who caller) aCall {
	w.t.Helper()
	switch o.OperationID {
	case "Apply":
		body := map[string]any{"name": "etl", "pool": contractPool, "description": who.String()}
		return aCall{key: who.key, method: o.method, path: o.path,
			body: map[string]any{"deployments": []any{body}}}
	case "RevokeSessions": // the caller's; the handler asks for admin in all pools for another person's
		return aCall{key: who.key, method: o.method, path: o.path, body: map[string]any{}}
	case "CreateAPIKey":
		return aCall{key: who.key, method: o.method, path: o.path, body: map[string]any{
			"name": "made by " + who.String(), "bindings": bindings("viewer:" + contractPool),
		}}
	case "RestoreDeleted", "PurgeDeleted":
		name := o.OperationID + " by " + who.String()
		w.makeDeleted(name)
		return aCall{key: who.key, method: o.method, path: o.path, body: map[string]any{"kind": "deployment", "name": name}}
	case "RevokeAPIKey":
		name := "for " + who.String()
		if !slices.Contains(w.names, name) {
			w.names = append(w.names, name)
			w.makeKey(name, api.RoleViewer, contractPool)
		}
		return aCall{key: who.key, method: o.method, path: "/api/v1/api-keys/" + strings.ReplaceAll(name, " ", "%20")}
	}
	c := w.validCall(o)
	c.query = strings.TrimSuffix(strings.TrimSuffix(c.query, withoutApproval), "&") // for admins only
	if who.role == access.RoleJob && strings.Contains(o.path, "{run}") {
		known := w.parameters["run"]
		w.parameters["run"] = w.attempt.RunID.String() // it may read its own run only
		c.path = o.at(w.t, w.parameters)
		w.parameters["run"] = known
	}
	c.key = who.key
	return c
}

// accessRefused reports whether an answer is one of access control: forbidden, or hidden.
func accessRefused(a answer) bool {
	var document api.Problem
	if a.status != http.StatusForbidden && a.status != http.StatusNotFound ||
		json.Unmarshal(a.body, &document) != nil {
		return false
	}
	hidden := document.Detail != nil && strings.Contains(*document.Detail, "has no role")
	return document.Code == "forbidden" || hidden
}

func (w *contractWorld) refuses(o operation, who caller) {
	w.t.Helper()
	if a := w.send(w.roleCall(o, who)); !accessRefused(a) {
		w.t.Errorf("%s as %s: status %d, want a refusal: %s", o.OperationID, who, a.status, clipped(string(a.body)))
	}
}

// lets checks that access control lets a call through. Whether it succeeds depends on the calls before it.
func (w *contractWorld) lets(o operation, who caller) {
	w.t.Helper()
	c := w.roleCall(o, who)
	if o.streams() {
		w.begins(c)
		return
	}
	a := w.send(c)
	gone := a.status == http.StatusNotFound && o.method == http.MethodDelete && slices.Contains(w.names, o.path)
	if accessRefused(a) && !gone || a.status == http.StatusUnauthorized || a.status >= http.StatusInternalServerError {
		w.t.Errorf("%s as %s: status %d, want it to be allowed: %s",
			o.OperationID, who, a.status, clipped(string(a.body)))
	}
	w.names = append(w.names, o.path)
}

// TestUnknownOperationIsRefusedForEveryRole holds the default of the table.
func TestUnknownOperationIsRefusedForEveryRole(t *testing.T) {
	for _, role := range append(access.Roles(), access.RoleJob) {
		p := access.Principal{Bindings: []access.Binding{{Role: role, Pool: access.AllPools}}}
		if p.CheckCall("DeleteEverything") == nil || p.MayDo("DeleteEverything", "p") {
			t.Errorf("%s may call an operation that is in no table", role)
		}
	}
}
