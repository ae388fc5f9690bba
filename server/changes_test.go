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

func TestTheStreamOfChangesTellsALimitedCallerOfItsPoolsOnly(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"hidden","type":"process"}`).is(http.StatusCreated)
	told := r.changes(r.makeKey("limited", api.RoleViewer, "local"))
	r.call(http.MethodPut, "/api/v1/work-pools/hidden/queues/secret", `{}`)
	r.call(http.MethodPatch, "/api/v1/work-pools/hidden", `{"description":"secret"}`).is(http.StatusOK)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "").is(http.StatusOK)
	awaitTopic(t, told, "run:"+run.ID.String(), "pool:hidden", "queue:secret", "queue")
}
