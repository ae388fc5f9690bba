package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// fakeNode makes a node that only the API server knows: the test is its kubelet, as long as it lives.
// Scheduling, the node lifecycle, taints and evictions are the real control plane's.
func fakeNode(p *scenarioTest) {
	ctx := context.WithoutCancel(p.t.Context())
	node, err := p.client.CoreV1().Nodes().Create(ctx, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "lost-", Labels: map[string]string{"e2e.berth.dev/lost": ""},
		},
		Spec: corev1.NodeSpec{
			Taints: []corev1.Taint{{Key: "e2e.berth.dev/lost", Effect: corev1.TaintEffectNoSchedule}},
		},
	}, metav1.CreateOptions{})
	p.must(err)
	p.node = node.Name
	p.t.Cleanup(func() {
		_ = p.client.CoreV1().
			Nodes().
			Delete(ctx, node.Name, metav1.DeleteOptions{})
		// the scenario may have done so
	})
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("64Gi"),
		corev1.ResourcePods: resource.MustParse("100"),
	}
	p.nodeStatus(
		corev1.NodeStatus{
			Capacity: room, Allocatable: room,
			Conditions: []corev1.NodeCondition{readiness(corev1.ConditionTrue)},
		},
	)
	eventually(p.t, "the node to take pods", func() (bool, error) {
		node, err := p.client.CoreV1().Nodes().Get(p.t.Context(), p.node, metav1.GetOptions{})
		return err == nil && len(node.Spec.Taints) == 1, err
	})
}

func readiness(status corev1.ConditionStatus) corev1.NodeCondition {
	now := metav1.Now()
	return corev1.NodeCondition{
		Type: corev1.NodeReady, Status: status, Reason: "Test",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}
}

func (p *scenarioTest) nodeStatus(status corev1.NodeStatus) {
	p.t.Helper()
	patch, err := json.Marshal(map[string]any{"status": status})
	p.must(err)
	_, err = p.client.CoreV1().
		Nodes().
		Patch(p.t.Context(), p.node, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	p.must(err)
}

// nodeLost runs the pod on the node, as its kubelet would say, and then says nothing more of the pod.
func nodeLost(p *scenarioTest) {
	var pod corev1.Pod
	eventually(p.t, "the pod to be on the node", func() (bool, error) {
		pods := p.currentPods()
		if len(pods) == 1 && pods[0].Spec.NodeName != "" && pods[0].Spec.NodeName != p.node {
			return false, fmt.Errorf("it is on %s", pods[0].Spec.NodeName)
		}
		if len(pods) == 1 {
			pod = pods[0]
		}
		return len(pods) == 1 && pod.Spec.NodeName == p.node, nil
	})
	now, started := metav1.Now(), true
	pod.Status.Phase = corev1.PodRunning
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "job", Image: "busybox:1.36", Ready: true, Started: &started, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
	}}
	_, err := p.client.CoreV1().Pods(p.jobs).UpdateStatus(p.t.Context(), &pod, metav1.UpdateOptions{})
	p.must(err)
	p.awaitRun("the run to be RUNNING", func(r run) bool { return r.Run.State.Type == "RUNNING" })
	p.nodeStatus(corev1.NodeStatus{Conditions: []corev1.NodeCondition{readiness(corev1.ConditionFalse)}})
}

// nodeLostThenRemoved waits until the run names the lost node, checks that the worker does not act, and
// removes the node as an operator would.
func nodeLostThenRemoved(p *scenarioTest) {
	nodeLost(p)
	p.awaitDiagnosis("node " + p.node + " does not confirm")
	if r := p.currentRun(); len(r.Attempts) != 1 || hasEnded(r) || len(p.currentPods()) != 1 {
		p.t.Errorf("somebody has acted: %+v", r)
	}
	p.must(p.client.CoreV1().Nodes().Delete(p.t.Context(), p.node, metav1.DeleteOptions{}))
}

// workerInside starts a worker with no more than the rights of a ServiceAccount of the namespace.
func workerInside(p *scenarioTest) {
	ctx := p.t.Context()
	meta := metav1.ObjectMeta{Name: "worker"}
	_, err := p.client.CoreV1().
		ServiceAccounts(p.jobs).
		Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	p.must(err)
	_, err = p.client.RbacV1().
		Roles(p.jobs).
		Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
			{
				APIGroups: []string{"batch"}, Resources: []string{"jobs"},
				Verbs: []string{"get", "list", "watch", "create", "patch", "delete"},
			},
			{
				APIGroups: []string{""}, Resources: []string{"pods"},
				Verbs: []string{"list", "watch", "delete"},
			},
			{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
			{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"list"}},
		}}, metav1.CreateOptions{})
	p.must(err)
	_, err = p.client.RbacV1().RoleBindings(p.jobs).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "worker"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "worker", Namespace: p.jobs}},
	}, metav1.CreateOptions{})
	p.must(err)
	token, err := p.client.CoreV1().
		ServiceAccounts(p.jobs).
		CreateToken(ctx, "worker", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	p.must(err)
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{
		Server: p.cluster.config.Host, CertificateAuthorityData: p.cluster.config.CAData,
		CertificateAuthority: p.cluster.config.CAFile,
	}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	p.config = filepath.Join(p.t.TempDir(), "kubeconfig")
	p.must(clientcmd.WriteToFile(*config, p.config))
	p.first = p.worker("first")
}

func priorityClass() *schedulingv1.PriorityClass {
	return &schedulingv1.PriorityClass{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-more-important-"}, Value: 1000,
	}
}

func sampleJob() *batchv1.Job {
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "sample-"},
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: samplePod().Spec}},
	}
}

func samplePod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "sample-"},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers:    []corev1.Container{{Name: "c", Image: "busybox:1.36"}},
		},
	}
}
