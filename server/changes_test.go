package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// changes returns the topics that a stream of changes tells, as they come. The stream has begun when it returns.
func (r *running) changes(key string) <-chan []string {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	response, err := r.http.Do(r.request(key, http.MethodGet, "/api/v1/changes", "").WithContext(ctx))
	if err != nil {
		r.t.Fatal(err)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() && lines.Text() != `data: {"topics":[]}` {
		continue
	}
	if lines.Text() == "" {
		r.t.Fatalf("%s: the stream does not begin", response.Status)
	}
	told := make(chan []string)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(told)
		for lines.Scan() {
			data, found := strings.CutPrefix(lines.Text(), "data: ")
			if !found {
				continue
			}
			var event api.ChangedTopics
			if json.Unmarshal([]byte(data), &event) != nil {
				return
			}
			select {
			case told <- event.Topics:
			case <-ctx.Done():
				return
			}
		}
	}()
	r.t.Cleanup(func() {
		cancel()
		<-done
		_ = response.Body.Close()
	})
	return told
}

// awaitTopic reads until a topic was told, and fails if one of the forbidden ones comes first.
func awaitTopic(t *testing.T, told <-chan []string, topic string, forbidden ...string) {
	t.Helper()
	for topics := range told {
		for _, bad := range forbidden {
			if slices.Contains(topics, bad) {
				t.Errorf("%v has %q", topics, bad)
			}
		}
		if slices.Contains(topics, topic) {
			return
		}
	}
	t.Fatalf("the stream has ended before %q", topic)
}

func TestTheStreamOfChangesTellsWhatHasChanged(t *testing.T) {
	t.Parallel()
	r := start(t)
	told := r.changes(r.admin)
	r.deploy("hello", "")
	awaitTopic(t, told, "deployment:hello")
	run := r.startRun("hello", `{}`)
	awaitTopic(t, told, "runs")
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "").is(http.StatusOK)
	awaitTopic(t, told, "run:"+run.ID.String())
	r.call(http.MethodPut, "/api/v1/variables/day", `{"value":"monday"}`)
	awaitTopic(t, told, "variable:day")
}

// TestTheStreamOfChangesTellsALimitedCallerOfItsPoolsOnly changes all kinds of things of another pool, in turns with a thing of
// the caller's: nothing is told of the others, before or after.
func TestTheStreamOfChangesTellsALimitedCallerOfItsPoolsOnly(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"hidden","type":"process"}`).is(http.StatusCreated)
	r.deploy("hello", "")
	all, told := r.changes(r.admin), r.changes(r.makeKey("limited", api.RoleViewer, "local"))
	forbidden := []string{"pool:hidden", "template:hidden", "deployment:secret", "queue:secret", "worker:hidden-worker"}
	for i, change := range []func(){
		func() {
			r.call(http.MethodPatch, "/api/v1/work-pools/hidden", `{"description":"secret"}`).is(http.StatusOK)
		},
		func() {
			r.call(http.MethodPost, "/api/v1/work-pools/hidden/queues", `{"name":"secret"}`).is(http.StatusCreated)
		},
		func() {
			r.call(http.MethodPut, "/api/v1/work-pools/hidden/template", encode(t, api.TemplateSave{Source: aText})).is(http.StatusOK)
		},
		func() {
			r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"secret","pool":"hidden"}]}`).is(http.StatusOK)
		},
		func() {
			forbidden = append(forbidden, "run:"+r.startRun("secret", `{}`).ID.String())
		},
		func() {
			w := r.newWorkerOf("hidden", api.Process, "hidden-worker")
			claim := w.claimOne()
			w.begin(claim)
			w.write(claim, 0, "secret\n")
			w.finish(claim, 1, "secret")
		},
		func() {
			r.call(http.MethodPatch, "/api/v1/work-pools/hidden", `{"paused":true,"pause_reason":"secret"}`).is(http.StatusOK)
		},
		func() { r.call(http.MethodDelete, "/api/v1/deployments/secret?force=true", "").is(http.StatusOK) },
	} {
		change()
		run := r.startRun("hello", `{}`).ID.String()
		r.call(http.MethodPost, "/api/v1/runs/"+run+"/cancel", "").is(http.StatusOK)
		own := "run:" + run
		awaitTopic(t, all, own)
		awaitTopic(t, told, own, forbidden...)
		if t.Failed() {
			t.Fatalf("after change %d", i+1)
		}
	}
}
