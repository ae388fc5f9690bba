package observe

import (
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// indexOf is the index of an Indexed Job that the pod works on.
func indexOf(pod *corev1.Pod) (index int, ok bool) {
	text, ok := pod.Annotations[batchv1.JobCompletionIndexAnnotation]
	if !ok {
		return 0, false
	}
	index, err := strconv.Atoi(text)
	return index, err == nil
}

// indexOfName reads the index from the name of a pod of an Indexed Job, JOB-INDEX-SUFFIX.
func indexOfName(name string) (index int, ok bool) {
	parts := strings.Split(name, "-")
	if len(parts) < 3 {
		return 0, false
	}
	index, err := strconv.Atoi(parts[len(parts)-2])
	return index, err == nil
}

// A list of indexes is text as in the status of a Job: ascending, with ranges, such as 0-2,5.

// ranges calls yield for each range of a list, until it returns false.
func ranges(list string, yield func(first, last int) bool) {
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		last := first
		if isRange {
			if last, err = strconv.Atoi(to); err != nil {
				continue
			}
		}
		if !yield(first, last) {
			return
		}
	}
}

func hasIndex(list string, index int) (has bool) {
	ranges(list, func(first, last int) bool {
		has = first <= index && index <= last
		return !has && first <= index
	})
	return has
}

func countIndexes(list string) (count int) {
	ranges(list, func(first, last int) bool {
		count += last - first + 1
		return true
	})
	return count
}

// shownIndexes bounds a list of indexes where people read it, in bytes.
const shownIndexes = 200

// shortened cuts a list between two of its parts.
func shortened(list string, most int) string {
	if len(list) <= most {
		return list
	}
	cut := list[:most]
	if i := strings.LastIndexByte(cut, ','); i >= 0 {
		cut = cut[:i]
	}
	return cut + ",…"
}
