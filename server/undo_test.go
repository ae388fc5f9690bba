package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// as calls an operation with another key.
func (r *running) as(key, method, path, body string) answer {
	r.t.Helper()
	return r.send(r.request(key, method, path, body))
}

func TestADeletionSaysWhatCanBeRestoredAndUntilWhen(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	gone := read[api.Deletion](r.call(http.MethodDelete, "/api/v1/deployments/etl", "").is(http.StatusOK))
	if gone.ID == nil || len(gone.Items) != 1 || gone.Items[0].Name != "etl" || gone.RestorableUntil == nil {
		t.Fatalf("deleted %+v", gone)
	}
	r.call(http.MethodGet, "/api/v1/deployments/etl", "").is(http.StatusNotFound)
	list := read[api.DeletedList](r.call(http.MethodGet, "/api/v1/deleted?deletion="+gone.ID.String(), "").is(http.StatusOK))
	if len(list.Items) != 1 || !list.Items[0].RestorableUntil.Equal(*gone.RestorableUntil) {
		t.Errorf("listed %+v", list.Items)
	}
	body := `{"deletion":"` + gone.ID.String() + `"}`
	r.call(http.MethodPost, "/api/v1/deleted/restore", body).is(http.StatusOK)
	r.call(http.MethodGet, "/api/v1/deployments/etl", "").is(http.StatusOK)
	r.call(http.MethodPost, "/api/v1/deleted/restore", body).is(http.StatusNotFound)

	entry := read[api.AuditList](r.call(http.MethodGet, "/api/v1/audit?action=restore", "").is(http.StatusOK)).Items
	if len(entry) != 1 || entry[0].Kind != api.AuditDeployment || entry[0].Name != "etl" {
		t.Errorf("the audit has %+v", entry)
	}
}

func TestASelectionOfDeletedObjectsSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	r := start(t)
	for body, pointer := range map[string]string{
		`{}`:                          "/kind",
		`{"kind":"pool"}`:             "/name",
		`{"kind":"queue","name":"a"}`: "/pool",
		`{"kind":"variable","name":"a","pool":"local"}`:                             "/pool",
		`{"kind":"variable","name":"a","alone":true}`:                               "/alone",
		`{"deletion":"0199a000-0000-7000-8000-0000000000d1","as":"b"}`:              "/as",
		`{"deletion":"0199a000-0000-7000-8000-0000000000d1","kind":"pool"}`:         "/deletion",
		`{"deletion":"0199a000-0000-7000-8000-0000000000d1","alone":true}`:          "/deletion",
		`{"deletion":"0199a000-0000-7000-8000-0000000000d1","name":"a","pool":"b"}`: "/deletion",
	} {
		refusal := read[api.Problem](r.call(http.MethodPost, "/api/v1/deleted/restore", body).is(http.StatusBadRequest))
		if refusal.Errors == nil || (*refusal.Errors)[0].Pointer != pointer {
			t.Errorf("%s: %+v", body, refusal)
		}
	}
}

// TestAKeyOfADeletedPoolIsNoneOfANewPoolOfItsName: the owner of the new pool has not given it a role.
func TestAKeyOfADeletedPoolIsNoneOfANewPoolOfItsName(t *testing.T) {
	t.Parallel()
	r := start(t)
	pool := `{"name":"team","type":"process"}`
	r.call(http.MethodPost, "/api/v1/work-pools", pool).is(http.StatusCreated)
	key := r.makeKey("old", api.RoleEditor, "team")
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"etl","pool":"team"}]}`).is(http.StatusOK)
	run := r.startRun("etl", `{}`)
	r.call(http.MethodDelete, "/api/v1/work-pools/team?force=true", "").is(http.StatusOK)

	// Its name is free, and nothing of the old pool is in the new one.
	r.call(http.MethodPost, "/api/v1/work-pools", pool).is(http.StatusCreated)
	fresh := r.makeKey("new", api.RoleEditor, "team")
	r.as(key, http.MethodGet, "/api/v1/work-pools/team", "").is(http.StatusForbidden)
	r.as(key, http.MethodPatch, "/api/v1/work-pools/team", `{"paused":true}`).is(http.StatusForbidden)
	r.as(fresh, http.MethodGet, "/api/v1/work-pools/team", "").is(http.StatusOK)
	r.as(fresh, http.MethodGet, "/api/v1/runs/"+run.ID.String(), "").is(http.StatusNotFound)
	r.as(fresh, http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/logs", "").is(http.StatusNotFound)
	if runs := read[api.RunList](r.as(fresh, http.MethodGet, "/api/v1/runs", "").is(http.StatusOK)); len(runs.Items) != 0 {
		t.Errorf("the new key sees %d runs of the deleted pool", len(runs.Items))
	}
	if gone := read[api.DeletedList](r.as(fresh, http.MethodGet, "/api/v1/deleted", "").is(http.StatusOK)); len(gone.Items) != 0 {
		t.Errorf("the new key sees %+v", gone.Items)
	}
	r.as(fresh, http.MethodPost, "/api/v1/deleted/restore", `{"kind":"deployment","name":"etl"}`).is(http.StatusNotFound)

	// Restored under another name, the pool has its keys again, and they do not reach the new one.
	r.call(http.MethodPost, "/api/v1/deleted/restore", `{"kind":"pool","name":"team","as":"team-1"}`).is(http.StatusOK)
	r.as(key, http.MethodGet, "/api/v1/work-pools/team-1", "").is(http.StatusOK)
	r.as(key, http.MethodGet, "/api/v1/runs/"+run.ID.String(), "").is(http.StatusOK)
	r.as(key, http.MethodGet, "/api/v1/work-pools/team", "").is(http.StatusForbidden)
}

func TestTheValueOfADeletedVariableIsShownNowhere(t *testing.T) {
	t.Parallel()
	r := start(t)
	const canary = "canary-4711"
	r.call(http.MethodPut, "/api/v1/variables/token", `{"value":"`+canary+`"}`).is(http.StatusOK)
	for _, a := range []answer{
		r.call(http.MethodDelete, "/api/v1/variables/token", "").is(http.StatusOK),
		r.call(http.MethodGet, "/api/v1/deleted", "").is(http.StatusOK),
		r.call(http.MethodGet, "/api/v1/variables", "").is(http.StatusOK),
		r.call(http.MethodPost, "/api/v1/deleted/restore", `{"kind":"variable","name":"token"}`).is(http.StatusOK),
		r.call(http.MethodDelete, "/api/v1/variables/token?permanently=true", "").is(http.StatusOK),
		r.call(http.MethodGet, "/api/v1/deleted", "").is(http.StatusOK),
		r.call(http.MethodGet, "/api/v1/audit?limit=500", "").is(http.StatusOK),
	} {
		if strings.Contains(string(a.body), canary) {
			t.Errorf("%s shows the value: %s", a.what, a.body)
		}
	}
	r.call(http.MethodPost, "/api/v1/deleted/restore", `{"kind":"variable","name":"token"}`).is(http.StatusNotFound)
}

func TestARefusedDeletionListsWhatUsesTheObject(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPut, "/api/v1/variables/place", `{"value":"Bremen"}`).is(http.StatusOK)
	r.call(http.MethodPost, "/api/v1/work-pools/local/queues", `{"name":"fast"}`).is(http.StatusCreated)
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"etl","pool":"local","queue":"fast",`+
		`"job_variables":{"env":{"A":"{{ berth.variables.place }}"}}}]}`).is(http.StatusOK)
	run := r.startRun("etl", `{}`)
	for path, want := range map[string][2]string{
		"work-pools/local":             {"pool-in-use", "deployment etl, run " + run.Name},
		"work-pools/local/queues/fast": {"queue-in-use", "deployment etl, run " + run.Name},
		"deployments/etl":              {"deployment-has-live-runs", "run " + run.Name},
		"variables/place":              {"variable-in-use", "deployment etl"},
	} {
		refusal := read[api.Problem](r.call(http.MethodDelete, "/api/v1/"+path, "").is(http.StatusConflict))
		var users []string
		for _, u := range *refusal.Users {
			users = append(users, string(u.Kind)+" "+u.Name)
		}
		if got := strings.Join(users, ", "); refusal.Code != want[0] || got != want[1] || int(*refusal.UsersTotal) != len(users) {
			t.Errorf("%s: %s, used by %s", path, refusal.Code, got)
		}
	}
}

func TestARefusedPruneListsWhatUsesTheObjects(t *testing.T) {
	t.Parallel()
	r := start(t)
	apply := func(deployments, more string) answer {
		return r.call(http.MethodPost, "/api/v1/apply", `{"project":"p","prune":true,"deployments":[`+deployments+`]`+more+`}`)
	}
	apply(`{"name":"etl","pool":"local"}`, `,"variables":[{"name":"place","value":1}]`).is(http.StatusOK)
	run := r.startRun("etl", `{}`)
	refusal := read[api.Problem](apply("", "").is(http.StatusUnprocessableEntity))
	if refusal.Users == nil || len(*refusal.Users) != 1 || (*refusal.Users)[0].ID != run.ID || *refusal.UsersTotal != 1 {
		t.Errorf("refused with %+v", refusal)
	}
}
