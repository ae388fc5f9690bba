package server_test

import (
	"net/http"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestAWorkersKeyTellsTheTypeOfItsPool(t *testing.T) {
	t.Parallel()
	r := start(t)
	path := "/api/v1/worker/pools/"
	pool := read[api.WorkerPool](r.send(r.request(r.worker, http.MethodGet, path+"local", "")).is(http.StatusOK))
	if pool.Type != api.Process || pool.Name != "local" {
		t.Errorf("got %+v", pool)
	}
	r.send(r.request(r.worker, http.MethodGet, path+"nowhere", "")).refused(http.StatusNotFound, "not-found")
}
