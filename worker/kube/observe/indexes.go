package observe

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
)

// Bounds of what is reported of the indexes of an attempt.
const (
	maxIndexFailures = 20
	maxIndexList     = 1 << 10 // bytes
)

// indexes is how the indexes of an Indexed Job stand; nil for other Jobs.
func (s Snapshot) indexes() *api.AttemptIndexes {
	if s.Job == nil || s.shape() != manifest.Indexed {
		return nil
	}
	succeeded, failed := s.Job.Status.CompletedIndexes, s.failedIndexes()
	return &api.AttemptIndexes{
		Total:            cmp.Or(deref(s.Job.Spec.Completions), 1),
		Succeeded:        countIndexes(succeeded),
		Failed:           countIndexes(failed),
		SucceededIndexes: nonEmpty(shortened(succeeded, maxIndexList)),
		FailedIndexes:    nonEmpty(shortened(failed, maxIndexList)),
		Failures:         s.indexFailures(failed),
	}
}

// failedIndexes are the indexes that are not retried any more. A Job without retries per index does not list
// them: they are then those whose pods failed by themselves, once the Job has failed.
func (s Snapshot) failedIndexes() string {
	if s.Job.Spec.BackoffLimitPerIndex != nil {
		return deref(s.Job.Status.FailedIndexes)
	}
	if condition := s.finalCondition(); condition == nil || condition.Type != batchv1.JobFailed {
		return ""
	}
	var failed []int
	for _, pod := range s.allPods() {
		if index, ok := indexOf(pod); ok && s.failedByItself(pod) {
			failed = append(failed, index)
		}
	}
	slices.Sort(failed)
	return listOf(slices.Compact(failed))
}

// failedByItself reports whether the pod failed, of an index that never succeeded, and was not stopped.
func (s Snapshot) failedByItself(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed && s.mayHaveFailed(pod) && !s.wasStopped(pod)
}

// indexFailures says how the first of the failed indexes ended, by their last pods.
func (s Snapshot) indexFailures(failed string) *[]api.IndexFailure {
	if failed == "" {
		return nil
	}
	last := map[int]*corev1.Pod{}
	for _, pod := range s.allPods() { // newest first
		index, ok := indexOf(pod)
		if ok && last[index] == nil && hasIndex(failed, index) && s.failedByItself(pod) {
			last[index] = pod
		}
	}
	var failures []api.IndexFailure
	ranges(failed, func(first, end int) bool {
		for index := first; index <= end && len(failures) < maxIndexFailures; index++ {
			if pod := last[index]; pod != nil {
				outcome := s.podOutcome(pod)
				failures = append(failures, api.IndexFailure{
					Index: int32(index), Category: cmp.Or(outcome.Category, api.CategoryUnknown),
					ExitCode: outcome.ExitCode, Message: nonEmpty(outcome.Message),
				})
			}
		}
		return len(failures) < maxIndexFailures
	})
	if len(failures) == 0 {
		return nil
	}
	return &failures
}

// listOf writes sorted indexes as the status of a Job does.
func listOf(indexes []int) string {
	var parts []string
	for i := 0; i < len(indexes); {
		last := i
		for last+1 < len(indexes) && indexes[last+1] == indexes[last]+1 {
			last++
		}
		part := strconv.Itoa(indexes[i])
		if last > i {
			part += "-" + strconv.Itoa(indexes[last])
		}
		parts, i = append(parts, part), last+1
	}
	return strings.Join(parts, ",")
}

func deref[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

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

func countIndexes(list string) int32 {
	count := 0
	ranges(list, func(first, last int) bool {
		count += last - first + 1
		return true
	})
	return int32(min(count, math.MaxInt32))
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
