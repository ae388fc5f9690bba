package server_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// declaring is a directory of declared files that a test changes.
type declaring struct {
	mu      sync.Mutex
	files   map[string]string // the JSON of a file, by its name
	ordered []string          // names in the order of the directory; nil: any
}

func (d *declaring) set(name, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[name] = text
}

func (d *declaring) read() []server.DeclaredFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	var files []server.DeclaredFile
	names := d.ordered
	if names == nil {
		names = slices.Collect(maps.Keys(d.files))
	}
	for _, name := range names {
		text := d.files[name]
		files = append(files, server.DeclaredFile{
			Name: name, Digest: text,
			Request: func(dryRun bool, plan string) (json.RawMessage, error) {
				body := map[string]any{}
				if err := json.Unmarshal([]byte(text), &body); err != nil {
					return nil, err
				}
				body["dry_run"], body["project"] = dryRun, "declared:"+name
				if plan != "" {
					body["plan"] = plan
				}
				return json.Marshal(body)
			},
		})
	}
	return files
}

func (r *running) metric(line string) bool {
	return strings.Contains(string(r.call(http.MethodGet, "/metrics", "").is(http.StatusOK).body), line+"\n")
}

const declaredReport = `{"deployments":[{"name":"report","pool":"local","job_variables":{"command":["true"]},"description":"first"}]}`

// TestDeclaredFilesAreAppliedByTheServers by several at once, with the name of who applied in the audit.
func TestDeclaredFilesAreAppliedByTheServers(t *testing.T) {
	t.Parallel()
	d := &declaring{files: map[string]string{"team": declaredReport}}
	database := pgtest.Database(t)
	declare := func(o *server.Options) { o.Declared = d.read }
	one := start(t, on(database), declare)
	two := start(t, on(database), declare, func(o *server.Options) { o.BootstrapAdminKey, o.BootstrapWorkerKey = one.admin, one.worker })
	two.admin = one.admin
	for _, r := range []*running{one, two} {
		eventually(t, func() bool { return r.metric(`berth_apply_failing{file="team"} 0`) })
	}
	read[api.Deployment](one.call(http.MethodGet, "/api/v1/deployments/report", "").is(http.StatusOK))
	made := 0
	for _, entry := range read[api.AuditList](one.call(http.MethodGet, "/api/v1/audit", "").is(http.StatusOK)).Items {
		if string(entry.Kind) == "deployment" {
			made++
			if entry.Actor != "declared-files" {
				t.Errorf("the deployment is of %q", entry.Actor)
			}
		}
	}
	if made != 1 {
		t.Errorf("two servers made the deployment %d times", made)
	}
}

// TestABrokenDeclaredFileKeepsTheLastGoodState: nothing of it is applied, and the metric says so, until it is mended.
func TestABrokenDeclaredFileKeepsTheLastGoodState(t *testing.T) {
	t.Parallel()
	d := &declaring{files: map[string]string{"team": declaredReport}}
	r := start(t, func(o *server.Options) { o.Declared = d.read })
	eventually(t, func() bool { return r.metric(`berth_apply_failing{file="team"} 0`) })

	for name, broken := range map[string]string{
		"a field that does not exist": strings.Replace(declaredReport, `"description"`, `"descripton"`, 1),
		"half of it is wrong":         `{"variables":[{"name":"half","value":"1"}],"deployments":[{"name":"report","pool":"nowhere","job_variables":{}}]}`,
	} {
		d.set("team", broken)
		eventually(t, func() bool { return r.metric(`berth_apply_failing{file="team"} 1`) })
		if got := read[api.Deployment](r.call(http.MethodGet, "/api/v1/deployments/report", "").is(http.StatusOK)); got.Description != "first" {
			t.Errorf("%s: the deployment is now %+v", name, got)
		}
		r.call(http.MethodGet, "/api/v1/variables/half", "").is(http.StatusNotFound)
		d.set("team", declaredReport)
		eventually(t, func() bool { return r.metric(`berth_apply_failing{file="team"} 0`) })
	}
	d.set("gone", "{")
	eventually(t, func() bool { return r.metric(`berth_apply_failing{file="gone"} 1`) })
	d.mu.Lock()
	delete(d.files, "gone")
	d.mu.Unlock()
	eventually(t, func() bool { return !r.metric(`berth_apply_failing{file="gone"} 1`) })
	d.set("team", strings.Replace(declaredReport, "first", "second", 1))
	eventually(t, func() bool {
		return read[api.Deployment](r.call(http.MethodGet, "/api/v1/deployments/report", "").is(http.StatusOK)).Description == "second"
	})
}

// TestDeclaredFilesNeedNoOrder: the first needs what the second declares.
func TestDeclaredFilesNeedNoOrder(t *testing.T) {
	t.Parallel()
	d := &declaring{ordered: []string{"b", "a"}, files: map[string]string{
		"a": `{"pools":[{"name":"deep","type":"process","queues":[{"name":"night"}]}]}`,
		"b": `{"deployments":[{"name":"report","pool":"deep","queue":"night","job_variables":{"command":["true"]}}]}`,
	}}
	r := start(t, func(o *server.Options) { o.Declared = d.read })
	for _, name := range d.ordered {
		eventually(t, func() bool { return r.metric(`berth_apply_failing{file="` + name + `"} 0`) })
	}
}

// TestADeclaredFileWaitsForItsApproval like the deploy of anyone else, and is applied once it is given.
func TestADeclaredFileWaitsForItsApproval(t *testing.T) {
	t.Parallel()
	d := &declaring{files: map[string]string{}}
	r := start(t, func(o *server.Options) { o.Declared = d.read })
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"approvals":{"require":["deploys"]}}`).is(http.StatusOK)
	d.set("team", declaredReport)
	eventually(t, func() bool { return r.metric(`berth_apply_failing{file="team"} 1`) })
	r.call(http.MethodGet, "/api/v1/deployments/report", "").is(http.StatusNotFound)
	open := read[api.ApprovalList](r.call(http.MethodGet, "/api/v1/approvals", "").is(http.StatusOK)).Items
	if len(open) != 1 || open[0].AskedBy != "declared-files" {
		t.Errorf("the approvals are %+v", open)
	}
}

// TestDeclaredStateWins over what someone else changes, once it is seen in minutes in a row: the server may have an older
// version of the file than another, for Kubernetes needs a minute to bring one.
func TestDeclaredStateWins(t *testing.T) {
	t.Parallel()
	d := &declaring{files: map[string]string{"team": declaredReport}}
	clock := &clock{}
	r := start(t, func(o *server.Options) { o.Declared, o.Now = d.read, clock.now })
	eventually(t, func() bool { return r.metric(`berth_apply_failing{file="team"} 0`) })
	description := func() string {
		return read[api.Deployment](r.call(http.MethodGet, "/api/v1/deployments/report", "").is(http.StatusOK)).Description
	}
	r.call(http.MethodPost, "/api/v1/apply", strings.Replace(declaredReport, "first", "by hand", 1)).is(http.StatusOK)
	minutes := 0
	eventually(t, func() bool {
		before := r.lastApplied()
		clock.forward(time.Minute)
		eventually(t, func() bool { return r.lastApplied() != before })
		minutes++
		return description() == "first"
	})
	if minutes != 3 {
		t.Errorf("the change was undone after %d minutes", minutes)
	}
}

// lastApplied is the metric of when a file was last found applied.
func (r *running) lastApplied() string {
	for line := range strings.Lines(string(r.call(http.MethodGet, "/metrics", "").is(http.StatusOK).body)) {
		if strings.HasPrefix(line, "berth_apply_last_success_timestamp_seconds{") {
			return line
		}
	}
	return ""
}
