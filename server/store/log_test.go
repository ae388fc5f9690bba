package store_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// output reads all output of a run's newest attempt, in steps of at most limit bytes, and checks the offsets.
func (w *world) output(run uuid.UUID, limit int) string {
	w.t.Helper()
	var text strings.Builder
	for {
		chunks := w.listLogChunks(run, 0, int64(text.Len()), limit)
		if len(chunks) == 0 {
			return text.String()
		}
		for _, c := range chunks {
			if c.Offset != int64(text.Len()) || c.Number != 1 {
				w.t.Fatalf("a chunk of attempt %d begins at %d, want %d", c.Number, c.Offset, text.Len())
			}
			text.WriteString(c.Text)
		}
	}
}

func TestOutputIsStoredOnce(t *testing.T) {
	onEach(t, func(w *world) {
		run := w.one()
		c := w.claimOne("w")
		say := func(offset int64, text string) {
			w.check(
				w.AppendLogs(w.t.Context(),
					[]store.LogChunk{{Lease: leaseOf(c), Offset: offset, Text: text}}),
			)
		}
		say(0, "one\n")
		say(0, "one\n")     // repeated
		say(2, "e\ntwo\n")  // overlapping
		say(4, "two")       // within
		say(8, "üb\x00er ") // neither NUL nor what is not ASCII is lost
		w.check(w.AppendLogs(w.t.Context(), []store.LogChunk{
			{
				Lease: leaseOf(c), Offset: 15, Text: "three\n",
			}, {Lease: leaseOf(c), Offset: 15, Text: "three\nfour\n"},
		}))
		want := "one\ntwo\nüb\x00er three\nfour\n"
		for _, limit := range []int{0, 1, 3, 7, 1000} {
			if got := w.output(run.ID, limit); limit >= 3 && got != want ||
				strings.ReplaceAll(got, want, "") != "" {
				t.Errorf("in steps of %d bytes: %q", limit, got)
			}
		}
		stale := leaseOf(c)
		stale.Epoch++
		w.check(w.AppendLogs(w.t.Context(), []store.LogChunk{
			{
				Lease: stale, Offset: 26, Text: "of another epoch",
			}, {Lease: store.Lease{AttemptID: uuid.New(), Epoch: 1}, Text: "of nobody"},
		}))
		w.accepts(succeeded(c))
		say(26, "after its end\n") // the outcome does not wait for the output
		if got := w.output(run.ID, 0); got != want+"after its end\n" {
			t.Errorf("at last %q", got)
		}
	})
}

func TestLargeOutputIsReadInBoundedParts(t *testing.T) {
	onEach(t, func(w *world) {
		run := w.one()
		c := w.claimOne("w")
		text := strings.Repeat("0123456789abcdeß", 150_000) // 2.5 MB, characters across the bounds of chunks
		w.check(w.AppendLogs(w.t.Context(), []store.LogChunk{{Lease: leaseOf(c), Text: text}}))
		size := 0
		for _, chunk := range w.listLogChunks(run.ID, 1, 0, 0) {
			size += len(chunk.Text)
		}
		if size == 0 || size > 1<<20 {
			t.Errorf("one answer holds %d bytes", size)
		}
		if w.output(run.ID, 100_000) != text {
			t.Error("what was read is not what was written")
		}
	})
}

func TestOutputOfAnUnknownRunOrAttemptIsNotFound(t *testing.T) {
	onEach(t, func(w *world) {
		run := w.one()
		for _, id := range []uuid.UUID{run.ID, uuid.New()} {
			if chunks := w.listLogChunks(id, 0, 0, 0); len(chunks) != 0 {
				t.Errorf("read %v", chunks)
			}
		}
		_, err := w.GetManifest(w.t.Context(), run.ID, 1)
		w.refuses(err, store.NotFound)
	})
}

func TestStatusesOfAttemptsAreListedInOrder(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.runs("d", 3)
		claims := w.claim(request("p", "w", 3))
		w.accepts(submitted(claims[0]), submitted(claims[1]), succeeded(claims[1]),
			store.Report{Lease: leaseOf(claims[2]), Kind: store.ReportHandedBack})
		ref := func(c store.Claim, attempt int32, uid string) store.AttemptRef {
			return store.AttemptRef{RunID: c.RunID, Attempt: attempt, JobUID: uid}
		}
		refs := []store.AttemptRef{
			ref(
				claims[1], 1, submitted(claims[1]).JobUID,
			), ref(claims[0], 1, submitted(claims[0]).JobUID), ref(claims[0], 1, ""),
			ref(claims[0], 1,
				"second"), ref(claims[0], 2, ""), {RunID: uuid.New(), Attempt: 1}, ref(claims[2], 1, ""),
		}
		var got []string
		answers := w.listAttemptStatuses(refs)
		for _, a := range answers {
			got = append(got, a.Status)
		}
		same(t, "answers", got,
			[]string{"ended", "active", "active", "duplicate", "unknown", "unknown", "unknown"})
		if answers[1].AttemptID != claims[0].AttemptID || answers[1].Epoch != claims[0].Epoch {
			t.Errorf("the attempt is %s under epoch %d", answers[1].AttemptID, answers[1].Epoch)
		}
	})
}
