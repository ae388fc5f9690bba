package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestAPauseIsShownWithItsReasonWhereverItCounts(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", `,"schedules":[{"name":"nightly","cron":"0 3 * * *"}]`)
	run := r.startRun("etl", `{}`)
	const pause = `{"paused":true,"pause_reason":" the warehouse is down "}`
	pool := read[api.WorkPool](r.call(http.MethodPatch, localPool, pause).is(http.StatusOK))
	queue := read[api.WorkQueue](r.call(http.MethodPatch, localPool+"/queues/default", pause).is(http.StatusOK))
	deployment := read[api.Deployment](r.call(http.MethodPatch, "/api/v1/deployments/etl", pause).is(http.StatusOK))
	r.newWorker("w1")
	worker := read[api.Worker](r.call(http.MethodPatch, localPool+"/workers/w1", pause).is(http.StatusOK))
	schedules := read[api.ScheduleList](r.call(http.MethodGet, "/api/v1/deployments/etl/schedules", "").is(http.StatusOK))
	for what, p := range map[string]*api.Pause{
		"pool": pool.Pause, "queue": queue.Pause, "deployment": deployment.Pause, "schedule": schedules.Items[0].Pause,
		"worker": worker.Pause,
	} {
		if p == nil || p.By == "" || p.At.IsZero() || p.Reason == nil || *p.Reason != "the warehouse is down" {
			t.Errorf("the %s is paused by %s", what, encode(t, p))
		}
	}
	explained := read[api.RunExplanation](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/explain", "").is(http.StatusOK))
	for _, reason := range explained.Reasons[:3] {
		if !strings.HasSuffix(reason.Message, "ago: the warehouse is down") {
			t.Errorf("explain says %q", reason.Message)
		}
	}
	if audit := string(r.call(http.MethodGet, "/api/v1/audit?kind=queue", "").is(http.StatusOK).body); !strings.Contains(audit, "pause_reason") {
		t.Errorf("the audit has no reason: %s", audit)
	}

	for _, path := range []string{localPool, localPool + "/queues/default", localPool + "/workers/w1", "/api/v1/deployments/etl"} {
		r.call(http.MethodPatch, path, `{"paused":false,"pause_reason":"x"}`).refused(http.StatusBadRequest, "invalid-body", "/pause_reason")
		if a := r.call(http.MethodPatch, path, `{"paused":false}`).is(http.StatusOK); strings.Contains(string(a.body), "warehouse") {
			t.Errorf("%s is resumed, and says %s", path, a.body)
		}
	}
}
