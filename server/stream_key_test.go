package server_test

import (
	"bufio"
	"net/http"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestStreamEndsWhenItsKeyIsRevoked(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	admin := r.admin
	key := r.makeKey("watcher", api.RoleViewer)
	r.admin = key
	s := r.stream(run, "", "")
	r.admin = admin
	s.until(isState(api.SCHEDULED))
	list, err := r.http.Do(r.request(key, http.MethodGet, "/api/v1/runs/stream", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer list.Body.Close()
	r.call(http.MethodDelete, "/api/v1/api-keys/watcher", "").is(http.StatusNoContent)
	for {
		if m, ok := s.next(); !ok {
			break
		} else if isEnd(m) {
			t.Error("the end of the key was sent as the end of the run")
		}
	}
	ended := async(func() error {
		for lines := bufio.NewScanner(list.Body); lines.Scan(); {
		}
		return nil
	})
	if err := await(t, ended, "ending the stream of the list"); err != nil {
		t.Error(err)
	}
}
