package cluster

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Identity says which cluster it is.
type Identity struct {
	// ID is the same for every worker of the cluster that has the same default namespace, or may read kube-system.
	ID string
	// Objects are UIDs of objects of the cluster, by name. Those of another cluster differ, even where the address, the
	// certificate authority or the ID is the same.
	Objects map[string]string
}

// rootCA is a ConfigMap that the control plane keeps in every namespace.
const rootCA = "kube-root-ca.crt"

// Identify asks the cluster which one it is. Its ID is the one in the Config, or else the UID of namespace kube-system, or
// else of ConfigMap kube-root-ca.crt in the Config's namespace. Neither depends on how the cluster is reached. An error
// may pass, also where permissions are missing.
func (c Config) Identify(ctx context.Context) (Identity, error) {
	client, err := c.client()
	if err != nil {
		return Identity{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	identity := Identity{ID: c.ClusterID, Objects: map[string]string{}}

	system, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil && !notForUs(err) {
		return Identity{}, fmt.Errorf("identify the cluster at %s: %w", c.REST.Host, WithHint(err))
	}
	if err == nil {
		identity.Objects["namespace kube-system"] = string(system.UID)
		identity.chooseID(string(system.UID))
	}
	root, rootErr := client.CoreV1().ConfigMaps(c.Namespace).Get(ctx, rootCA, metav1.GetOptions{})
	if rootErr != nil && !notForUs(rootErr) {
		return Identity{}, fmt.Errorf("identify the cluster at %s: %w", c.REST.Host, WithHint(rootErr))
	}
	if rootErr == nil {
		identity.Objects["configmap "+c.Namespace+"/"+rootCA] = string(root.UID)
		identity.chooseID(string(root.UID))
	}
	if identity.ID == "" {
		return Identity{}, fmt.Errorf("identify the cluster at %s: %w (grant get on ConfigMap %s in namespace %s, "+
			"or set --cluster-id)", c.REST.Host, errors.Join(err, rootErr), rootCA, c.Namespace)
	}
	return identity, nil
}

func (i *Identity) chooseID(uid string) {
	if i.ID == "" {
		i.ID = uid
	}
}

// notForUs reports whether the API server says that an object does not exist, or may not be read.
func notForUs(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) }
