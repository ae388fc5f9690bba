// Package provision gives every PersistentVolumeClaim of the StorageClass "standard" a directory of the
// machine.
//
// The volume is a plain directory that anybody may write to: the kubelet does not change the owner of a
// hostPath volume, so a pod that is not root could not use one otherwise, whatever fsGroup says.
package provision

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is what the StorageClass calls this provisioner.
const Name = "cluster.berth.dev/directory"

// Run serves claims of the cluster that kubeconfig leads to with directories below root, until ctx ends.
func Run(ctx context.Context, kubeconfig, root string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("provision volumes: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("provision volumes: %w", err)
	}
	controller.NewProvisionController(ctx, client, Name, &directories{root},
		controller.LeaderElection(false)).Run(ctx)
	return nil
}

// directories makes and removes the directories.
type directories struct{ root string }

// Provision makes the directory of one volume and returns the volume.
func (d *directories) Provision(
	_ context.Context, options controller.ProvisionOptions,
) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	path := filepath.Join(d.root, options.PVName)
	if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make volume: %w", err)
	}
	if err := os.Chmod(path, 0o777); err != nil { // whatever the umask
		return nil, controller.ProvisioningFinished, fmt.Errorf("make volume: %w", err)
	}
	kind := corev1.HostPathDirectory
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   options.PVC.Spec.AccessModes,
			MountOptions:                  options.StorageClass.MountOptions,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: options.PVC.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind},
			},
		},
	}
	return volume, controller.ProvisioningFinished, nil
}

// Delete removes the directory of a volume whose claim is gone.
func (d *directories) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	if err := os.RemoveAll(filepath.Join(d.root, volume.Name)); err != nil {
		return fmt.Errorf("remove volume: %w", err)
	}
	return nil
}
