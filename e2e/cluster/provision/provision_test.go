package provision

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func TestVolumeIsADirectoryThatAnybodyMayWriteTo(t *testing.T) {
	mask := syscall.Umask(0o077)
	defer syscall.Umask(mask)
	root := t.TempDir()
	provisioner := &directories{root}
	policy := corev1.PersistentVolumeReclaimDelete
	options := controller.ProvisionOptions{
		PVName:       "pvc-1",
		StorageClass: &storagev1.StorageClass{ReclaimPolicy: &policy},
		PVC: &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		}},
	}
	volume, _, err := provisioner.Provision(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "pvc-1")
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeDir|0o777 {
		t.Errorf("the directory is %v, %v", info.Mode(), err)
	}
	if volume.Spec.HostPath.Path != path || volume.Spec.Capacity.Storage().String() != "1Gi" {
		t.Errorf("the volume is %+v", volume.Spec)
	}
	if _, _, err := provisioner.Provision(t.Context(), options); err != nil {
		t.Errorf("a second attempt: %v", err)
	}
	if err := os.WriteFile(filepath.Join(path, "data"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := provisioner.Delete(t.Context(), &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pvc-1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
}
