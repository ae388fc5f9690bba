package kueue

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	group = "kueue.x-k8s.io"
	// labelJobUID is on a Workload, with the UID of its Job.
	labelJobUID = group + "/job-uid"
)

// versions of the API in which the fields below are the same, the newest first.
var versions = []string{"v1beta2", "v1beta1"}

// workload is a Workload, as far as it explains a wait. It is never changed.
type workload struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		QueueName string `json:"queueName"`
	} `json:"spec"`
	Status struct {
		Conditions []metav1.Condition `json:"conditions"`
		Admission  *struct {
			ClusterQueue string `json:"clusterQueue"`
		} `json:"admission"`
		AdmissionChecks []struct {
			Name    string `json:"name"`
			State   string `json:"state"`
			Message string `json:"message"`
		} `json:"admissionChecks"`
	} `json:"status"`
}

func (w *workload) DeepCopyObject() runtime.Object {
	copied := *w
	return &copied
}

type workloadList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []workload `json:"items"`
}

func (l *workloadList) DeepCopyObject() runtime.Object {
	copied := *l
	return &copied
}

// localQueue is a LocalQueue, as far as it is named. It is never changed.
type localQueue struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ClusterQueue string `json:"clusterQueue"`
	} `json:"spec"`
}

func (q *localQueue) DeepCopyObject() runtime.Object {
	copied := *q
	return &copied
}

type localQueueList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []localQueue `json:"items"`
}

func (l *localQueueList) DeepCopyObject() runtime.Object {
	copied := *l
	return &copied
}

// newScheme knows the types in one version.
func newScheme(version schema.GroupVersion) *runtime.Scheme {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(version.WithKind("Workload"), &workload{})
	scheme.AddKnownTypeWithName(version.WithKind("WorkloadList"), &workloadList{})
	scheme.AddKnownTypeWithName(version.WithKind("LocalQueue"), &localQueue{})
	scheme.AddKnownTypeWithName(version.WithKind("LocalQueueList"), &localQueueList{})
	metav1.AddToGroupVersion(scheme, version)
	return scheme
}
