// Package dryrun holds the pure parts of a server-side dry run: the pod that a Job would make, and what an API server
// changed in an object that it was sent.
//
// A dry run of a Job alone does not meet what looks at pods: resource quotas, limit ranges, Pod Security, webhooks and
// policies on pods. So the pod of the Job is sent too, as the Job controller would make it.
package dryrun
