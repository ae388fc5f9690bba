package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/kubetest"
)

const (
	// many Jobs are created at a time, by so many callers where there is no worker.
	many    = 3000
	callers = 64
)

// suspended Jobs never get a pod, so that nothing but creating them is measured.
const suspended = `{"apiVersion":"batch/v1","kind":"Job","spec":{"suspend":true,"template":{"spec":{"containers":[{"name":"job","image":"none"}]}}}}`

// nowhere Jobs get a pod for which there is no node.
const nowhere = `{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":{"nodeSelector":{"berth.dev/bench":"nowhere"},"containers":[{"name":"job","image":"none"}]}}}}`

func BenchmarkJobsCreated(b *testing.B) {
	b.Run("worker", createdByAWorker)
	b.Run("limit", func(b *testing.B) { createdBare(b, finished) })
	b.Run("minimal", func(b *testing.B) {
		createdBare(b, func(b *testing.B, name, namespace string) *batchv1.Job { return minimal(name, namespace, true) })
	})
}

func created(*batchv1.Job) bool { return true }

// createdByAWorker measures from when runs may be claimed until the last Job is there.
func createdByAWorker(b *testing.B) {
	in := install(b, suspended)
	in.work()
	var took time.Duration
	for b.Loop() {
		in.pause(true)
		in.create(many)
		jobs := watchJobs(b, in.cluster, in.namespace)
		start := time.Now()
		in.pause(false)
		took += untilMany(jobs, created).Sub(start)
		in.end()
	}
	b.ReportMetric(float64(many*b.N)/took.Seconds(), "jobs/s")
	b.ReportMetric(0, "ns/op")
}

// createdBare is what the API server and a client of it can do, and nothing noted of the Jobs.
func createdBare(b *testing.B, job func(b *testing.B, name, namespace string) *batchv1.Job) {
	config := kubetest.Cluster(b)
	config.REST.QPS = -1
	client, namespace := kubetest.Client(b, config), kubetest.Namespace(b, config)
	warm(b, client)
	var took time.Duration
	for b.Loop() {
		jobs := watchJobs(b, client, namespace)
		start := time.Now()
		var group errgroup.Group
		group.SetLimit(callers)
		for i := range many {
			group.Go(
				func() error {
					return createBare(b.Context(), client, job(b, fmt.Sprintf("bare-%d", i), namespace))
				})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		took += untilMany(jobs, created).Sub(start)
		deleteJobs(b, client, namespace)
	}
	b.ReportMetric(float64(many*b.N)/took.Seconds(), "jobs/s")
	b.ReportMetric(0, "ns/op")
}

// warm opens the client's connection. Until it is known to speak HTTP/2, every waiting request dials a new
// connection: on two cores thousands of handshakes then time out.
func warm(b *testing.B, client kubernetes.Interface) {
	b.Helper()
	if _, err := client.Discovery().ServerVersion(); err != nil {
		b.Fatalf("reach the API server: %v", err)
	}
}

func createBare(ctx context.Context, client kubernetes.Interface, j *batchv1.Job) error {
	_, err := client.BatchV1().Jobs(j.Namespace).Create(ctx, j, metav1.CreateOptions{})
	return err
}

// finished is the Job that a worker makes of the template of createdByAWorker.
func finished(b *testing.B, name, namespace string) *batchv1.Job {
	b.Helper()
	var tree map[string]any
	if err := json.Unmarshal([]byte(suspended), &tree); err != nil {
		b.Fatal(err)
	}
	made, err := manifest.Build(&templating.Rendered{Configuration: map[string]any{"job_manifest": tree}}, manifest.Identity{
		Installation: uuid.New(), RunID: uuid.Must(uuid.NewV7()), RunName: name, Attempt: 1, Pool: poolName, Queue: "default",
		Deployment: poolName, LeaseEpoch: 1, TemplateVersion: 1, Parameters: json.RawMessage(`{}`), Namespace: namespace,
	})
	if err != nil {
		b.Fatal(err)
	}
	made.Job.Namespace = namespace
	return made.Job
}

// minimal is the smallest Job.
func minimal(name, namespace string, suspend bool) *batchv1.Job {
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: batchv1.JobSpec{Suspend: &suspend, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "job", Image: "none"}},
		}}},
	}
	if !suspend {
		j.Spec.Template.Spec.NodeSelector = map[string]string{"berth.dev/bench": "nowhere"}
	}
	return j
}

// untilMany is when the last of many Jobs that count was seen.
func untilMany(jobs *sights[*batchv1.Job], counts func(*batchv1.Job) bool) time.Time {
	jobs.b.Helper()
	counted := map[types.UID]bool{}
	return jobs.until("many Jobs", func(s sight[*batchv1.Job]) bool {
		if s.kind != watch.Deleted && counts(s.object) {
			counted[s.object.UID] = true
		}
		return len(counted) >= many
	})
}

// deleteJobs leaves the namespace as it was.
func deleteJobs(b *testing.B, client kubernetes.Interface, namespace string) {
	b.Helper()
	propagation := metav1.DeletePropagationBackground
	jobs := client.BatchV1().Jobs(namespace)
	list, err := jobs.List(b.Context(), metav1.ListOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var group errgroup.Group
	group.SetLimit(callers)
	for _, j := range list.Items {
		group.Go(func() error {
			patch := []byte(`{"metadata":{"finalizers":null}}`)
			_, err := jobs.Patch(b.Context(), j.Name, types.MergePatchType, patch, metav1.PatchOptions{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	if err := jobs.DeleteCollection(b.Context(), metav1.DeleteOptions{PropagationPolicy: &propagation}, metav1.ListOptions{}); err != nil {
		b.Fatal(err)
	}
	err = wait.PollUntilContextTimeout(
		b.Context(),
		100*time.Millisecond,
		patience,
		true,
		func(ctx context.Context) (bool, error) {
			left, err := jobs.List(ctx, metav1.ListOptions{Limit: 1})
			return err == nil && len(left.Items) == 0, err
		},
	)
	if err != nil {
		b.Fatalf("delete the bare Jobs: %v", err)
	}
}
