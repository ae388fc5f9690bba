package store_test

import (
	"database/sql"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func TestOutputMovesToTheArchiveAfterItsAttemptHasEnded(t *testing.T) {
	onEachArchive(t, func(w *archived) {
		w.one()
		c := w.claimOne("w")
		text := strings.Repeat("0123456789abcdeß\n", 60_000) // a mebibyte, characters across the bounds of rows
		w.writes(c, 0, text)
		w.accepts(running(c))
		w.works(time.Hour)
		if o := w.outputOf(c); !o.Pending() || o.Object != "" {
			w.t.Errorf("the output of a live attempt is archived: %+v", o)
		}
		w.has(0)

		w.accepts(succeeded(c))
		w.works(time.Hour)
		w.leavesRows("log_chunks", 0)
		w.has(1)
		w.reads(c, text)
		o := w.outputOf(c)
		if o.Pending() || o.ArchivedAt == nil || o.ObjectSize == 0 || o.ObjectSize > o.Size/10 {
			w.t.Errorf("the output is %+v", o)
		}
		w.works(time.Hour)
		w.has(1)
	})
}

func TestArchivedOutputKeepsWhenItWasStored(t *testing.T) {
	onEachArchive(t, func(w *archived) {
		run := w.one()
		c := w.claimOne("w")
		text := strings.Repeat("ß", 90_000) // in three rows, which a frame holds
		w.writes(c, 0, text)
		w.Advance(time.Second)
		w.writes(c, int64(len(text)), "second\n")
		w.accepts(running(c), succeeded(c))
		times := func(offset int64) (times []store.ChunkTime) {
			for _, chunk := range w.listLogChunks(run.ID, 1, offset, 0) {
				for _, stored := range chunk.Times {
					if n := len(times); n == 0 || !times[n-1].At.Equal(stored.At) {
						times = append(times, store.ChunkTime{Offset: stored.Offset, At: stored.At.UTC()})
					}
				}
			}
			return times
		}
		before := [][]store.ChunkTime{times(0), times(4), times(int64(len(text)) + 2)}
		if n := len(before[0]); n != 2 || len(before[2]) != 1 {
			w.t.Errorf("it was stored at %v", before)
		}
		w.works(time.Hour)
		w.leavesRows("log_chunks", 0)
		same(w.t, "times", [][]store.ChunkTime{times(0), times(4), times(int64(len(text)) + 2)}, before)
	})
}

func TestOutputAfterTheEndIsArchivedToo(t *testing.T) {
	onEachArchive(t, func(w *archived) {
		w.one()
		c := w.wrote("one\n")
		w.works(settled)
		w.leavesRows("log_chunks", 0)
		for i, late := range []string{"two\n", "three\n"} { // a worker that was away for a while
			offset := w.outputOf(c).Size
			w.writes(c, offset-2, "x\n"+late) // it overlaps what is archived
			w.reads(c, "one\ntwo\nthree\n"[:offset+int64(len(late))])
			w.works(settled)
			w.leavesRows("log_chunks", 0)
			w.reads(c, "one\ntwo\nthree\n"[:offset+int64(len(late))])
			w.has(2) // the object before may be read at this moment
			w.works(unusedEnded)
			w.has(1)
			if i == 0 && w.outputOf(c).ArchivedSize != 8 {
				w.t.Errorf("the output is %+v", w.outputOf(c))
			}
		}
	})
}

func TestOutputWithoutAnEndIsArchivedWithItsAttempt(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	onEachArchive(t, func(w *archived) {
		run := w.one()
		c := w.claimOne("w")
		w.writes(c, 0, "one\n")
		w.accepts(running(c))
		w.cancelRun(run.ID, actor)
		w.Advance(time.Minute) // the lease ends
		w.abandonRun(run.ID, actor)
		w.works(time.Hour)
		w.has(1)
		w.reads(c, "one\n")
	})
}

func TestEachAttemptHasItsOwnObject(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	onEachArchive(t, func(w *archived) {
		run := w.one(func(d *store.Deployment) { d.Retries = lifecycle.RetryPolicy{Max: 1} })
		for _, text := range []string{"first", "second"} {
			w.Advance(time.Hour)
			c := w.claimOne("w")
			w.writes(c, 0, text)
			w.accepts(running(c), failed(c, lifecycle.App))
		}
		w.works(settled)
		w.has(2)
		for number, want := range map[int32]string{1: "first", 2: "second"} {
			if chunks := w.listLogChunks(run.ID, number, 0, 0); len(chunks) != 1 || chunks[0].Text != want {
				w.t.Errorf("attempt %d: %+v", number, chunks)
			}
		}
	})
}

func TestArchivedOutputExpires(t *testing.T) {
	onEachArchive(t, func(w *archived) {
		w.one()
		c := w.wrote("one\n")
		w.works(settled)
		w.Advance(31 * aDay)
		if removed := w.retain(usually); removed.OutputObjects != 1 || removed.Runs != 0 {
			w.t.Errorf("removed %+v", removed)
		}
		if chunks := w.listLogChunks(c.RunID, 1, 0, 0); len(chunks) != 0 {
			w.t.Errorf("read %+v", chunks)
		}
		w.works(0)
		w.has(0)
		w.leavesRows("output_deletions", 0)
		if again := w.retain(usually); again.Any() {
			w.t.Errorf("removed again: %+v", again)
		}
		w.writes(c, 4, "late\n") // what has expired does not come back
		w.works(settled)
		if chunks := w.listLogChunks(c.RunID, 1, 0, 0); len(chunks) != 1 || chunks[0].Offset != 4 || chunks[0].Text != "late\n" {
			w.t.Errorf("read %+v", chunks)
		}
	})
}

func TestArchivedOutputOfAnUnfinishedRunDoesNotExpire(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	onEachArchive(t, func(w *archived) {
		run := w.one(func(d *store.Deployment) { d.Retries = lifecycle.RetryPolicy{Max: 5} })
		c := w.claimOne("w")
		w.writes(c, 0, "one\n")
		w.accepts(running(c), failed(c, lifecycle.App))
		w.works(settled)
		w.works(40 * aDay)
		if removed := w.retain(usually); removed.OutputObjects != 0 {
			w.t.Errorf("removed %+v", removed)
		}
		if chunks := w.listLogChunks(run.ID, 1, 0, 0); len(chunks) != 1 {
			w.t.Errorf("read %+v", chunks)
		}
	})
}

func TestOutputThatExpiredBeforeItWasArchivedLeavesAHole(t *testing.T) {
	onEachArchive(t, func(w *archived) {
		w.one()
		c := w.claimOne("w")
		w.writes(c, 0, "gone,")
		w.accepts(running(c))
		w.Advance(35 * aDay)
		w.writes(c, 5, "kept")
		w.accepts(succeeded(c))
		w.retain(usually)
		w.works(settled)
		w.has(1)
		for _, offset := range []int64{0, 3, 5} {
			chunks := w.listLogChunks(c.RunID, 1, offset, 0)
			if len(chunks) != 1 || chunks[0].Offset != 5 || chunks[0].Text != "kept" {
				w.t.Errorf("from byte %d on: %+v", offset, chunks)
			}
		}
		w.run("d")
		all := w.wrote("all of it")
		w.Advance(31 * aDay)
		w.retain(usually)
		w.works(0)
		w.has(0)
		if o := w.outputOf(all); o.Pending() || o.Object != "" {
			w.t.Errorf("the output is %+v", o)
		}
	})
}

func TestDeletingWhatOwnsOutputDeletesItsObjects(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	for name, remove := range map[string]func(w *archived){
		"runs by age": func(w *archived) {
			w.Advance(91 * aDay)
			w.retain(store.Retention{Runs: 90 * aDay})
		},
		"a deployment": func(w *archived) {
			w.check(w.DeleteDeployment(w.t.Context(), "d", store.DeleteOptions{Permanently: true}, actor))
		},
		"a pool": func(w *archived) {
			w.check(w.DeletePool(w.t.Context(), "p", store.DeleteOptions{Force: true, Permanently: true}, actor))
		},
		"a row of a run": func(w *archived) { w.deletes("runs") },
	} {
		t.Run(name, func(t *testing.T) {
			onEachArchive(t, func(w *archived) {
				w.one()
				w.wrote("one\n")
				w.works(settled)
				w.run("d")
				w.wrote("two\n") // which is not archived
				remove(w)
				w.sweep()
				w.sweep()
				w.works(time.Hour)
				w.has(0)
				for _, table := range []string{"runs", "outputs", "log_chunks", "output_deletions"} {
					w.leavesRows(table, 0)
				}
			})
		})
	}
}

func TestAServerThatEndsWhileItArchivesLeavesNothingBehind(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	for name, until := range map[string]func(w *archived, u store.OutputUpload){
		"before it uploads":     func(*archived, store.OutputUpload) {},
		"before it has told so": func(w *archived, u store.OutputUpload) { w.upload(u) },
		"before the rows are deleted": func(w *archived, u store.OutputUpload) {
			size := w.upload(u)
			w.past(func(db *sql.DB) error {
				_, err := db.ExecContext(w.t.Context(), "UPDATE outputs SET upload = '', archived_size = size, object = '"+
					u.Upload+"', object_size = "+strconv.FormatInt(size, 10))
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEachArchive(t, func(w *archived) {
				w.one()
				c := w.wrote("one\n")
				w.Advance(settled)
				until(w, w.acquire("first")[0])
				w.reads(c, "one\n")
				w.works(0) // the lease has not ended
				w.works(leaseEnded)
				w.leavesRows("log_chunks", 0)
				w.reads(c, "one\n")
				w.works(unusedEnded)
				w.has(1)
				w.reads(c, "one\n")
			})
		})
	}
}

func TestOutputThatGrowsAfterItsUploadWasInterruptedLeavesNothingBehind(t *testing.T) {
	onEachArchive(t, func(w *archived) {
		w.one()
		c := w.wrote("one\n")
		w.Advance(settled)
		w.upload(w.acquire("first")[0])
		w.Advance(leaseEnded)
		w.writes(c, 4, "late\n")
		w.works(0) // it waits for more
		w.has(1)
		w.works(settled)
		w.works(unusedEnded)
		w.has(1)
		w.reads(c, "one\nlate\n")
	})
}

func TestAnUploadThatLostItsLeaseIsDiscarded(t *testing.T) {
	onEachArchive(t, func(w *archived) {
		w.one()
		c := w.wrote("one\n")
		w.Advance(settled)
		u := w.acquire("first")[0]
		size := w.upload(u)
		w.works(leaseEnded) // another server
		_, err := w.UpdateArchived(w.t.Context(), u, size)
		w.refuses(err, store.Conflict)
		w.refuses(w.RenewUpload(w.t.Context(), u, time.Minute), store.Conflict)
		w.refuses(w.UpdateUploadFailed(w.t.Context(), u, "late"), store.Conflict)
		w.works(unusedEnded)
		w.has(1)
		w.reads(c, "one\n")
	})
}

func TestARunThatIsDeletedDuringTheUploadLeavesNothingBehind(t *testing.T) {
	onEachArchive(t, func(w *archived) {
		w.one()
		w.wrote("one\n")
		w.Advance(settled)
		u := w.acquire("first")[0]
		w.deletes("runs")
		size := w.upload(u)
		_, err := w.UpdateArchived(w.t.Context(), u, size)
		w.refuses(err, store.Conflict)
		w.works(2 * time.Hour)
		w.has(0)
		w.leavesRows("output_deletions", 0)
	})
}

func TestSeveralServersArchiveEachOutputOnce(t *testing.T) {
	const many = 40
	w := inBucket(t, true)
	w.pool("p")
	w.deployment("d", "p")
	w.runs("d", many)
	claims := w.claim(request("p", "w", many))
	for _, c := range claims {
		w.writes(c, 0, "said "+c.RunID.String())
		w.accepts(running(c), succeeded(c))
	}
	w.Advance(settled)
	var servers sync.WaitGroup
	for range 3 {
		server := w.newArchiver(w.OpenAgain(t))
		servers.Go(func() {
			if err := server.Work(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	servers.Wait()
	w.has(many)
	w.leavesRows("log_chunks", 0)
	w.leavesRows("output_deletions", 0)
	for _, c := range claims {
		if got := w.output(c.RunID, 0); got != "said "+c.RunID.String() {
			t.Errorf("read %q", got)
		}
	}
}

// TestOutputIsReadWhileItMoves reads all the time: a read that begins in the database may have to end in the
// archive, and one of an object in the next one.
func TestOutputIsReadWhileItMoves(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	onEachArchive(t, func(w *archived) {
		w.one()
		c := w.claimOne("w")
		text := strings.Repeat("0123456789abcdef", 30_000)
		w.writes(c, 0, text)
		w.accepts(running(c), succeeded(c))
		stop := make(chan struct{})
		var readers sync.WaitGroup
		defer readers.Wait()
		defer close(stop)
		for range 3 {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					offset := 0
					for {
						chunks, err := w.ListLogChunks(w.t.Context(), c.RunID, 1, int64(offset), 100_000)
						if err != nil {
							w.t.Error(err)
							return
						}
						if len(chunks) == 0 {
							break
						}
						for _, chunk := range chunks {
							if chunk.Offset != int64(offset) {
								w.t.Errorf("a chunk begins at %d, want %d", chunk.Offset, offset)
								return
							}
							offset += len(chunk.Text)
						}
					}
					if offset < len(text) {
						w.t.Errorf("only %d bytes were read", offset)
						return
					}
				}
			})
		}
		for range 4 {
			w.works(settled)
			w.writes(c, w.outputOf(c).Size, "more")
			w.works(unusedEnded)
		}
		w.leavesRows("log_chunks", 0)
	})
}

func TestOutputOfAnUnknownRunIsNotArchived(t *testing.T) {
	onEachLayout(t, func(w *world) {
		outputs := must[[]store.Output](w.t)(w.ListOutputs(w.t.Context(), uuid.New()))
		if len(outputs) != 0 {
			w.t.Errorf("listed %v", outputs)
		}
	})
}
