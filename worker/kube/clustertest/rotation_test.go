package clustertest

import (
	"fmt"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

// rotating writes more than a node keeps of a log (10 MiB by default), and later what comes after the rotation.
const rotating = `echo begun
yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -n 160000; echo written
while ! [ -e /tmp/go ]; do sleep 0.2; done
seq 1 40 | while read n; do echo after $n; sleep 0.1; done`

// gapNote begins the line in the output that says where output may be missing.
const gapNote = "[berth] output from "

func afterLines() string {
	var lines strings.Builder
	for n := range 40 {
		fmt.Fprintf(&lines, "after %d\n", n+1)
	}
	return lines.String()
}

// touch creates a file in the job container of a pod.
func (s *site) touch(pod, path string) {
	s.t.Helper()
	request := s.client.CoreV1().RESTClient().Post().Namespace(s.namespace).Resource("pods").Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: "main", Command: []string{"touch", path}, Stdout: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewSPDYExecutor(s.config.REST, "POST", request.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	if err := executor.StreamWithContext(s.ctx(), remotecommand.StreamOptions{Stdout: io.Discard}); err != nil {
		s.t.Fatalf("touch %s in pod %s: %v", path, pod, err)
	}
}

// rotated waits until the node has rotated the log: it no longer begins as it did.
func (s *site) rotated() {
	s.t.Helper()
	pod, options := s.pods()[0].Name, &corev1.PodLogOptions{LimitBytes: ptr.To[int64](6)}
	s.eventually("the log is rotated", func() bool {
		text, err := s.client.CoreV1().Pods(s.namespace).GetLogs(pod, options).DoRaw(s.ctx())
		return err == nil && string(text) != "begun\n"
	})
}

func TestOutputGoesOnAfterTheNodeHasRotatedTheLog(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt(rotating)
	launched := s.launch(a)
	s.untilOutput(a.Ref, "all before the rotation", func(text string) bool { return strings.HasSuffix(text, "written\n") })
	s.rotated()
	s.touch(s.pods()[0].Name, "/tmp/go")
	s.untilOutput(a.Ref, "the first line after it", func(text string) bool { return strings.Contains(text, "after 1\n") })
	if last, _ := s.recorder.observation(a.Ref); last.Phase == job.Ended {
		t.Error("the output came only after the end")
	}
	s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	text, _ := s.recorder.text(a.Ref)
	_, after, _ := strings.Cut(text, "written\n")
	if after = withoutGapNote(after); after != afterLines() {
		t.Errorf("after the rotation came %q", after)
	}
}

// withoutGapNote drops a note of a gap before the output. Where a rotation ended the stream, nothing in the log tells
// whether there was output between the last line that was read and the first one that is left.
func withoutGapNote(output string) string {
	if first, rest, _ := strings.Cut(output, "\n"); strings.HasPrefix(first, gapNote) {
		return rest
	}
	return output
}

func TestATakeoverAfterARotationLosesNoLineThatTheNodeStillHas(t *testing.T) {
	for name, c := range map[string]struct {
		unseen bool // what was written before the rotation was not all read
		noted  bool
	}{
		"all was read before": {},
		"some was not read":   {unseen: true, noted: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, kube.Options{})
			script := rotating
			if c.unseen {
				script = "echo begun; while ! [ -e /tmp/go ]; do sleep 0.2; done; rm /tmp/go; " + strings.TrimPrefix(rotating, "echo begun\n")
			}
			a := s.attempt(script)
			launched := s.launch(a)
			last := "written\n"
			if c.unseen {
				last = "begun\n"
			}
			s.untilOutput(a.Ref, "the output before the restart", func(text string) bool { return strings.HasSuffix(text, last) })
			before, _ := s.recorder.text(a.Ref)
			a.OutputOffset, a.OutputPosition = int64(len(before)), s.recorder.position(a.Ref)
			s.stop()
			if c.unseen {
				s.touch(s.pods()[0].Name, "/tmp/go")
			}
			s.rotated()
			s.touch(s.pods()[0].Name, "/tmp/go")
			s.start()
			s.recorder.known(a.Ref, before)
			if err := s.runtime.Adopt(s.ctx(), a); err != nil {
				t.Fatal(err)
			}
			s.ended(a.Ref)
			s.finalize(a.Ref, launched.UID)
			text, _ := s.recorder.text(a.Ref)
			after := strings.TrimPrefix(text, before)
			if !strings.HasSuffix(after, afterLines()) {
				t.Errorf("after the takeover came %q", after)
			}
			if noted := strings.Contains(after, gapNote); noted != c.noted {
				t.Logf("a gap is noted: %v", noted)
				if c.noted {
					t.Errorf("no gap is noted in %q", after[:min(len(after), 300)])
				}
			}
		})
	}
}
