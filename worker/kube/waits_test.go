package kube

import (
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/observe"
)

func TestADeadlineCountsFromWhenItsCauseWasFirstSeen(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type look struct {
		minute int
		cause  api.Category
		want   int // the minute from which the deadline counts
	}
	for name, looks := range map[string][]look{
		"a pull that fails after a long init container": {{0, "", 0}, {11, "image_pull", 11}, {15, "image_pull", 11}},
		"a pull that fails again and again":             {{1, "image_pull", 1}, {2, "", 2}, {3, "image_pull", 1}},
		"a pull that worked, and another one later":     {{1, "image_pull", 1}, {2, "", 2}, {20, "image_pull", 20}},
		"a volume after a pull":                         {{1, "image_pull", 1}, {5, "config", 5}, {6, "image_pull", 1}, {7, "config", 5}},
		"a quota: the cluster says since when":          {{9, "quota", 0}},
		"a lost node: the cluster says since when":      {{9, "node_lost", 0}},
	} {
		t.Run(name, func(t *testing.T) {
			seen := waits{}
			for _, l := range looks {
				now := start.Add(time.Duration(l.minute) * time.Minute)
				var waiting *observe.Diagnosis
				if l.cause != "" {
					waiting = &observe.Diagnosis{Cause: l.cause, Since: start}
				}
				if got := seen.waitingSince(waiting, now); !got.Equal(start.Add(time.Duration(l.want) * time.Minute)) {
					t.Errorf("in minute %d, %q counts from %s", l.minute, l.cause, got.Sub(start))
				}
			}
		})
	}
}

func TestAVolumeMayTakeLongerThanItsDetachment(t *testing.T) {
	const detachment = 6 * time.Minute // after which Kubernetes detaches a volume from a node by force
	deadlines := Options{}.withDefaults(cluster.Config{}).Deadlines
	volume := &observe.Diagnosis{Code: "FailedAttachVolume", Cause: api.CategoryConfig, Volume: true}
	other := &observe.Diagnosis{Code: "ConfigError", Cause: api.CategoryConfig}
	if got := deadlines.limit(volume); got < 2*detachment {
		t.Errorf("a volume may take %s", got)
	}
	if got := deadlines.limit(other); got != 5*time.Minute {
		t.Errorf("a missing Secret may take %s", got)
	}
	set := deadlines.withPolicy(manifest.Policy{WaitSeconds: map[string]int64{"config": 60}})
	if got := set.limit(volume); got != time.Minute {
		t.Errorf("with config: 60, a volume may take %s", got)
	}
}
