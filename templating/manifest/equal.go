package manifest

import "k8s.io/apimachinery/pkg/api/equality"

// Equal reports whether two finished Jobs are the same to a cluster, and ask the same of the worker. Warnings
// do not count.
func (f *Finished) Equal(other *Finished) bool {
	return f.JobContainer == other.JobContainer && f.StreamOutput == other.StreamOutput &&
		equalPointers(f.Timeout, other.Timeout) && equalPointers(f.StartDeadline, other.StartDeadline) &&
		equalPointers(f.InfrastructureRetries,
			other.InfrastructureRetries) && equalPointers(f.ClusterConfig, other.ClusterConfig) &&
		equality.Semantic.DeepEqual(f.Secret, other.Secret) &&
		// Most differences are in the containers, and the sooner one is found the better.
		equality.Semantic.DeepEqual(f.Job.Spec.Template.Spec.Containers,
			other.Job.Spec.Template.Spec.Containers) &&
		equality.Semantic.DeepEqual(f.Job, other.Job)
}

func equalPointers[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
