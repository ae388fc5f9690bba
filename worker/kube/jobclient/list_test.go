package jobclient

import (
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/berth-dev/berth/templating/manifest"
)

func TestInstallationsListsEachInstallationWithJobsInTheNamespaces(t *testing.T) {
	labelled := func(namespace, name string, labels map[string]string) *batchv1.Job {
		return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
	}
	of := func(id string) map[string]string { return map[string]string{manifest.LabelInstallation: id} }
	c := Client{API: fake.NewClientset(
		labelled("a", "one", of("second")),
		labelled("a", "two", of("second")),
		labelled("b", "three", of("first")),
		labelled("a", "foreign", map[string]string{"app": "x"}),
		labelled("elsewhere", "four", of("third")),
	)}
	got, err := c.Installations(t.Context(), []string{"a", "b"})
	if want := []string{"first", "second"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("installations %v, %v; want %v", got, err, want)
	}
}
