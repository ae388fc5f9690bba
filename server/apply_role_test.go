package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
)

// teams is a server with the pools a and b, each with a deployment, and a queue in a.
func teams(t *testing.T) *running {
	t.Helper()
	r := start(t)
	r.call(http.MethodPost, "/api/v1/apply", `{"pools":[
		{"name":"a","type":"process","concurrency_limit":2,"queues":[{"name":"slow","priority":5}]},
		{"name":"b","type":"process"}],
		"variables":[{"name":"v","value":1}],
		"deployments":[{"name":"in-a","pool":"a"},{"name":"in-b","pool":"b"}]}`).is(http.StatusOK)
	return r
}

func bindings(pairs ...string) []api.Binding {
	var all []api.Binding
	for _, pair := range pairs {
		role, pool, _ := strings.Cut(pair, ":")
		if pool == "" {
			pool = access.AllPools
		}
		all = append(all, api.Binding{Role: api.Role(role), Pool: pool})
	}
	return all
}

func TestApplyChecksEachItemWithTheRoleInItsPool(t *testing.T) {
	t.Parallel()
	r := teams(t)
	const forbidden = http.StatusForbidden
	r.call(http.MethodPost, "/api/v1/apply", `{"project":"theirs","pools":[{"name":"a"}]}`).is(http.StatusOK)
	tests := []struct {
		name     string
		roles    []string
		body     string
		status   int
		pointers []string
	}{
		{"a deployer puts a deployment with a schedule into its pool", []string{"deployer:a"},
			`"deployments":[{"name":"new","pool":"a","schedules":[{"cron":"@daily"}]}]`, 200, nil},
		{"a deployer declares its pool, queue and a variable as they are", []string{"deployer:a"},
			`"pools":[{"name":"a","type":"process","concurrency_limit":2,"queues":[{"name":"slow","priority":5}]}],
			"variables":[{"name":"v","value":1}],"deployments":[{"name":"in-a","pool":"a","description":"d"}]`, 200, nil},
		{"a deployer declares its pool in a project that does not own it", []string{"deployer:a"},
			`"project":"ours","pools":[{"name":"a"}],"deployments":[{"name":"in-a","pool":"a"}]`, 200, nil},
		{"a deployer raises the limit of its pool and of a queue, and changes a variable", []string{"deployer:a"},
			`"pools":[{"name":"a","concurrency_limit":9,"queues":[]}],"variables":[{"name":"v","value":2}]`,
			forbidden, []string{"/pools/0/name", "/variables/0/name"}},
		{"a deployer changes a queue and adds one", []string{"deployer:a"},
			`"pools":[{"name":"a","queues":[{"name":"slow","priority":1},{"name":"more"}]}]`,
			forbidden, []string{"/pools/0/queues/0/name", "/pools/0/queues/1/name"}},
		{"a deployer saves a template", []string{"deployer:a"},
			`"pools":[{"name":"a","base_job_template":` + process + `}]`, forbidden, []string{"/pools/0/name"}},
		{"a deployer creates a pool", []string{"deployer"},
			`"pools":[{"name":"c","type":"process"}]`, forbidden, []string{"/pools/0/name"}},
		{"an editor of one pool changes it", []string{"editor:a"},
			`"pools":[{"name":"a","concurrency_limit":3,"queues":[{"name":"more"}]}]`, 200, nil},
		{"an editor of one pool creates another", []string{"editor:a", "editor:c", "viewer"},
			`"pools":[{"name":"c","type":"process"}]`, forbidden, []string{"/pools/0/name"}},
		{"an editor of all pools creates one", []string{"editor"}, `"pools":[{"name":"c","type":"process"}]`, 200, nil},
		{"a deployer of one pool deploys into a pool that it only reads", []string{"deployer:a", "viewer:b"},
			`"deployments":[{"name":"more","pool":"b"}]`, forbidden, []string{"/deployments/0/name"}},
		{"a deployer of one pool deploys into a hidden pool", []string{"deployer:a"},
			`"deployments":[{"name":"more","pool":"b"}]`, forbidden, []string{"/deployments/0/pool"}},
		{"a deployer of one pool moves a deployment out of another", []string{"deployer:a", "operator:b"},
			`"deployments":[{"name":"in-b","pool":"a"}]`, forbidden, []string{"/deployments/0/pool"}},
		{"a deployer of one pool moves a deployment into another", []string{"deployer:a", "operator:b"},
			`"deployments":[{"name":"in-a","pool":"b"}]`, forbidden, []string{"/deployments/0/name"}},
		{"a deployer of both pools moves a deployment", []string{"deployer:a", "deployer:b"},
			`"deployments":[{"name":"in-a","pool":"b"}]`, 200, nil},
		{"a deployer takes the name of a hidden deployment", []string{"deployer:a"},
			`"deployments":[{"name":"in-b","pool":"a"}]`, forbidden, []string{"/deployments/0/name"}},
		{"an operator applies", []string{"operator"}, `"deployments":[{"name":"in-a","pool":"a"}]`, forbidden, nil},
	}
	for i, test := range tests {
		key := r.makeKeyWith(fmt.Sprint("k", i), bindings(test.roles...)...)
		a := r.send(r.request(key, http.MethodPost, "/api/v1/apply", `{"dry_run":true,`+test.body+`}`))
		a.what = test.name
		if test.status == http.StatusOK {
			a.is(http.StatusOK)
			continue
		}
		a.refused(test.status, "forbidden", test.pointers...)
		if strings.Contains(string(a.body), `\"b\"`) && !strings.Contains(test.body, `"b"`) &&
			!strings.Contains(strings.Join(test.roles, ""), ":b") {
			t.Errorf("test %d discloses a hidden pool: %s", i, a.body)
		}
	}
}

func TestPruneDeletesOnlyWhatTheRolesOfTheCallerAllow(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPost, "/api/v1/apply", `{"project":"p","pools":[
		{"name":"a","type":"process","queues":[{"name":"slow"}]},{"name":"b","type":"process"}],
		"variables":[{"name":"v","value":1}],
		"deployments":[{"name":"in-a","pool":"a"},{"name":"in-b","pool":"b"}]}`).is(http.StatusOK)
	key := r.makeKeyWith("k", bindings("deployer:a", "viewer:b")...)
	result := read[api.ApplyResult](r.send(r.request(key, http.MethodPost, "/api/v1/apply",
		`{"project":"p","prune":true,"pools":[{"name":"a","queues":[]}]}`)).is(http.StatusOK))
	var deleted []string
	for _, c := range result.Changes {
		if c.Action == api.Delete {
			deleted = append(deleted, c.Name)
		}
	}
	if strings.Join(deleted, " ") != "in-a" {
		t.Errorf("a deployer of one pool pruned %v", deleted)
	}
}
