package manifest

import (
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// Check builds the Job of a rendered template for a run that does not exist, and says what is wrong or risky
// with it. It is a templating.JobCheck.
func Check(r *templating.Rendered) []templating.Problem { return CheckFor(reference.Protected{})(r) }

// CheckFor is Check for an installation whose objects no Job may refer to.
func CheckFor(protected reference.Protected) templating.JobCheck {
	return func(r *templating.Rendered) []templating.Problem { return check(r, protected) }
}

func check(r *templating.Rendered, protected reference.Protected) []templating.Problem {
	id := SampleIdentity()
	id.Protected = protected
	b := build(r, id)
	found := append([]templating.Problem(b.problems), b.finished.Warnings...)
	if b.job == nil {
		return found
	}
	return append(found, risks(b.job)...)
}

// SampleIdentity is whose Job a preview is.
func SampleIdentity() Identity {
	return Identity{
		Installation: uuid.MustParse(
			"00000000-0000-7000-8000-000000000002"), RunID: uuid.MustParse("00000000-0000-7000-8000-000000000000"),
		RunName: "sample", Attempt: 1, Pool: "sample", Queue: "default", Deployment: "sample", TemplateVersion: 1, Namespace: "default",
		ScheduledTime: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// Risks are what of a Job is valid but has hurt people.
func (f *Finished) Risks() templating.Problems { return risks(f.Job) }

// risks are what is valid but has hurt people.
func risks(job *batchv1.Job) []templating.Problem {
	var problems templating.Problems
	pod := &job.Spec.Template.Spec
	place := manifestPointer.key("spec").key("template").key("spec")
	warn := func(at pointer, suggestion, format string, args ...any) {
		p := warning(templating.CodeRisk, at.String(), format, args...)
		p.Suggestion = suggestion
		keep(&problems, p)
	}
	if grace := pod.TerminationGracePeriodSeconds; grace != nil && *grace == 0 {
		warn(place.key("terminationGracePeriodSeconds"), "remove it, or give the container time to stop",
			"0 seconds kills the container at once when its run is cancelled or evicted")
	}
	for i := range pod.Containers {
		c := &pod.Containers[i]
		at := place.key("containers").item(i)
		if isLatest(c.Image) {
			warn(at.key("image"), "pin a version",
				"image %q has no fixed version: each pod starts with the newest one", c.Image)
		}
		if _, ok := c.Resources.Limits[corev1.ResourceMemory]; !ok && c.Image != imageOfProcesses {
			warn(at.key("resources").key("limits").key("memory"), "set a memory limit",
				"container %q has no memory limit, so it can use all memory of its node", c.Name)
		}
		for kind, list := range map[string]corev1.ResourceList{"requests": c.Resources.Requests, "limits": c.Resources.Limits} {
			for _, name := range []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
				if amount, ok := list[name]; ok && amount.Sign() > 0 && amount.Value() < leastMemory {
					warn(at.key("resources").key(kind).key(string(name)), meantBinary(amount.String()),
						"%s of %s is less than any container needs", amount.String(), name)
				}
			}
		}
		for _, env := range c.Env {
			if env.Value != "" && looksSecret(env.Name) && !strings.HasPrefix(env.Name, EnvPrefix) {
				warn(
					at.key("env"),
					"store it in a Secret and refer to it with valueFrom.secretKeyRef",
					"the value of %s looks like a secret; everyone who can see the template or the Job can read it",
					strconv.Quote(env.Name),
				)
			}
		}
	}
	return problems
}

// leastMemory is less than any container gets by with, in bytes.
const leastMemory = 64 << 10

// meantBinary is what was likely meant by an amount of bytes that is too small: m is a thousandth.
func meantBinary(amount string) string {
	digits := strings.TrimRight(amount, "mkKMGi")
	return "did you mean " + digits + "Mi?"
}

// processImagePrefix begins the names of images that stand for none, in templates for processes.
const processImagePrefix = "process:"

// imageOfProcesses is the image that templates for processes name, which have none: no node would take it,
// and what it says of resources has no effect.
const imageOfProcesses = processImagePrefix + "local"

// isLatest is true for an image without a tag or digest, or with a tag that moves.
func isLatest(image string) bool {
	if image == "" || strings.Contains(image, "@") {
		return false
	}
	name := image[strings.LastIndexByte(image, '/')+1:]
	_, tag, tagged := strings.Cut(name, ":")
	return !tagged || tag == "latest" || strings.HasSuffix(tag, "-latest")
}

// secretWords are parts of names that values are hidden behind.
var secretWords = [...]string{
	"PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY", "CREDENTIAL",
}

// looksSecret goes by the name; a name that points to a file or a Secret is none.
func looksSecret(name string) bool {
	upper := strings.ToUpper(name)
	for _, suffix := range []string{"_FILE", "_PATH", "_NAME", "_URL", "_DIR"} {
		if strings.HasSuffix(upper, suffix) {
			return false
		}
	}
	for _, word := range secretWords {
		if strings.Contains(upper, word) {
			return true
		}
	}
	return false
}
