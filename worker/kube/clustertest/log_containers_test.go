package clustertest

import (
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
	"github.com/berth-dev/berth/worker/kube/kubetest"
)

// container is another container of a pod.
func container(name, script string, more map[string]any) map[string]any {
	c := map[string]any{
		"name":            name,
		"image":           kubetest.Image,
		"imagePullPolicy": "IfNotPresent",
		"command":         []any{"sh", "-c", script},
	}
	for key, value := range more {
		c[key] = value
	}
	return c
}

// manyContainers has init containers, a native sidecar among them, and another container, and takes the
// output of all.
func (s *site) manyContainers(first, main, restart string) job.Attempt {
	a := s.attempt(main, func(spec map[string]any) {
		pod := podSpec(spec)
		pod["restartPolicy"] = restart
		pod["initContainers"] = []any{
			container("native", "echo native; sleep 600", map[string]any{"restartPolicy": "Always"}),
			container("first", first, nil),
			container("silent", "true", nil),
		}
		pod["containers"] = append(pod["containers"].([]any),
			container("beside", "echo beside; sleep 600", nil))
	})
	a.Manifest.Annotations[manifest.AnnotationPolicy] = `{"all_logs":true}`
	return a
}

func TestATakeoverReadsTheOutputOfAllContainersInTheSameOrder(t *testing.T) {
	const all = "[berth] container first\none\n[berth] container main\ntwo\n[berth] container native\nnative\n[berth] container beside\nbeside\n"
	for _, restart := range []string{"Never", "OnFailure"} {
		t.Run(restart, func(t *testing.T) {
			s := newSite(t, kube.Options{Timing: kube.Timing{Lingering: 3 * time.Second}})
			stop := s.start()
			a := s.manyContainers("echo one", "printf two; sleep 3", restart)
			launched := s.launch(a)
			const beforeTakeover = "[berth] container first\none\n[berth] container main\ntwo"
			s.untilOutput(a.Ref, "the job container's",
				func(text string) bool { return text == beforeTakeover })
			stop()
			s.start()
			if err := s.runtime.Adopt(s.ctx(), a); err != nil {
				t.Fatal(err)
			}
			if restart == "Never" { // other Jobs keep the containers that run on
				if end := s.ended(a.Ref); !end.Succeeded || end.LastLines != "two" {
					t.Errorf("ended as %s", show(end))
				}
			}
			s.untilOutput(a.Ref, "the output of all", func(text string) bool { return len(text) >= len(all) })
			if text, _ := s.recorder.text(a.Ref); text != all {
				t.Errorf("output %q, want %q", text, all)
			}
			s.finalize(a.Ref, launched.UID)
			if len(s.recorder.faults) > 0 {
				t.Error(s.recorder.faults)
			}
		})
	}
}

func TestTheOutputOfAFailedInitContainerIsTaken(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.manyContainers("echo no luck; exit 4", "true", "Never")
	launched := s.launch(a)
	if end := s.ended(a.Ref); end.Category != api.CategoryApp || *end.ExitCode != 4 ||
		end.LastLines != "no luck" {
		t.Errorf("ended as %s", show(end))
	}
	s.finalize(a.Ref, launched.UID)
	const want = "[berth] container first\nno luck\n[berth] container native\nnative\n"
	if text, _ := s.recorder.text(a.Ref); text != want {
		t.Errorf("output %q, want %q", text, want)
	}
}
