package manifest

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/templating"
)

// maxProgramString is the longest variable (NAME=VALUE) or argument that Linux gives to a program, in bytes;
// a zero byte ends it. A longer one makes every start of the container fail, whatever its image.
const maxProgramString = 128<<10 - 1

// checkProgramSizes refuses what no container can be started with. Values count as the kubelet expands them. It
// returns the size of the largest value.
func (b *builder) checkProgramSizes() int {
	largest := 0
	pod := &b.job.Spec.Template.Spec
	place := manifestPointer.key("spec").key("template").key("spec")
	for i := range pod.InitContainers {
		largest = max(largest, b.checkProgramSize(&pod.InitContainers[i], place.key("initContainers").item(i)))
	}
	for i := range pod.Containers {
		largest = max(largest, b.checkProgramSize(&pod.Containers[i], place.key("containers").item(i)))
	}
	return largest
}

func (b *builder) checkProgramSize(c *corev1.Container, place pointer) (largest int) {
	sizes := make(map[string]int, len(c.Env))
	lookup := func(name string) (int, bool) { n, ok := sizes[name]; return n, ok }
	for _, v := range c.Env {
		sizes[v.Name] = expandedSize(v.Value, lookup)
		largest = max(largest, sizes[v.Name])
		size := len(v.Name) + len("=") + sizes[v.Name]
		switch {
		case size <= maxProgramString:
		case v.Name == EnvParameters:
			b.failOnce(at(keyManifest), "the parameters of the run have %d bytes as a variable (%s); Linux starts no program "+
				"with a variable above %d", size, v.Name, maxProgramString).
				Suggestion = "store large input elsewhere and pass where it is"
		default:
			b.fail(templating.CodeInvalid, place.key("env"),
				"variable %s has %d bytes; Linux starts no program with a variable above %d",
				strconv.Quote(v.Name), size, maxProgramString).
				Suggestion = "mount the value as a file from a ConfigMap or Secret"
		}
	}
	for key, words := range map[string][]string{"command": c.Command, "args": c.Args} {
		for i, word := range words {
			if size := expandedSize(word, lookup); size > maxProgramString {
				b.fail(templating.CodeInvalid, place.key(key).item(i),
					"the argument has %d bytes; Linux starts no program with one above %d", size, maxProgramString).
					Suggestion = "mount the text as a file from a ConfigMap or Secret"
			}
		}
	}
	return largest
}

// failOnce reports a problem that every container has, once.
func (b *builder) failOnce(at pointer, format string, args ...any) *templating.Problem {
	p := problem(templating.CodeInvalid, at.String(), format, args...)
	for i := range b.problems {
		if b.problems[i].Message == p.Message {
			return &b.problems[i]
		}
	}
	return keep(&b.problems, p)
}
