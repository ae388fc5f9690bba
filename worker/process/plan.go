package process

import (
	"fmt"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// defaultGrace is what Kubernetes gives a container between SIGTERM and SIGKILL where the manifest says
// nothing.
const defaultGrace = 30 * time.Second

// noImage begins the name of an image whose author knows that there is none: a Job can not do without a name.
const noImage = "process:"

// plan is what the manifest asks of a process.
type plan struct {
	args     []string          // the program and its arguments, expanded
	env      map[string]string // the manifest's, expanded
	dir      string            // empty: a fresh one
	grace    time.Duration
	deadline time.Duration // 0: none
	// ignored names what the manifest has and a process can not honour.
	ignored []string
}

// planOf reads the manifest. What would make the workload something else than it says is refused, with a
// hint.
func planOf(a job.Attempt) (plan, *job.Refused) {
	pod := a.Manifest.Spec.Template.Spec
	container := jobContainer(pod, a.Container)
	if container == nil {
		return plan{}, refuse("the manifest has no container %q: nothing to run", a.Container)
	}
	env, refused := literalEnv(*container, a.Secret)
	if refused != nil {
		return plan{}, refused
	}
	lookup := func(name string) (string, bool) { value, ok := env[name]; return value, ok }
	var args []string
	for _, arg := range append(append([]string{}, container.Command...), container.Args...) {
		args = append(args, manifest.Expand(arg, lookup))
	}
	if len(container.Command) == 0 || args[0] == "" {
		return plan{}, refuse(
			"container %q has no command: a process has no image whose entrypoint could run, so the template has to set `command`",
			container.Name,
		)
	}
	return plan{
		args: args, env: env, dir: container.WorkingDir, ignored: ignored(pod, *container),
		grace: seconds(pod.TerminationGracePeriodSeconds, defaultGrace),
		deadline: shortest(
			seconds(a.Manifest.Spec.ActiveDeadlineSeconds, 0),
			seconds(pod.ActiveDeadlineSeconds, 0),
		),
	}, nil
}

func refuse(format string, args ...any) *job.Refused {
	return &job.Refused{Category: api.CategoryInvalid, Message: fmt.Sprintf(format, args...)}
}

func jobContainer(pod corev1.PodSpec, name string) *corev1.Container {
	for i := range pod.Containers {
		if name == "" || pod.Containers[i].Name == name {
			return &pod.Containers[i]
		}
	}
	return nil
}

// literalEnv is the container's environment; a later entry wins and may refer to earlier ones. What the
// manifest refers to in the attempt's own Secret is at hand without a cluster.
func literalEnv(c corev1.Container, secret *job.Secret) (map[string]string, *job.Refused) {
	if len(c.EnvFrom) > 0 {
		return nil, refuse(
			"container %q takes environment from a Secret or ConfigMap (envFrom): a process has no cluster to read it from; give the values in `env`",
			c.Name,
		)
	}
	env := map[string]string{}
	for _, v := range c.Env {
		if v.ValueFrom != nil {
			if value, ok := sealed(v.ValueFrom, secret); ok {
				env[v.Name] = value
				continue
			}
			return nil, refuse(
				"environment variable %s of container %q comes from the cluster (valueFrom): a process has none to read it from; give it a value",
				v.Name,
				c.Name,
			)
		}
		env[v.Name] = manifest.Expand(
			v.Value,
			func(name string) (string, bool) { value, ok := env[name]; return value, ok },
		)
	}
	return env, nil
}

// sealed is the value that a reference to the attempt's own Secret stands for.
func sealed(from *corev1.EnvVarSource, secret *job.Secret) (string, bool) {
	if secret == nil || from.SecretKeyRef == nil || from.SecretKeyRef.Name != secret.Name {
		return "", false
	}
	value, ok := secret.Data[from.SecretKeyRef.Key]
	return value, ok
}

// ignored lists what a process can not honour, in the words of the manifest.
func ignored(pod corev1.PodSpec, c corev1.Container) []string {
	var fields []string
	add := func(there bool, name string) {
		if there {
			fields = append(fields, name)
		}
	}
	add(c.Image != "" && !strings.HasPrefix(c.Image, noImage), "image")
	add(len(c.Resources.Limits)+len(c.Resources.Requests)+len(c.Resources.Claims) > 0, "resources")
	add(len(pod.Volumes)+len(c.VolumeMounts)+len(c.VolumeDevices) > 0, "volumes")
	add(len(pod.InitContainers) > 0, "initContainers")
	add(len(pod.Containers) > 1, "other containers")
	add(pod.SecurityContext != nil || c.SecurityContext != nil, "securityContext")
	add(len(pod.NodeSelector) > 0 || pod.Affinity != nil || len(pod.Tolerations) > 0, "node selection")
	add(
		c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil || c.Lifecycle != nil,
		"probes and hooks",
	)
	return fields
}

// environ is the environment of the process: what a program needs from this host to run at all, and the
// manifest's. Nothing else of the worker's own environment, which holds its key.
func (p plan) environ(host func(name string) (string, bool), extra map[string]string) []string {
	env := map[string]string{}
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR"} {
		if value, ok := host(name); ok {
			env[name] = value
		}
	}
	for name, value := range p.env {
		env[name] = value
	}
	for name, value := range extra {
		env[name] = value
	}
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	sort.Strings(list)
	return list
}

// diagnosis says what of the manifest has no effect here.
func (p plan) diagnosis() string {
	if len(p.ignored) == 0 {
		return ""
	}
	return "runs as a process of this host, where these have no effect: " + strings.Join(p.ignored, ", ")
}

func seconds(n *int64, otherwise time.Duration) time.Duration {
	if n == nil {
		return otherwise
	}
	return time.Duration(*n) * time.Second
}

// shortest of two durations where 0 means none.
func shortest(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
