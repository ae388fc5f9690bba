package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// deploymentWithPods is a Deployment in a cluster without controllers: only the test deletes its pods.
func deploymentWithPods(pods ...string) *fake.Clientset {
	labels := map[string]string{"component": "worker"}
	objects := []runtime.Object{&appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "workers"},
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "another", Labels: map[string]string{"component": "server"}}}}
	for _, name := range pods {
		objects = append(objects,
			&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: labels}})
	}
	return fake.NewClientset(objects...)
}

func TestStopDeploymentScalesToZeroAndWaitsForItsPods(t *testing.T) {
	client := deploymentWithPods("w-1", "w-2")
	var calls []string
	client.PrependReactor(
		"patch",
		"deployments",
		func(action clienttesting.Action) (bool, runtime.Object, error) {
			patch := action.(clienttesting.PatchAction)
			calls = append(calls, patch.GetSubresource()+" "+string(patch.GetPatch()))
			return false, nil, nil
		},
	)
	client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		calls = append(calls, "list")
		// The pods are deleted one by one while StopDeployment waits.
		if going := []string{"w-1", "w-2"}; len(calls) <= len(going)+1 {
			if err := client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "ns", going[len(calls)-2]); err != nil {
				t.Error(err)
			}
		}
		return false, nil, nil
	})
	if err := stopDeployment(t.Context(), client, "ns", "workers", time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if want := []string{`scale {"spec":{"replicas":0}}`, "list", "list"}; !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
}

func TestStopDeploymentSucceedsIfThereIsNone(t *testing.T) {
	if err := stopDeployment(t.Context(), deploymentWithPods(), "ns", "others", time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestStopDeploymentReportsHowManyPodsAreLeft(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := stopDeployment(ctx, deploymentWithPods("w-1", "w-2"), "ns", "workers", time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 pods") {
		t.Errorf("error = %v, want an error that says that 2 pods are left", err)
	}
}
