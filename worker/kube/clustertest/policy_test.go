package clustertest

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/kube"
)

func TestExitCode0OfAnEvictedPodIsASuccessIfThePolicyTrustsIt(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("trap 'exit 0' TERM; echo up; while true; do sleep 0.1; done")
	a.Manifest.Annotations["berth.dev/policy"] = `{"trust_exit_zero":true}`
	launched := s.launch(a)
	s.untilOutput(a.Ref, "its first line", func(text string) bool { return text == "up\n" })
	s.evict()
	if end := s.ended(a.Ref); !end.Succeeded {
		t.Errorf("ended as %s, want success", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestThePolicySetsHowLongACauseMayWait(t *testing.T) {
	s := newSite(t, kube.Options{Deadlines: kube.Deadlines{Unschedulable: time.Hour}})
	a := s.attempt(
		"true",
		func(spec map[string]any) { podSpec(spec)["nodeSelector"] = map[string]any{"berth.dev/test": "none"} },
	)
	a.Manifest.Annotations["berth.dev/policy"] = `{"wait_seconds":{"unschedulable":2}}`
	launched := s.launch(a)
	if end := s.ended(a.Ref); end.Category != api.CategoryUnschedulable ||
		!strings.Contains(end.Message, "gave up after waiting 2s") ||
		!strings.Contains(end.Message, "node selector") {
		t.Errorf("ended as %s, want unschedulable", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}
