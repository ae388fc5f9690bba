package manifest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

func TestAPolicyIsReadAndTravelsWithTheJob(t *testing.T) {
	for _, tc := range []struct {
		name, policy string
		want         manifest.Policy
	}{
		{"nothing said", "", manifest.Policy{}},
		{"what is usual, said", "{eviction: reschedule, node_lost: wait, trust_exit_zero: false, env_as_secret: null}", manifest.Policy{}},
		{"the output of all containers", "{logs: all}", manifest.Policy{AllLogs: true}},
		{"that of the job container", "{logs: first}", manifest.Policy{}},
		{"evictions end the run", "{eviction: fail, trust_exit_zero: true}", manifest.Policy{FailEvicted: true, TrustExitZero: true}},
		{"a lost node is forced after ten minutes", "{node_lost: force}", manifest.Policy{ForceNodeLost: 600}},
		{"or when the template says", "{node_lost: force, node_lost_after_seconds: 30}", manifest.Policy{ForceNodeLost: 30}},
		{"a deadline per cause, none for one", "{wait_seconds: {image_pull: 60, quota: 0}}", manifest.Policy{WaitSeconds: map[string]int64{"image_pull": 60, "quota": 0}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := build(t, job("  policy: "+tc.policy+"\n", "", oneContainer))
			if diff := cmp.Diff(tc.want, f.Policy); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
			read, err := manifest.PolicyOf(f.Job.Annotations)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, read); diff != "" {
				t.Errorf("as read from the Job (-want +got):\n%s", diff)
			}
			if _, annotated := f.Job.Annotations[manifest.AnnotationPolicy]; annotated != !cmp.Equal(
				tc.want, manifest.Policy{},
			) {
				t.Errorf("annotations %v", f.Job.Annotations)
			}
		})
	}
}

func TestAPolicyThatCanNotBeFollowedIsRefused(t *testing.T) {
	for _, tc := range []struct{ policy, at, want string }{
		{"fail", "", "must be an object"},
		{"{evictions: fail}", "/evictions", `unknown key "evictions"`},
		{"{eviction: retry}", "/eviction", "must be reschedule or fail, not retry"},
		{"{node_lost: 5}", "/node_lost", "must be wait or force"},
		{"{node_lost_after_seconds: 5}", "/node_lost_after_seconds", "no effect unless node_lost is force"},
		{"{node_lost: force, node_lost_after_seconds: soon}", "/node_lost_after_seconds", "integer number of seconds"},
		{"{trust_exit_zero: 'yes'}", "/trust_exit_zero", "must be a boolean"},
		{"{wait_seconds: {image: 5}}", "/wait_seconds/image", `unknown key "image"`},
		{"{wait_seconds: {quota: -1}}", "/wait_seconds/quota", "must not be negative"},
		{"{wait_seconds: 5}", "/wait_seconds", "must be an object"},
	} {
		_, err := manifest.Build(render(t, job("  policy: "+tc.policy+"\n", "", oneContainer), nil),
			identity())
		var problems templating.Problems
		if !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("%s: %v, want one problem", tc.policy, err)
			continue
		}
		if p := problems[0]; p.Pointer != "/job_configuration/policy"+tc.at ||
			!strings.Contains(p.Message, tc.want) {
			t.Errorf("%s: %s, want %q at %q", tc.policy, p, tc.want, tc.at)
		}
	}
}

func TestAnAnnotationThatIsNoPolicyIsSaid(t *testing.T) {
	if _, err := manifest.PolicyOf(map[string]string{manifest.AnnotationPolicy: "{"}); err == nil {
		t.Error("it was read")
	}
}
