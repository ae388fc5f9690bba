package access

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
)

func TestTheHighestRoleInAPoolCounts(t *testing.T) {
	p := Principal{Bindings: []Binding{
		{api.RoleViewer, AllPools}, {api.RoleDeployer, "a"}, {api.RoleOperator, "a"}, {api.RoleWorker, "b"},
	}}
	for pool, want := range map[string]api.Role{
		"a": api.RoleDeployer, "b": api.RoleViewer, "other": api.RoleViewer, AllPools: api.RoleViewer,
	} {
		if got := p.RoleIn(pool); got != want {
			t.Errorf("role in %q: %q, want %q", pool, got, want)
		}
	}
	if !p.MayDo("ClaimRuns", "b") || p.MayDo("ClaimRuns", "a") {
		t.Error("the role worker counts beside the others, in its pool")
	}
	if got := fmt.Sprint(p.PoolsFor("Apply"), p.PoolsFor("SetTemplate"), p.PoolsFor("ListRuns") == nil); got !=
		"[a] [] true" {
		t.Errorf("pools for an apply, a template and a list: %s", got)
	}
	only := Principal{Bindings: []Binding{{api.RoleWorker, "b"}}}
	if only.RoleIn("b") != api.RoleWorker || only.RoleIn("a") != "" || !only.IsLimited() {
		t.Errorf("a worker's role in its pool and elsewhere: %q, %q", only.RoleIn("b"), only.RoleIn("a"))
	}
	if none := (Principal{}); none.RoleIn("a") != "" || none.MayDo("ListRuns", "a") || none.CheckCall("GetInfo") == nil {
		t.Error("a principal without roles may do something")
	}
}

func TestHiddenObjectIsRefusedInTheWordsForAMissingOne(t *testing.T) {
	p := Principal{Name: "k", Bindings: []Binding{{api.RoleViewer, "a"}}}
	err := p.CheckObject("CancelRun", "b", "run 1")
	var refused *problem.Error
	if !errors.As(err, &refused) || refused.Code != problem.NotFound || !errors.Is(err, ErrHidden) ||
		refused.Detail != p.Missing("run 1").Detail {
		t.Errorf("a hidden object: %v", err)
	}
	err = p.CheckObject("CancelRun", "a", "run 1")
	if !errors.As(err, &refused) || refused.Code != problem.Forbidden ||
		!strings.Contains(refused.Detail, "viewer") || !strings.Contains(refused.Detail, "operator") {
		t.Errorf("a role that is too low: %v", err)
	}
}
