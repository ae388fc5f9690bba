package kube

import (
	"fmt"
	"strconv"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// installationSelector is the server-side selector of everything that belongs to one installation.
func installationSelector(installation uuid.UUID) string {
	return manifest.LabelInstallation + "=" + installation.String()
}

// refSelector selects what belongs to one attempt.
func refSelector(installation string, ref job.Ref) string {
	return fmt.Sprintf(
		"%s=%s,%s=%s,%s=%d",
		manifest.LabelInstallation,
		installation,
		manifest.LabelRunID,
		ref.RunID,
		manifest.LabelAttempt,
		ref.Attempt,
	)
}

// refOf reads the attempt that an object belongs to from its labels.
func refOf(object metav1.Object) (job.Ref, bool) {
	labels := object.GetLabels()
	run, err := uuid.Parse(labels[manifest.LabelRunID])
	if err != nil {
		return job.Ref{}, false
	}
	attempt, err := strconv.Atoi(labels[manifest.LabelAttempt])
	if err != nil || attempt < 1 {
		return job.Ref{}, false
	}
	return job.Ref{RunID: run, Attempt: attempt}, true
}

// sameAttempt reports whether two objects are of the same installation, run and attempt.
func sameAttempt(a, b metav1.Object) bool {
	for _, key := range []string{manifest.LabelInstallation, manifest.LabelRunID, manifest.LabelAttempt} {
		if value := a.GetLabels()[key]; value == "" || value != b.GetLabels()[key] {
			return false
		}
	}
	return true
}
