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

// defaultGrace is the default of Kubernetes between SIGTERM and SIGKILL.
const defaultGrace = 30 * time.Second

// noImagePrefix begins the image name of a template that is written for processes: a Job needs some image
// name.
const noImagePrefix = "process:"

// plan is the part of a manifest that a process can honour.
type plan struct {
	args     []string          // the program and its arguments, expanded
	env      map[string]string // the manifest's, expanded
	dir      string            // empty for a new one
	grace    time.Duration
	deadline time.Duration // 0: none
	// unsupported names the fields of the manifest that have no effect on a process.
	unsupported []string
}

// newPlan reads the manifest. It refuses what would change the workload if it were ignored.
func newPlan(a job.Attempt) (plan, *job.Refused) {
	pod := a.Manifest.Spec.Template.Spec
	container := jobContainer(pod, a.Container)
	if container == nil {
		return plan{}, refuse("the manifest has no container %q", a.Container)
	}
	if shape := manifest.ShapeOf(&a.Manifest.Spec); shape != manifest.OnePod {
		return plan{}, refuse("the Job has several pods (%s), and a worker of type process runs one process: "+
			"leave completionMode, completions and parallelism out of the template", shape)
	}
	env, refused := environment(*container, a.Secret)
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
			"container %q has no command: a process has no entrypoint; set `command` in the template",
			container.Name,
		)
	}
	return plan{
		args: args, env: env, dir: container.WorkingDir, unsupported: unsupported(pod, *container),
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

// environment is the container's environment. A later entry wins and may refer to earlier ones. Only the
// attempt's own Secret can be read without a cluster.
func environment(c corev1.Container, secret *job.Secret) (map[string]string, *job.Refused) {
	if len(c.EnvFrom) > 0 {
		return nil, refuse(
			"container %q uses envFrom, which a process cannot read; list the values in `env`",
			c.Name,
		)
	}
	env := map[string]string{}
	for _, v := range c.Env {
		if v.ValueFrom != nil {
			if value, ok := secretValue(v.ValueFrom, secret); ok {
				env[v.Name] = value
				continue
			}
			return nil, refuse(
				"variable %s of container %q uses valueFrom, which a process cannot read; set its value",
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

// secretValue resolves a reference to the attempt's own Secret.
func secretValue(from *corev1.EnvVarSource, secret *job.Secret) (string, bool) {
	if secret == nil || from.SecretKeyRef == nil || from.SecretKeyRef.Name != secret.Name {
		return "", false
	}
	value, ok := secret.Data[from.SecretKeyRef.Key]
	return value, ok
}

// unsupported lists the fields of the manifest that have no effect on a process.
func unsupported(pod corev1.PodSpec, c corev1.Container) []string {
	var fields []string
	add := func(there bool, name string) {
		if there {
			fields = append(fields, name)
		}
	}
	add(c.Image != "" && !strings.HasPrefix(c.Image, noImagePrefix), "image")
	add(len(c.Resources.Limits)+len(c.Resources.Requests)+len(c.Resources.Claims) > 0, "resources")
	add(len(pod.Volumes)+len(c.VolumeMounts)+len(c.VolumeDevices) > 0, "volumes")
	add(len(pod.InitContainers) > 0, "initContainers")
	add(len(pod.Containers) > 1, "other containers")
	add(pod.RestartPolicy == corev1.RestartPolicyOnFailure, "restartPolicy OnFailure")
	add(pod.SecurityContext != nil || c.SecurityContext != nil, "securityContext")
	add(len(pod.NodeSelector) > 0 || pod.Affinity != nil || len(pod.Tolerations) > 0, "node selection")
	add(
		c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil || c.Lifecycle != nil,
		"probes and hooks",
	)
	return fields
}

// environ is the environment of the process: a few variables of this host that most programs need, and
// those of the manifest. The rest of the worker's environment is left out, because it holds its API key.
func (p plan) environ(host func(name string) (string, bool), extra map[string]string) []string {
	env := map[string]string{}
	inherited := []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR"}
	for _, name := range inherited {
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

// diagnosis names the fields that have no effect; empty if there are none.
func (p plan) diagnosis() string {
	if len(p.unsupported) == 0 {
		return ""
	}
	return "runs as a process of this host; without effect: " + strings.Join(p.unsupported, ", ")
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
