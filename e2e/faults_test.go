package e2e

import "testing"

// gated is a script that runs until the test opens the gate.
const gated = `echo waiting; until [ -e /tmp/gate ]; do sleep 0.1; done; echo through`

func TestAServerKilledInTheMiddleLosesNothing(t *testing.T) {
	t.Parallel()
	h := startHosted(t, connect(t))
	h.startWorker(t, "first")
	h.deploy(t, "gated", gated)
	id := h.start(t, "gated")
	pod := h.runningPod(t, h.jobs, id)

	h.server.kill(t)
	h.exec(t, pod, "touch", "/tmp/gate")
	eventually(t, "the Job to finish while no server runs", func() (bool, error) {
		jobs := h.cluster.jobs(t, h.jobs, id)
		return len(jobs) == 1 && jobs[0].Status.Succeeded == 1, nil
	})
	h.startServer(t)

	h.end(t, id, "COMPLETED")
	h.recordedOnce(t, id)
	h.onePod(t, id)
	h.logsHave(t, id, "waiting", "through")
}

func TestASuccessorAdoptsTheJobOfAKilledWorker(t *testing.T) {
	t.Parallel()
	h := startHosted(t, connect(t))
	first := h.startWorker(t, "first")
	h.deploy(t, "gated", gated)
	id := h.start(t, "gated")
	pod := h.runningPod(t, h.jobs, id)

	first.kill(t)
	h.startWorker(t, "second")
	h.exec(t, pod, "touch", "/tmp/gate")

	r := h.end(t, id, "COMPLETED")
	if len(r.Attempts) != 1 || r.Attempts[0].Worker != "second" {
		t.Errorf("attempts %+v, want one, held by the second worker", r.Attempts)
	}
	h.recordedOnce(t, id)
	h.onePod(t, id)
	h.logsHave(t, id, "waiting", "through")
}
