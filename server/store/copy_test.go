package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

func TestACopyHasEveryRowOfTheSource(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]func(testing.TB, ...storetest.Option) *storetest.Store{
		"plain": storetest.PostgreSQL, "partitioned": storetest.Partitioned,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testCopy(t, &world{storetest.SQLite(t), t}, &world{target(t), t})
		})
	}
}

func testCopy(t *testing.T, from, to *world) {
	ctx := t.Context()
	done := from.one(func(d *store.Deployment) { d.Tags, d.Timeout = []string{"a"}, ptr(time.Hour) })
	c := from.claimOne("w")
	shown := running(c)
	shown.Indexes = []byte(`{"succeeded": "0"}`)
	from.accepts(manifest(c), submitted(c), shown)
	from.check(from.AppendLogs(ctx, []store.LogChunk{{Lease: leaseOf(c), Text: "hello\nworld\n"}}))
	must[*store.Result](t)(from.UpsertResult(ctx, done.ID, c.AttemptID, []byte(`{"rows": 3}`)))
	must[*store.Pool](t)(from.UpdatePool(ctx, "p", store.PoolUpdate{
		RunTokenAudiences: &[]string{"aws"}, References: []byte(`{"secrets":[{"name":"db"}]}`),
	}, actor))
	must[*store.RunIdentity](t)(from.CreateRunToken(ctx, done.ID, c.AttemptID, "aws"))
	from.check(from.InTx(ctx, func(tx *store.Tx) error {
		return tx.CreateSigningKey(ctx, store.SigningKey{ID: "s", PublicKey: []byte(`{}`)}, actor)
	}))
	from.webhook("h")
	from.traceAll()
	from.accepts(failed(c, lifecycle.App))
	from.check(from.RollUpRuns(ctx))
	from.cancelRun(from.run("d").ID, actor) // it is counted, and not rolled up
	from.Advance(2 * time.Minute)
	uploads, _, err := from.AcquireOutputs(ctx, 1, time.Hour, func(store.Output, time.Time) string { return "x" })
	from.check(err)
	from.check(from.UpdateUploadFailed(ctx, uploads[0], "for a row of what is to be deleted"))
	must[*store.Variable](t)(from.UpsertVariable(ctx, "v", []byte(`{"b": 1.0, "a": "<x>"}`), actor))
	from.check(
		from.CreateKey(ctx,
			store.Key{ID: "k", Name: "ci", Bindings: []store.Binding{{Role: "viewer", Pool: "p"}}, SecretHash: "x"}),
	)
	from.trust("t", func(r *store.TrustRule) { r.SingleUse = true })
	from.check(from.exchange("t", "once"))
	from.updateRules("p", aRule("a", "true"))
	must[*store.Variable](t)(from.UpsertVariable(ctx, "deleted", []byte(`1`), actor))
	from.check(from.DeleteVariable(ctx, "deleted", store.DeleteOptions{}, actor))
	asked, _ := from.ask(aRequest("p", "f"))
	from.decide(asked.ID, store.ApprovalApproved)
	from.createSession(session("s", "ada", from.Now()))
	from.asks("here")
	next := from.Now().Add(time.Hour)
	from.check(
		from.UpdateSchedules(
			ctx,
			"d",
			[]store.NewSchedule{
				{Name: "default", Spec: []byte(`{"cron":"@daily"}`), Active: true, Next: &next},
			},
			actor,
		),
	)
	for _, paused := range []bool{true, false} {
		must[*store.Schedule](t)(from.UpdateSchedulePaused(ctx, "d", "default", store.PauseChange{Paused: paused}, actor))
	}
	held := from.run("d", func(n *store.NewRun) {
		n.IdempotencyKey, n.RuleFindings = "once", []store.RuleFinding{finding("a", "no")}
	})
	mine := from.claimOne("w")
	from.run("d")

	compared := map[string]int64{}
	from.check(store.Copy(ctx, from.Store.Store, to.Store.Store, func(c store.CopyProgress) {
		if c.Compared {
			compared[c.Table] = c.Rows
		}
	}))
	for table, want := range map[string]int64{"runs": 4, "attempts": 1, "live": 1, "ready": 1, "variables": 1, "api_keys": 2, "trust_rules": 1, "installation": 1, "pools": 1} {
		if compared[table] != want {
			t.Errorf("%d rows of %s were compared, want %d (%v)", compared[table], table, want, compared)
		}
	}
	for table, rows := range compared {
		if rows == 0 {
			t.Errorf("table %s was copied without a row, which shows nothing", table)
		}
	}
	id := func(w *world) uuid.UUID { return w.installationID() }
	if id(from) != id(to) {
		t.Error("it is another installation")
	}
	same(t, "history", to.history(done.ID), from.history(done.ID))
	if logs := must[[]store.LogChunk](t)(to.ListLogChunks(ctx, done.ID, 1, 0, 100)); len(logs) != 1 ||
		logs[0].Text != "hello\nworld\n" {
		t.Errorf("the output is %v", logs)
	}
	to.accepts(running(mine), succeeded(mine)) // a worker goes on where it was
	to.isIn(held.ID, "COMPLETED Completed")

	err = store.Copy(ctx, from.Store.Store, to.Store.Store, func(store.CopyProgress) {})
	to.refuses(err, store.Conflict)
	if store.Copy(ctx, to.Store.Store, from.Store.Store, func(store.CopyProgress) {}) == nil {
		t.Error("copied from PostgreSQL to SQLite")
	}
}
