package jobclient

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

func TestDrainTriesEveryJobAndReportsTheFirstFailures(t *testing.T) {
	installation := uuid.New()
	var jobs []runtime.Object
	for i := range 40 {
		jobs = append(jobs, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
			Namespace: "n", Name: fmt.Sprintf("j-%d", i), UID: types.UID(fmt.Sprint(i)),
			Labels: map[string]string{manifest.LabelInstallation: installation.String()},
		}})
	}
	client := fake.NewClientset(jobs...)
	client.PrependReactor("delete", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("not today")
	})
	drainer := Client{API: client, Log: slog.New(slog.DiscardHandler)}
	ended, err := drainer.Drain(t.Context(), "n", installation.String(), false)
	tried := 0
	for _, action := range client.Actions() {
		if action.Matches("delete", "jobs") {
			tried++
		}
	}
	if err == nil || strings.Count(err.Error(), "not today") != failuresShown ||
		!strings.Contains(err.Error(), "and 35 more") ||
		tried != len(jobs) || len(ended) > 0 {
		t.Errorf("tried %d of %d jobs, ended %d, error %v", tried, len(jobs), len(ended), err)
	}
}

func TestADrainNamesTheAttemptsThatItHasEnded(t *testing.T) {
	installation := uuid.New()
	aJob := func(name string, conditions ...batchv1.JobConditionType) (*batchv1.Job, uuid.UUID) {
		run := uuid.New()
		j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
			Namespace: "n", Name: name, UID: types.UID(name),
			Labels: map[string]string{
				manifest.LabelInstallation: installation.String(), manifest.LabelRunID: run.String(),
				manifest.LabelAttempt: "2", manifest.LabelPool: "etl",
			},
		}}
		for _, c := range conditions {
			j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{Type: c, Status: corev1.ConditionTrue})
		}
		return j, run
	}
	running, run := aJob("running", batchv1.JobSuspended)
	complete, _ := aJob("complete", batchv1.JobComplete)
	failed, _ := aJob("failed", batchv1.JobFailureTarget, batchv1.JobFailed)
	for keep, want := range map[bool][]job.Drained{
		false: {{Ref: job.Ref{RunID: run, Attempt: 2}, Pool: "etl", UID: "running"}}, true: nil,
	} {
		drainer := Client{API: fake.NewClientset(running, complete, failed), Log: slog.New(slog.DiscardHandler)}
		ended, err := drainer.Drain(t.Context(), "n", installation.String(), keep)
		if err != nil || !slices.Equal(ended, want) {
			t.Errorf("keep %v: ended %+v, want %+v, %v", keep, ended, want, err)
		}
	}
}
