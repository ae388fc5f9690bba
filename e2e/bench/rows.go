package main

// rows are what is promised about speed. A new one needs benchmarks of ours, the limit and the peer in one
// package.
func rows() []row {
	const render, impact, inStore, onCluster = "templating/manifest", "templating/preview", "server/store", "e2e/bench/jobs"
	allocations := []string{"allocs/op", "B/op"}
	prepare := func(what, ours string) row {
		return row{what: "render and prepare: " + what, dir: render, unit: "sec/op", steady: allocations,
			ours:  "RenderAndPrepare/" + ours,
			limit: "RenderAndPrepare/limit-json", limitName: "json.Unmarshal",
			peer: "RenderAndPrepare/peer-helm", peerName: "the Helm way"}
	}
	question := func(name string) row {
		return row{
			what:       "a million runs, 100,000 deployments and schedules, p99: " + name,
			dir:        inStore,
			unit:       "p99-sec/op",
			ours:       "Questions/big/" + name,
			limit:      "Questions/small/" + name,
			limitName:  "a thousand of each",
			timesLimit: 2,
		}
	}
	placeholder, gotemplate, text := prepare(
		"placeholder",
		"placeholder",
	), prepare(
		"gotemplate",
		"gotemplate",
	), prepare(
		"text manifest",
		"gotemplate-text",
	)
	placeholder.timesLimit, placeholder.timesPeer = 3, 4
	gotemplate.timesLimit, gotemplate.timesPeer = 3, 4
	text.timesPeer = 1
	return []row{
		placeholder, gotemplate, text,
		{
			what:   "impact of a template change on 10,000 deployments, one core",
			dir:    impact,
			ours:   "ImpactOn10000",
			unit:   "sec/op",
			bound:  1,
			steady: allocations,
		},
		{
			what:       "claim → running → completed in the store, batches of 100",
			dir:        inStore,
			ours:       "FullCycle",
			unit:       "runs/s",
			more:       true,
			limit:      "FullCycleLimit",
			limitName:  "pgbench",
			timesLimit: 0.7,
			peer:       "FullCycle",
			peerDir:    "e2e/bench/river",
			peerName:   "River",
			timesPeer:  1,
		},
		{
			what:      "bulk creation of runs",
			dir:       inStore,
			ours:      "BulkCreate",
			unit:      "runs/s",
			more:      true,
			bound:     50_000,
			limit:     "BulkCreateLimit",
			limitName: "COPY",
		},
		{
			what:      "claim → running → completed over the API, four workers, one server",
			dir:       "server",
			ours:      "HTTPCycle",
			unit:      "runs/s",
			more:      true,
			bound:     10_000,
			limit:     "HTTPCycleLimit",
			limitName: "the store alone",
		},
		{
			what:  "due → claimed at 200 runs a second, half of them",
			dir:   "server",
			ours:  "HTTPDispatch",
			unit:  "p50-sec/op",
			bound: 0.005,
		},
		{
			what:  "due → claimed at 200 runs a second, all but one in a hundred",
			dir:   "server",
			ours:  "HTTPDispatch",
			unit:  "p99-sec/op",
			bound: 0.05,
		},
		{
			what:      "log ingest",
			dir:       inStore,
			ours:      "LogIngest",
			unit:      "B/s",
			more:      true,
			bound:     50e6,
			steady:    []string{"B/op"},
			limit:     "LogIngestLimit",
			limitName: "COPY",
		},
		question(
			"get",
		), question("list-by-pool"), question("list-by-state"), question("list-by-deployment"), question("list-by-time"),
		question(
			"list-by-name-prefix",
		), question("list-by-id-prefix"), question("deployments-of-pool"), question("claim"), question("schedules"),
		{
			what:  "the slowest of the hostile templates",
			dir:   "templating",
			ours:  "HostileWorst",
			unit:  "worst-sec/op",
			bound: 0.25,
		},
		{
			what:  "the most memory a hostile template takes",
			dir:   "templating",
			ours:  "HostileWorst",
			unit:  "worst-B/op",
			bound: 64 << 20,
		},
		{
			what:       "Jobs created by one worker, --launch=named",
			dir:        onCluster,
			cluster:    true,
			ours:       "JobsCreated/named",
			unit:       "jobs/s",
			more:       true,
			limit:      "JobsCreated/limit",
			limitName:  "bare client-go",
			timesLimit: 0.8,
		},
		{
			what:       "Jobs created by one worker, --launch=gated",
			dir:        onCluster,
			cluster:    true,
			ours:       "JobsCreated/gated",
			unit:       "jobs/s",
			more:       true,
			limit:      "JobsCreated/limit-gated",
			limitName:  "bare client-go",
			timesLimit: 0.8,
		},
		{
			what:      "run created over the API → its pod exists, median",
			dir:       onCluster,
			cluster:   true,
			ours:      "PodExists/run",
			unit:      "p50-sec/op",
			bound:     0.02,
			limit:     "PodExists/limit",
			limitName: "a bare Job",
		},
		{
			what:      "run created over the API → its pod exists, p99",
			dir:       onCluster,
			cluster:   true,
			ours:      "PodExists/run",
			unit:      "p99-sec/op",
			bound:     0.1,
			limit:     "PodExists/limit",
			limitName: "a bare Job",
		},
		{
			what:    "pod done → run's end recorded, median",
			dir:     onCluster,
			cluster: true,
			ours:    "Recorded",
			unit:    "p50-sec/op",
			bound:   0.2,
		},
		{
			what:    "10,000 active Jobs on one worker, resident",
			dir:     "e2e",
			cluster: true,
			ours:    "ManyJobs",
			unit:    "resident-B/op",
			bound:   250e6,
		},
		{
			what:    "writes to the API server per Job, from its creation to its release",
			dir:     "e2e",
			cluster: true,
			ours:    "ManyJobs",
			unit:    "writes/job",
			bound:   4,
		},
	}
}
