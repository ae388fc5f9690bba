package manifest

import (
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/berth-dev/berth/templating/manifest/reference"
)

// Deviation says in what a Job that an earlier worker reported differs from this one, which its template makes
// now; empty where what runs, and what it refers to, is the same. Labels, resources, values of the environment
// and deadlines may differ, as between two releases of the worker. Where the template reads values of the
// worker, also images and commands may, and fields that the worker fills in.
func (f *Finished) Deviation(reported *batchv1.Job) (string, error) {
	if !f.FromWorker.Namespace && reported.Namespace != f.Job.Namespace {
		return fmt.Sprintf("it is for namespace %q instead of %q", reported.Namespace, f.Job.Namespace), nil
	}
	made, got := f.Job.Spec.Template.Spec, reported.Spec.Template.Spec
	for _, list := range []struct {
		name      string
		made, got []corev1.Container
	}{{"init container", made.InitContainers, got.InitContainers}, {"container", made.Containers, got.Containers}} {
		if why := f.containers(list.name, list.made, list.got); why != "" {
			return why, nil
		}
	}
	return f.references(reported)
}

func (f *Finished) containers(of string, made, got []corev1.Container) string {
	if len(made) != len(got) {
		return fmt.Sprintf("it has %d %ss instead of %d", len(got), of, len(made))
	}
	for i := range made {
		switch {
		case f.FromWorker.Values:
		case made[i].Image != got[i].Image:
			return fmt.Sprintf("%s %q has image %q instead of %q", of, got[i].Name, got[i].Image, made[i].Image)
		case !slices.Equal(made[i].Command, got[i].Command) || !slices.Equal(made[i].Args, got[i].Args):
			return fmt.Sprintf("%s %q runs another command", of, got[i].Name)
		}
	}
	return ""
}

func (f *Finished) references(reported *batchv1.Job) (string, error) {
	made, err := runtime.DefaultUnstructuredConverter.ToUnstructured(f.Job)
	if err != nil {
		return "", err
	}
	got, err := runtime.DefaultUnstructuredConverter.ToUnstructured(reported)
	if err != nil {
		return "", err
	}
	known := reference.NewWritten(made)
	for _, r := range reference.Find(got) {
		if r.Kind == reference.ServiceAccount && f.FromWorker.ServiceAccount {
			continue
		}
		if !known.HasSame(r) {
			return "it has " + r.String(), nil
		}
	}
	return "", nil
}
