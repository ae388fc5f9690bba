package explain

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// explainPending explains a run that a worker has claimed and whose container has not started.
func explainPending(facts *store.RunFacts) Explanation {
	e := Explanation{Sentence: "a worker claimed it and is preparing its Job"}
	attempt := newest(facts.Attempts)
	if attempt == nil {
		e.addStep("watch it: berth run watch %s", facts.Run.ID)
		return e
	}

	e.Sentence = fmt.Sprintf("worker %q claimed it and is preparing its Job", attempt.Worker)
	if attempt.JobName != "" {
		e.Sentence = fmt.Sprintf("Job %s has not started", jobName(attempt))
	}
	if attempt.Diagnosis != "" {
		e.Sentence += ": " + attempt.Diagnosis
	}
	e.addReason(Starting, e.Sentence)

	e.addDetail("attempt %d was claimed %s ago", attempt.Number, span(facts.Now.Sub(attempt.ClaimedAt)))
	e.addStartDeadline(facts)
	e.addTimeout(facts)
	e.checkWorkerLost(facts)
	e.addPastAttempts(facts)

	if attempt.JobName != "" && attempt.JobNamespace != "" {
		e.addStep("inspect the Job: kubectl -n %s describe job %s", attempt.JobNamespace, attempt.JobName)
	}
	e.addStep("watch it: berth run watch %s", facts.Run.ID)
	return e
}

// explainRunning explains a run whose container runs.
func explainRunning(facts *store.RunFacts) Explanation {
	e := Explanation{Sentence: "it is running"}
	if facts.Run.StartedAt != nil {
		e.Sentence = "it has been running for " + span(facts.Now.Sub(*facts.Run.StartedAt))
	}
	if attempt := newest(facts.Attempts); attempt != nil {
		e.Sentence += fmt.Sprintf(", attempt %d on worker %q", attempt.Number, attempt.Worker)
		if attempt.Node != "" {
			e.Sentence += ", node " + attempt.Node
		}
	}

	e.addDiagnosis(facts)
	e.addIndexes(facts)
	e.addTimeout(facts)
	e.checkWorkerLost(facts)
	e.addPastAttempts(facts)
	e.addStep("read its output: berth run logs --follow %s", facts.Run.ID)
	return e
}

// explainCancelling explains a run that is being cancelled and whose container has not stopped yet.
func explainCancelling(facts *store.RunFacts) Explanation {
	e := Explanation{Sentence: "it is being cancelled"}
	if message := facts.Run.State.Message; message != "" {
		// The message is either a reason or "cancelled by NAME".
		if actor, ok := strings.CutPrefix(message, "cancelled by "); ok {
			e.Sentence += " by " + actor
		} else {
			e.Sentence += ": " + message
		}
	}

	e.addDetail(
		"it ends when its container has stopped; if the workload ends by itself first, that outcome is kept")
	e.addDiagnosis(facts)
	e.checkWorkerLost(facts)
	e.addStep("watch it: berth run watch %s", facts.Run.ID)
	return e
}

// addDiagnosis repeats what the worker observed of an attempt that has not ended.
func (e *Explanation) addDiagnosis(facts *store.RunFacts) {
	if attempt := newest(facts.Attempts); attempt != nil && attempt.Diagnosis != "" &&
		attempt.EndedAt == nil {
		e.Details = append(e.Details, attempt.Diagnosis)
	}
}

// addIndexes says how the indexes of the newest attempt stand, if its Job is Indexed.
func (e *Explanation) addIndexes(facts *store.RunFacts) {
	var indexes api.AttemptIndexes
	attempt := newest(facts.Attempts)
	if attempt == nil || len(attempt.Indexes) == 0 || json.Unmarshal(attempt.Indexes, &indexes) != nil {
		return
	}
	text := fmt.Sprintf("%d of %d indexes succeeded", indexes.Succeeded, indexes.Total)
	if indexes.Failed > 0 {
		text += fmt.Sprintf(", %d failed", indexes.Failed)
	}
	if failed := indexes.FailedIndexes; failed != nil {
		text += fmt.Sprintf(" (%s)", *failed)
	}
	e.Details = append(e.Details, text)
}

// checkWorkerLost replaces the sentence if the lease of the newest attempt has expired and no live worker of
// its cluster can take it over. Only a worker of the same cluster can see what its Job does.
func (e *Explanation) checkWorkerLost(facts *store.RunFacts) {
	attempt := newest(facts.Attempts)
	if attempt == nil || facts.LeaseExpiresAt == nil || facts.LeaseExpiresAt.After(facts.Now) {
		return
	}
	for _, worker := range facts.Workers {
		if worker.ClusterID == attempt.ClusterID && alive(worker, facts.Now) {
			return
		}
	}

	message := fmt.Sprintf(
		"the lease of worker %q expired %s ago, and cluster %q has no live worker to take over",
		attempt.Worker, span(facts.Now.Sub(*facts.LeaseExpiresAt)), attempt.ClusterID)
	e.Reasons = append([]Reason{{LostCluster, message}}, e.Reasons...)
	e.Details = append(e.Details, e.Sentence)
	e.Sentence = message

	e.offer(startWorker(facts.Run.Pool), "start a worker in that cluster")
	e.offer(Action{Abandon, ofRun(facts.Run), "AbandonRun", "berth run abandon " + facts.Run.ID.String()},
		"or, only if its Job certainly no longer runs, abandon the attempt")
}

// jobName returns namespace/name of an attempt's Job.
func jobName(attempt *store.Attempt) string {
	if attempt.JobNamespace == "" {
		return attempt.JobName
	}
	return attempt.JobNamespace + "/" + attempt.JobName
}
