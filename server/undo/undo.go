// Package undo says who may see, restore and purge deleted objects: whoever may delete them, in the same work
// pools.
package undo

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// operations delete an object of a kind. The rules of the installation have their own.
var operations = map[store.DeletedKind]string{
	store.DeletedPool:       "DeleteWorkPool",
	store.DeletedQueue:      "DeleteWorkQueue",
	store.DeletedVariable:   "DeleteVariable",
	store.DeletedRule:       "DeletePoolRule",
	store.DeletedDeployment: "DeleteDeployment",
}

const deleteInstallationRule = "DeleteRule"

// Scope returns what a caller may see and restore.
func Scope(who access.Principal) store.DeletedScope {
	scope := store.DeletedScope{
		Pools:             map[store.DeletedKind][]string{},
		InstallationRules: who.MayDo(deleteInstallationRule, access.AllPools),
	}
	for kind, operation := range operations {
		if pools := who.PoolsFor(operation); pools == nil || len(pools) > 0 {
			scope.Pools[kind] = pools
		}
	}
	return scope
}

// Selection reads what a request names. Its fields are those of RestoreRequest.
func Selection(r api.RestoreRequest) (store.DeletedSelection, error) {
	s := store.DeletedSelection{
		Deletion: wire.Or(r.Deletion, uuid.Nil), Kind: store.DeletedKind(wire.Or(r.Kind, "")),
		Name: wire.Or(r.Name, ""), Pool: wire.Or(r.Pool, ""), Alone: wire.Or(r.Alone, false),
	}
	ofPool := s.Kind == store.DeletedQueue || s.Kind == store.DeletedRule
	switch {
	case s.Deletion != uuid.Nil && (s.Kind != "" || s.Name != "" || s.Pool != "" || s.Alone):
		return s, refuse("/deletion", "contradicts kind, name, pool and alone")
	case s.Deletion != uuid.Nil && r.As != nil:
		return s, refuse("/as", "needs kind and name: a deletion may be of many objects")
	case s.Deletion != uuid.Nil:
		return s, nil
	case s.Kind == "":
		return s, refuse("/kind", "required with name; or set deletion")
	case s.Name == "":
		return s, refuse("/name", "required with kind")
	case s.Kind == store.DeletedQueue && s.Pool == "":
		return s, refuse("/pool", "required for a queue")
	case s.Pool != "" && !ofPool:
		return s, refuse("/pool", "is for queues and rules")
	case s.Alone && s.Kind != store.DeletedPool:
		return s, refuse("/alone", "is for pools")
	}
	return s, nil
}

func refuse(pointer, message string) error {
	return problem.Newf(problem.InvalidBody, "the request does not say what to restore").At(pointer, "%s", message)
}

// Missing answers that there is nothing of a selection for the caller, with the same words whether it is hidden or
// does not exist. Other errors are returned as they are.
func Missing(err error, who access.Principal, s store.DeletedSelection) error {
	if store.IsCode(err, store.NotFound) && who.IsLimited() {
		return who.Missing(fmt.Sprint(s))
	}
	return err
}
