package jobclient

import (
	"fmt"
	"strconv"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// InstallationSelector selects every object of one installation, on the server.
func InstallationSelector(installation string) string {
	return manifest.LabelInstallation + "=" + installation
}

// UnreleasedSelector is InstallationSelector without the Jobs that were finalized: they are kept for people until their
// TTL, and there may be many more than active ones.
func UnreleasedSelector(installation string) string {
	return InstallationSelector(installation) + ",!" + manifest.LabelReleased
}

// RunSelector selects every object of one run, on the server. Run IDs are unique among installations, so that
// the installation may be empty: its label then only has to exist.
func RunSelector(installation string, run uuid.UUID) string {
	selector := manifest.LabelInstallation
	if installation != "" {
		selector = InstallationSelector(installation)
	}
	return fmt.Sprintf("%s,%s=%s", selector, manifest.LabelRunID, run)
}

// AttemptSelector selects every object of one attempt, on the server. The installation may be empty.
func AttemptSelector(installation string, ref job.Ref) string {
	return fmt.Sprintf("%s,%s=%d", RunSelector(installation, ref.RunID), manifest.LabelAttempt, ref.Attempt)
}

// RefOf reads from its labels which attempt an object belongs to.
func RefOf(object metav1.Object) (job.Ref, bool) {
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

// SameAttempt reports whether two objects belong to the same installation, run and attempt.
func SameAttempt(a, b metav1.Object) bool {
	for _, key := range []string{manifest.LabelInstallation, manifest.LabelRunID, manifest.LabelAttempt} {
		if value := a.GetLabels()[key]; value == "" || value != b.GetLabels()[key] {
			return false
		}
	}
	return true
}
