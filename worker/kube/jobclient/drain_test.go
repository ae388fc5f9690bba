package jobclient

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/berth-dev/berth/templating/manifest"
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
	err := drainer.Drain(t.Context(), "n", installation.String(), false)
	tried := 0
	for _, action := range client.Actions() {
		if action.Matches("delete", "jobs") {
			tried++
		}
	}
	if err == nil || strings.Count(err.Error(), "not today") != failuresShown ||
		!strings.Contains(err.Error(), "and 35 more") ||
		tried != len(jobs) {
		t.Errorf("tried %d of %d jobs, error %v", tried, len(jobs), err)
	}
}
